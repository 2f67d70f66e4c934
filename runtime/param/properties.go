package param

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
)

// setting is one line of a file of settings.
type setting struct {
	line        int
	name, value string
}

// fromProperties reads name=value lines. A dot in a name makes an object of
// it, as in a row's key.
func fromProperties(body []byte) (json.RawMessage, error) {
	settings, err := properties(body)
	if err != nil {
		return nil, err
	}
	root := newObject()
	for _, s := range settings {
		if wrong := checkKey(s.name); wrong != "" {
			return nil, atLine(s.line, "the name %q %s", clip(s.name), wrong)
		}
		if !root.set(s.name, quoted(s.value)) {
			return nil, atLine(s.line, "%q is given twice, or as a value and as what holds others", clip(s.name))
		}
	}
	return root.raw(), nil
}

// properties reads lines as java.util.Properties does: comments begin with #
// or !, a name ends at = or : or a space, a backslash at the end of a line joins
// the next one to it.
func properties(body []byte) (settings []setting, err error) {
	joined, from, n := "", 0, 0
	for line := range strings.Lines(string(body)) {
		n++
		text := strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t\f")
		if joined == "" {
			from = n
			if text == "" || text[0] == '#' || text[0] == '!' {
				continue
			}
		}
		if rest, more := continued(text); more {
			joined += rest
			continue
		}
		s := propertyOf(joined + text)
		s.line, joined = from, ""
		if settings = append(settings, s); len(settings) > MaxRows {
			return nil, atLine(n, "there are more than %d settings", MaxRows)
		}
	}
	if joined != "" {
		s := propertyOf(joined)
		s.line = from
		settings = append(settings, s)
	}
	return settings, nil
}

// continued is a line without the odd backslash at its end, if it has one.
func continued(text string) (string, bool) {
	slashes := len(text) - len(strings.TrimRight(text, `\`))
	if slashes%2 == 0 {
		return text, false
	}
	return text[:len(text)-1], true
}

// propertyOf takes one logical line apart.
func propertyOf(text string) setting {
	end := 0
	for end < len(text) && !strings.ContainsRune("=: \t\f", rune(text[end])) {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(text))
	value := strings.TrimLeft(text[end:], " \t\f")
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], " \t\f")
	}
	return setting{name: unescaped(text[:end]), value: strings.TrimRight(unescaped(value), " \t\f")}
}

// unescaped undoes the backslashes of a property. A \u that four hexadecimal
// digits do not follow stays as it is.
func unescaped(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			var r rune
			if n, err := fmt.Sscanf(text[i+1:min(len(text), i+5)], "%04x", &r); n == 1 && err == nil && i+5 <= len(text) {
				b.WriteRune(r)
				i += 4
			} else {
				b.WriteString(`\u`)
			}
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

func atLine(n int, format string, args ...any) error {
	return fault.New(fault.ConfigInvalid, "line %d: %s", n, fmt.Sprintf(format, args...))
}

// serverNames are the properties of a server.config, and what they are called
// here; the first three are required.
func serverNames() []struct{ from, to string } {
	return []struct{ from, to string }{
		{"targetServer", "target_server"},
		{"authToken", "auth_token"},
		{"sources", "sources"},
		{"sendPings", "send_pings"},
		{"tcpProbePort", "tcp_probe_port"},
	}
}

// serverConfig reads a server.config.
func serverConfig(body []byte) (json.RawMessage, error) {
	settings, err := properties(body)
	if err != nil {
		return nil, err
	}
	root := newObject()
	for _, s := range settings {
		name := s.name
		for _, known := range serverNames() {
			if name == known.from {
				name = known.to
			}
		}
		if wrong := checkKey(name); wrong != "" {
			return nil, atLine(s.line, "the name %q %s", clip(name), wrong)
		}
		if !root.set(name, quoted(s.value)) {
			return nil, atLine(s.line, "%q is given twice", clip(s.name))
		}
	}
	var bad []fault.Field
	for _, known := range serverNames()[:3] {
		if m, found := root.members[known.to]; !found || string(m.value) == `""` {
			bad = append(bad, fault.Field{Pointer: "/" + known.to, Detail: "is missing: the property " + known.from + " of server.config"})
		}
	}
	return root.raw(), invalid(bad)
}

// WithAuthToken is a server.config with the token that the environment has,
// for one that names none: a token in the file goes before.
func WithAuthToken(body []byte, token string) []byte {
	settings, err := properties(body)
	if err != nil || token == "" || strings.ContainsAny(token, "\r\n") {
		return body
	}
	for _, s := range settings {
		if s.name == "authToken" && s.value != "" {
			return body
		}
	}
	return append(bytes.TrimRight(bytes.Clone(body), "\r\n"), []byte("\nauthToken="+strings.ReplaceAll(token, `\`, `\\`)+"\n")...)
}
