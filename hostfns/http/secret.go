package http

import (
	"context"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/mask"
	"github.com/snaprail/snaprail/runtime/spec"
)

// vault gets the secrets of one request, and remembers them.
type vault struct {
	ctx     context.Context //nolint:containedctx // it lives for one call
	secrets capability.Secrets
	known   map[string]string
}

// maxSecrets bounds the secrets of one request: its reply is searched for each.
const maxSecrets = 16

// fill puts secrets where a text names them. They lose the line break that a file
// often ends in.
func (v *vault) fill(text string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, abi.SecretPrefix)
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		end := 0
		for end < len(rest) && spec.SecretNameByte(rest[end]) {
			end++
		}
		value, err := v.get(rest[:end])
		if err != nil {
			return "", err
		}
		b.WriteString(strings.TrimRight(value, "\r\n"))
		if text = rest[end:]; b.Len() > maxHeaders {
			return "", fault.New(fault.TooLarge, "http.request: with its secrets a value has more than %d bytes", maxHeaders)
		}
	}
}

func (v *vault) get(name string) (string, error) {
	if name == "" {
		return "", fault.New(fault.Invalid, "http.request: %s without a name", abi.SecretPrefix)
	}
	if v.secrets == nil {
		return "", fault.New(fault.SecretMissing, "there are no secrets here, and %s was asked for", name)
	}
	if value, ok := v.known[name]; ok {
		return value, nil
	}
	if len(v.known) >= maxSecrets {
		return "", fault.New(fault.Invalid, "http.request: more than %d secrets", maxSecrets)
	}
	value, err := v.secrets.Secret(v.ctx, name)
	if err != nil {
		return "", err
	}
	if v.known == nil {
		v.known = map[string]string{}
	}
	v.known[name] = string(value)
	return string(value), nil
}

// tls is what a request asks of TLS; nil: nothing.
func (v *vault) tls(t *abi.HTTPTLS) (*egress.TLS, error) {
	if t == nil || *t == (abi.HTTPTLS{}) {
		return nil, nil //nolint:nilnil // nothing, and nothing wrong
	}
	var parts [3][]byte
	for i, text := range []string{t.CA, t.Certificate, t.Key} {
		if name, found := strings.CutPrefix(text, abi.SecretPrefix); found {
			var err error
			if text, err = v.get(name); err != nil {
				return nil, err
			}
		}
		parts[i] = []byte(text)
	}
	return &egress.TLS{CA: parts[0], Certificate: parts[1], Key: parts[2], ServerName: t.ServerName}, nil
}

// mask takes the secrets of the request out of what the guest gets to see: a peer
// may repeat them. nil: there are none.
func (v *vault) mask() *mask.Mask {
	if len(v.known) == 0 {
		return nil
	}
	var values []string
	for _, value := range v.known {
		values = append(values, value, strings.TrimSpace(value))
	}
	return mask.Of(values...)
}

// masked is an error without the secrets: a peer's words may be in it.
func masked(m *mask.Mask, err error) error {
	if err == nil || m == nil {
		return err
	}
	return m.Fault(fault.Of(err))
}
