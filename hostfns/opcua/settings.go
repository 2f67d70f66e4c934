package opcua

import (
	"cmp"
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// settings are the arguments of open, checked.
type settings struct {
	args     abi.OPCUAOpen
	endpoint string
	key      string
	policy   string // URI; empty: the best
	mode     ua.MessageSecurityMode

	openTimeout, openRetry, sessionTimeout time.Duration
}

// policies are the names of what gopcua can do, the weakest first, with their
// URIs. Those that are broken need to be asked for.
func policies() []string {
	return []string{
		ua.SecurityPolicyURINone, ua.SecurityPolicyURIBasic128Rsa15, ua.SecurityPolicyURIBasic256,
		ua.SecurityPolicyURIBasic256Sha256, ua.SecurityPolicyURIAes128Sha256RsaOaep, ua.SecurityPolicyURIAes256Sha256RsaPss,
	}
}

// sound is the first of policies that is not broken.
const sound = 3

// strength orders policies and modes; negative: unknown.
func strength(policy string, mode ua.MessageSecurityMode) int {
	at := slices.Index(policies(), policy)
	if at < 0 || (at == 0) != (mode == ua.MessageSecurityModeNone) || mode < 1 || mode > 3 {
		return -1
	}
	if mode == ua.MessageSecurityModeSignAndEncrypt {
		at += len(policies()) // to be read by nobody is worth more than a newer hash
	}
	return at
}

func insecure(policy string) bool { return slices.Index(policies(), policy) < sound }

const (
	defaultTimeout = 10 * time.Second
	defaultRetry   = 500 * time.Millisecond
	defaultSession = time.Minute
)

func readSettings(args []byte) (*settings, error) {
	s := &settings{}
	a := &s.args
	if err := a.Decode(args); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "opcua.open: the request cannot be read")
	}
	var err error
	if s.endpoint, err = endpoint(a.Endpoint); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "opcua.open: the endpoint %q", fault.Clip(a.Endpoint, 256))
	}
	if a.Policy != "" {
		s.policy = ua.FormatSecurityPolicyURI(a.Policy)
		if !slices.Contains(policies(), s.policy) {
			return nil, fault.New(fault.Invalid, "opcua.open: there is no security policy %q", fault.Clip(a.Policy, 64))
		}
	}
	switch a.Mode {
	case "":
	case "None":
		s.mode = ua.MessageSecurityModeNone
	case "Sign":
		s.mode = ua.MessageSecurityModeSign
	case "SignAndEncrypt":
		s.mode = ua.MessageSecurityModeSignAndEncrypt
	default:
		return nil, fault.New(fault.Invalid, "opcua.open: the mode is None, Sign or SignAndEncrypt, and not %q", fault.Clip(a.Mode, 64))
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	s.openTimeout = duration(a.OpenTimeoutMS, defaultTimeout)
	s.openRetry = duration(a.OpenRetryMS, defaultRetry)
	s.sessionTimeout = duration(a.SessionTimeoutMS, defaultSession)
	a.Endpoint, a.Policy = s.endpoint, s.policy
	a.OpenTimeoutMS, a.OpenRetryMS = uint64(s.openTimeout.Milliseconds()), uint64(s.openRetry.Milliseconds())
	a.SessionTimeoutMS = uint64(s.sessionTimeout.Milliseconds())
	s.key = string(a.Append(nil))
	return s, nil
}

func (s *settings) check() error {
	a := &s.args
	none := s.policy == ua.SecurityPolicyURINone || s.mode == ua.MessageSecurityModeNone
	switch {
	case !a.AllowInsecure && (none || s.policy != "" && insecure(s.policy)):
		return fault.New(fault.Invalid, "opcua.open: this security policy protects nothing, or is broken").
			WithHint("Choose Basic256Sha256, Aes128_Sha256_RsaOaep or Aes256_Sha256_RsaPss, or set allow_insecure if the network is trusted.")
	case s.policy != "" && s.mode != 0 && strength(s.policy, s.mode) < 0:
		return fault.New(fault.Invalid, "opcua.open: the policy and the mode None go together, and with no others")
	case a.Username != "" && a.UserCertificate != "":
		return fault.New(fault.Invalid, "opcua.open: a user logs in by name or by certificate, not by both")
	case (a.UserCertificate == "") != (a.UserKey == "") || (a.Certificate == "") != (a.Key == ""):
		return fault.New(fault.Invalid, "opcua.open: a certificate and its key go together")
	case a.Password != "" && a.Username == "":
		return fault.New(fault.Invalid, "opcua.open: a password without a user name")
	}
	return nil
}

func duration(ms uint64, otherwise time.Duration) time.Duration {
	most := uint64(time.Hour.Milliseconds())
	return cmp.Or(time.Duration(min(ms, most))*time.Millisecond, otherwise) //nolint:gosec // at most an hour
}
