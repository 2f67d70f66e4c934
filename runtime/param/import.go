package param

import (
	"bytes"
	"encoding/json"
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
