package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// The bounds of a manifest.
const (
	MaxManifest = 256 << 10 // bytes
	maxNesting  = 64
)

// ParseManifest reads and checks a manifest; every fault found is in the
// error, which wraps ErrMalformed when src is not JSON of this shape and
// ErrTooLarge beyond the bounds. It is strict where two readers could
// understand two things (a name given twice, a known name in another
// spelling, broken text) and skips fields that it does not know, for the sake
// of manifests to come.
func ParseManifest(src []byte) (*Manifest, error) {
	if len(src) > MaxManifest {
		return nil, tooLarge("bytes in a manifest", MaxManifest)
	}
	if err := checkJSON(src); err != nil {
		return nil, err
	}
	m := new(Manifest)
	if err := json.Unmarshal(src, m); err != nil {
		return nil, notJSON(err)
	}
	if string(m.ConfigSchema) == "null" {
		m.ConfigSchema = nil
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}

func notJSON(err error) error {
	return &detail{text: "manifest: " + err.Error(), err: ErrMalformed}
}

// checkJSON sees that src is one JSON object that every reader understands in
// the same way.
func checkJSON(src []byte) error {
	if !utf8.Valid(src) {
		return notJSON(errors.New("not UTF-8"))
	}
	if !bytes.HasPrefix(bytes.TrimLeft(src, " \t\r\n"), []byte("{")) {
		return notJSON(errors.New("not a JSON object"))
	}
	w := walker{dec: json.NewDecoder(bytes.NewReader(src))}
	if err := w.value(1, true); err != nil {
		return err
	}
	if _, err := w.dec.Token(); err != io.EOF {
		return notJSON(errors.New("something follows the object"))
	}
	return nil
}

type walker struct {
	dec *json.Decoder
}

func (w walker) token() (json.Token, error) {
	t, err := w.dec.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, notJSON(err)
	}
	if s, ok := t.(string); ok && strings.ContainsRune(s, utf8.RuneError) {
		return nil, notJSON(errors.New("a string holds U+FFFD, the mark of broken text"))
	}
	return t, nil
}

// value walks over one value. Names are ours to check, named is true, outside
// the config schema.
func (w walker) value(depth int, named bool) error {
	t, err := w.token()
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth > maxNesting {
		return tooLarge("levels of nesting in a manifest", maxNesting)
	}
	var seen map[string]bool
	if open == '{' {
		seen = make(map[string]bool)
	}
	for w.dec.More() {
		inner := named
		if seen != nil {
			name, err := w.name(seen, named)
			if err != nil {
				return err
			}
			inner = named && name != "config_schema"
		}
		if err := w.value(depth+1, inner); err != nil {
			return err
		}
	}
	_, err = w.token()
	return err
}

func (w walker) name(seen map[string]bool, named bool) (string, error) {
	t, err := w.token()
	if err != nil {
		return "", err
	}
	name, _ := t.(string) // the decoder lets nothing else stand here
	if seen[name] {
		return "", notJSON(errors.New("the field " + name + " is given twice"))
	}
	seen[name] = true
	if known := knownName(name); named && known != "" && known != name {
		return "", notJSON(errors.New("there is no field " + name + "; write " + known))
	}
	return name, nil
}

// knownName is the field that name means, if its case and underscores are not
// looked at. Readers differ in whether they do: encoding/json matches any
// case, protobuf's JSON also camelCase.
func knownName(name string) string {
	plain := strings.ReplaceAll(name, "_", "")
	for _, known := range [...]string{
		"category", "provider_type", "display_name", "description", "version",
		"abi", "kind", "mode", "lanes", "polls", "config_schema", "capabilities",
		"device_types", "entry_points", "extism", "convert", "content_type",
		"major", "minor", "group", "optional", "reason", "rights",
		"oauth", "authorize_url", "token_url", "scopes", "issuer",
	} {
		if strings.EqualFold(plain, strings.ReplaceAll(known, "_", "")) {
			return known
		}
	}
	return ""
}
