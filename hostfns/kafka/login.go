package kafka

import (
	"context"
	"crypto/tls"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/mask"
)

// login is what a session shows to brokers.
type login struct {
	tls       *tls.Config    // nil: none
	mechanism sasl.Mechanism // nil: none
	mask      *mask.Mask     // of the secrets in it; nil: there are none
}

// readLogin fills in the secrets that the arguments name.
func readLogin(ctx context.Context, out *egress.Egress, secrets capability.Secrets, a *abi.KafkaOpen) (l login, err error) {
	v := vault{secrets: secrets}
	var username, password, ca, certificate, key string
	for _, f := range []struct {
		to   *string
		from string
	}{{&username, a.Username}, {&password, a.Password}, {&ca, a.CA}, {&certificate, a.Certificate}, {&key, a.Key}} {
		if *f.to, err = v.fill(ctx, f.from); err != nil {
			return login{}, err
		}
	}
	if len(v.known) > 0 {
		l.mask = mask.Of(v.known...)
	}
	if a.TLS {
		if l.tls, err = out.TLSConfig(egress.TLS{CA: []byte(ca), Certificate: []byte(certificate), Key: []byte(key), ServerName: a.ServerName}); err != nil {
			return login{}, err
		}
	}
	username, password = strings.TrimRight(username, "\r\n"), strings.TrimRight(password, "\r\n")
	switch a.Mechanism {
	case plainText:
		l.mechanism = plain.Auth{User: username, Pass: password}.AsMechanism()
	case scramSHA256:
		l.mechanism = scramLogin{scram.Auth{User: username, Pass: password}.AsSha256Mechanism()}
	case scramSHA512:
		l.mechanism = scramLogin{scram.Auth{User: username, Pass: password}.AsSha512Mechanism()}
	}
	return l, nil
}

// vault gets secrets, and remembers them.
type vault struct {
	secrets capability.Secrets
	known   []string
}

// fill is a text, or the secret that it names.
func (v *vault) fill(ctx context.Context, text string) (string, error) {
	name, found := strings.CutPrefix(text, abi.SecretPrefix)
	switch {
	case !found:
		return text, nil
	case name == "":
		return "", fault.New(fault.Invalid, "kafka.open: %s without a name", abi.SecretPrefix)
	case v.secrets == nil:
		return "", fault.New(fault.SecretMissing, "there are no secrets here, and %s was asked for", fault.Clip(name, 64))
	}
	value, err := v.secrets.Secret(ctx, name)
	if err != nil {
		return "", err
	}
	v.known = append(v.known, string(value), strings.TrimSpace(string(value)))
	return string(value), nil
}
