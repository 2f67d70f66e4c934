package mqtt

import (
	"context"
	"crypto/tls"
	"net"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/mask"
)

// login is what a session shows to the broker.
type login struct {
	tls      *tls.Config // nil: none
	username string
	password string
	mask     *mask.Mask // of the secrets in it; nil: there are none
}

// readLogin fills in the secrets that the arguments name.
func readLogin(ctx context.Context, out *egress.Egress, secrets capability.Secrets, s *settings) (l login, err error) {
	v := vault{secrets: secrets}
	a := &s.args
	var ca, certificate, key string
	for _, f := range []struct {
		to   *string
		from string
	}{{&l.username, a.Username}, {&l.password, a.Password}, {&ca, a.CA}, {&certificate, a.Certificate}, {&key, a.Key}} {
		if *f.to, err = v.fill(ctx, f.from); err != nil {
			return login{}, err
		}
	}
	if len(v.known) > 0 {
		l.mask = mask.Of(v.known...)
	}
	l.username, l.password = strings.TrimRight(l.username, "\r\n"), strings.TrimRight(l.password, "\r\n")
	if l.username != "" && checkText(l.username) != nil {
		return login{}, fault.New(fault.Invalid, "mqtt.open: the user name %v", errText)
	}
	if !s.secure {
		return l, nil
	}
	name := a.ServerName
	if name == "" {
		name, _, _ = net.SplitHostPort(s.address)
	}
	l.tls, err = out.TLSConfig(egress.TLS{CA: []byte(ca), Certificate: []byte(certificate), Key: []byte(key), ServerName: name})
	return l, err
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
		return "", fault.New(fault.Invalid, "mqtt.open: %s without a name", abi.SecretPrefix)
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
