package param

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The formats that Import knows.
const (
	FormatJSON          = "json"
	FormatYAML          = "yaml"
	FormatProperties    = "properties"     // name=value lines
	FormatServerConfig  = "server.config"  // properties of an extension source
	FormatINI           = "ini"            // [sections] of name = value lines
	FormatConnectorConf = "connector.conf" // INI of a connector client
)

// MaxImport is the most bytes that are imported.
const MaxImport = 256 << 10

// Import reads a file of settings and answers the object that it means, to be
// flattened. What it is follows from its name, else from its media type, else
// from its text: JSON, YAML, name=value properties, or INI sections.
//
// Two names mean more. A server.config must have its three properties, which
// get the names target_server, auth_token, sources, send_pings and
// tcp_probe_port. The sections of a connector.conf get small letters.
//
// All values but those of JSON and YAML are texts; the schema makes numbers,
// lists and yes or no of them when they are assembled. The error is
// fault.ConfigInvalid, with pointers for what is missing, or fault.TooLarge.
func Import(name, mime string, body []byte) (object json.RawMessage, format string, err error) {
	if len(body) > MaxImport {
		return nil, "", fault.New(fault.TooLarge, "the file has %d bytes, and at most %d are imported", len(body), MaxImport)
	}
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) // a byte order mark
	if !utf8.Valid(body) {
		return nil, "", fault.New(fault.ConfigInvalid, "the file is not UTF-8")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, "", fault.New(fault.ConfigInvalid, "the file is empty")
	}
	format = formatOf(name, mime, body)
	switch format {
	case FormatJSON:
		if _, err := members(body); err != nil {
			return nil, format, err
		}
		object = bytes.TrimSpace(body)
	case FormatYAML:
		object, err = fromYAML(body)
	case FormatServerConfig:
		object, err = serverConfig(body)
	case FormatINI, FormatConnectorConf:
		object, err = fromINI(body, format == FormatConnectorConf)
	default:
		object, err = fromProperties(body)
	}
	if err != nil {
		return nil, format, err
	}
	return object, format, nil
}

func formatOf(name, mime string, body []byte) string {
	base := strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/")))
	switch base {
	case FormatServerConfig:
		return FormatServerConfig
	case FormatConnectorConf:
		return FormatConnectorConf
	}
	switch path.Ext(base) {
	case ".json":
		return FormatJSON
	case ".yaml", ".yml":
		return FormatYAML
	case ".ini":
		return FormatINI
	case ".properties":
		return FormatProperties
	}
	media, _, _ := strings.Cut(strings.ToLower(mime), ";")
	switch media = strings.TrimSpace(media); {
	case media == "application/json" || strings.HasSuffix(media, "+json"):
		return FormatJSON
	case strings.HasSuffix(media, "yaml"):
		return FormatYAML
	}
	return sniff(body)
}

// sniff guesses from the first line that says something.
func sniff(body []byte) string {
	for line := range bytes.Lines(body) {
		text := string(bytes.TrimSpace(line))
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
		case text[0] == '{':
			return FormatJSON
		case text[0] == '[':
			return FormatINI
		case text == "---" || strings.HasPrefix(text, "- "):
			return FormatYAML
		default:
			colon, equals := strings.IndexByte(text, ':'), strings.IndexByte(text, '=')
			if colon > 0 && (equals < 0 || colon < equals) && (colon == len(text)-1 || text[colon+1] == ' ') {
				return FormatYAML
			}
			return FormatProperties
		}
	}
	return FormatProperties
}

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
		s := property1(joined + text)
		s.line, joined = from, ""
		if settings = append(settings, s); len(settings) > MaxRows {
			return nil, atLine(n, "there are more than %d settings", MaxRows)
		}
	}
	if joined != "" {
		s := property1(joined)
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

// property1 takes one logical line apart.
func property1(text string) setting {
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

// fromINI reads [sections] of name = value lines, as configparser of Python
// does: names get small letters, comments begin with # or ;, a line that is
// indented goes on with the value above it.
func fromINI(body []byte, lower bool) (json.RawMessage, error) {
	root, n, count := newObject(), 0, 0
	section := ""
	var last *setting
	var all []setting
	flush := func() {
		if last != nil {
			all = append(all, *last)
			last = nil
		}
	}
	for line := range strings.Lines(string(body)) {
		n++
		text := strings.TrimSpace(line)
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
		case line[0] == ' ' || line[0] == '\t':
			if last == nil {
				return nil, atLine(n, "is indented, and there is no value above that it could go on with")
			}
			last.value += "\n" + text
		case text[0] == '[' && strings.HasSuffix(text, "]"):
			flush()
			section = strings.TrimSpace(text[1 : len(text)-1])
			if lower {
				section = strings.ToLower(section)
			}
			if !isPart(section) {
				return nil, atLine(n, "%q cannot be a section's name", clip(section))
			}
			section += "."
		default:
			flush()
			at := strings.IndexAny(text, "=:")
			if at <= 0 {
				return nil, atLine(n, "is no section and no name = value")
			}
			name := strings.ToLower(strings.TrimSpace(text[:at]))
			if !isPart(name) {
				return nil, atLine(n, "%q cannot be a name", clip(name))
			}
			last = &setting{n, section + name, strings.TrimSpace(text[at+1:])}
			if count++; count > MaxRows {
				return nil, atLine(n, "there are more than %d settings", MaxRows)
			}
		}
	}
	flush()
	for _, s := range all {
		if !root.set(s.name, quoted(s.value)) {
			return nil, atLine(s.line, "%q is given twice", clip(s.name))
		}
	}
	return root.raw(), nil
}
