package http

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
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

// minMasked is the shortest text that is taken out of a reply, in bytes: a
// shorter one is in too many replies by chance.
const minMasked = 6

// mask stands where a secret stood.
const mask = "******"

// masks are the texts that a guest may not get to see, the longest first.
type masks []string

func (v *vault) masks() masks {
	var all masks
	for _, value := range v.known {
		all = append(all, formsOf(value)...)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(all)
}

// formsOf is how a peer may echo a value.
func formsOf(value string) (forms []string) {
	trimmed := strings.TrimSpace(value)
	quoted, err := json.Marshal(trimmed)
	if err == nil {
		forms = append(forms, string(quoted[1:len(quoted)-1]))
	}
	forms = append(forms, value, trimmed, url.QueryEscape(trimmed), url.PathEscape(trimmed), hex.EncodeToString([]byte(trimmed)))
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			forms = append(forms, inBase64(e, trimmed, shift))
		}
	}
	return slices.DeleteFunc(forms, func(f string) bool { return len(f) < minMasked })
}

// inBase64 is the part of a base64 text that depends on the value alone, when the
// value begins shift bytes behind a group of three, as a password does in basic
// authentication.
func inBase64(e *base64.Encoding, value string, shift int) string {
	text := e.EncodeToString(append(make([]byte, shift), value...))
	if (shift+len(value))%3 != 0 {
		text = text[:len(text)-1] // it holds bits of what comes behind
	}
	return text[min((8*shift+5)/6, len(text)):] // and those of what comes before
}

func (m masks) text(s string) string {
	for _, secret := range m {
		s = strings.ReplaceAll(s, secret, mask)
	}
	return s
}

func (m masks) bytes(b []byte) []byte {
	for _, secret := range m {
		if bytes.Contains(b, []byte(secret)) {
			b = bytes.ReplaceAll(b, []byte(secret), []byte(mask))
		}
	}
	return b
}

// fault is an error without the secrets: a peer's words may be in it.
func (m masks) fault(err error) error {
	if err == nil || len(m) == 0 {
		return err
	}
	f := *fault.Of(err)
	f.Text, f.Hint = m.text(f.Text), m.text(f.Hint)
	return &f
}
