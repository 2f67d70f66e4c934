package param

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// sealedKey is the one member of the object that stands for a sealed value in
// a flat config.
const sealedKey = "$secret"

// seal is what stands under sealedKey.
type seal struct {
	spec.SecretInfo
	// JSON: what is sealed is the JSON of a value, and not a text.
	JSON bool `json:"json,omitempty"`
}

// WriteConfig replaces the flat config of a connector: the values that the
// schema calls secrets are sealed, and objects that say what may be known of
// them take their places. Such an object that comes back keeps its value, also
// where it has moved within a list; one that stands for nothing is
// fault.ConfigInvalid with a pointer from /config on. An empty config forgets
// all.
func (b *Book) WriteConfig(w store.Writer, c *spec.Connector, config json.RawMessage, schema *Schema) error {
	config, err := b.rewrite(w, ofGuest(c), c.Config, config, schema)
	if err != nil {
		return err
	}
	c.Config = config
	return nil
}

// rewrite is what is stored of a config that takes another one's place.
func (b *Book) rewrite(w store.Writer, s site, old, config json.RawMessage, schema *Schema) (json.RawMessage, error) {
	kept, err := b.kept(w, s, old, schema)
	if err != nil {
		return nil, err
	}
	ed := editor{book: b, w: w, site: s, schema: schema, kept: kept, used: map[string]bool{}}
	if len(bytes.TrimSpace(config)) > 0 {
		if config, err = walk(config, ed.visit); err != nil {
			return nil, err
		}
		if err := invalid(ed.bad); err != nil {
			return nil, err
		}
	} else {
		config = nil
	}
	for _, k := range kept {
		if k.info.Set && !ed.used[k.at] {
			if err := b.drop(w, s.connector, s.prefix+k.at); err != nil {
				return nil, err
			}
		}
	}
	return config, nil
}

// keptValue is a secret of the config that is there.
type keptValue struct {
	at    string // JSON Pointer
	value []byte
	info  seal // not set: it stands there in the open, since before it was called a secret
}

// kept are the secrets of the config that is there, opened.
func (b *Book) kept(r store.Reader, at site, config json.RawMessage, schema *Schema) (all []keptValue, err error) {
	if !mayHide(config, schema) {
		return nil, nil
	}
	_, err = walk(config, func(path []string, raw json.RawMessage) (json.RawMessage, error) {
		s, sealed := sealOf(raw)
		_, hidden := schema.at(path)
		switch {
		case sealed:
			pointer := pointerOf(path)
			value, _, err := b.vault.Unseal(r, at.name(pointer))
			if fault.Is(err, fault.SecretMissing) {
				return raw, nil
			}
			all = append(all, keptValue{pointer, value, s})
			return raw, err
		case hidden && raw[0] != '{' && raw[0] != '[' && !blank(raw):
			k := keptValue{at: pointerOf(path)}
			k.value, k.info.JSON = plain(raw)
			all = append(all, k)
			return raw, nil
		}
		return nil, nil
	})
	return all, err
}

// editor goes through a config that is to be stored.
type editor struct {
	book   *Book
	w      store.Writer
	site   site
	schema *Schema
	kept   []keptValue
	used   map[string]bool // pointers under which something is sealed now
	bad    []fault.Field
}

func (ed *editor) visit(path []string, raw json.RawMessage) (json.RawMessage, error) {
	_, hidden := ed.schema.at(path)
	if !hidden && raw[0] != '{' { // neither a secret nor what stands for one
		return nil, nil
	}
	at := pointerOf(path)
	if info, masked := ed.masked(at, raw, hidden); masked {
		return ed.keep(at, raw, info)
	}
	if !hidden || blank(raw) || len(path) == 0 {
		return nil, nil
	}
	if raw[0] == '{' && ed.schema.hasMembers(path) {
		return nil, nil // its members are secrets, each of them
	}
	value, isJSON := plain(raw)
	return ed.seal(at, value, isJSON)
}

// masked reports whether a value stands for a secret that is kept, and what it
// says of it.
func (ed *editor) masked(at string, raw json.RawMessage, hidden bool) (spec.SecretInfo, bool) {
	if s, ok := sealOf(raw); ok {
		return s.SecretInfo, true
	}
	hidden = hidden || slices.ContainsFunc(ed.kept, func(k keptValue) bool { return k.at == at })
	if !hidden || raw[0] != '{' {
		return spec.SecretInfo{}, false
	}
	var info spec.SecretInfo
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&info); err != nil || !bytes.Contains(raw, []byte(`"set"`)) {
		return info, false
	}
	return info, true
}

// keep leaves a secret as it is, under the pointer at which it now stands.
func (ed *editor) keep(at string, raw json.RawMessage, info spec.SecretInfo) (json.RawMessage, error) {
	if !info.Set {
		return json.RawMessage("null"), nil
	}
	fits := func(k keptValue) bool { return info.Fingerprint == "" || k.info.Fingerprint == info.Fingerprint }
	i := slices.IndexFunc(ed.kept, func(k keptValue) bool { return k.at == at && fits(k) })
	if i < 0 && info.Fingerprint != "" {
		i = slices.IndexFunc(ed.kept, fits)
	}
	if i < 0 {
		ed.bad = append(ed.bad, fault.Field{Pointer: ed.site.at + at, Detail: "stands for a secret that is kept, and there is none: give its value"})
		return raw, nil
	}
	return ed.seal(at, ed.kept[i].value, ed.kept[i].info.JSON)
}

func (ed *editor) seal(at string, value []byte, isJSON bool) (json.RawMessage, error) {
	ed.used[at] = true
	for _, k := range ed.kept {
		if k.at == at && k.info.Set && k.info.JSON == isJSON && bytes.Equal(k.value, value) {
			return sealed(k.info)
		}
	}
	info, err := ed.book.vault.Seal(ed.w, ed.site.name(at), value)
	if err != nil {
		return nil, err
	}
	return sealed(seal{info, isJSON})
}

func sealed(s seal) (json.RawMessage, error) {
	raw, err := json.Marshal(map[string]seal{sealedKey: s})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "secret")
	}
	return raw, nil
}

// sealOf reads what stands for a sealed value.
func sealOf(raw json.RawMessage) (seal, bool) {
	if len(raw) == 0 || raw[0] != '{' || !bytes.Contains(raw, []byte(sealedKey)) {
		return seal{}, false
	}
	return readSeal(raw)
}

func readSeal(raw json.RawMessage) (s seal, ok bool) {
	var o map[string]json.RawMessage
	if json.Unmarshal(raw, &o) != nil || len(o) != 1 || o[sealedKey] == nil {
		return s, false
	}
	return s, json.Unmarshal(o[sealedKey], &s) == nil
}

// Sealed reports whether a part of a stored config stands for a sealed value.
func Sealed(part json.RawMessage) bool {
	_, sealed := sealOf(part)
	return sealed
}

// plain is a value as it is sealed: a text, or JSON.
func plain(raw json.RawMessage) (value []byte, isJSON bool) {
	var text string
	if raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return []byte(text), false
	}
	return raw, true
}

func blank(raw json.RawMessage) bool { return string(raw) == "null" || string(raw) == `""` }

// mayHide reports whether there may be secrets in a config.
func mayHide(config json.RawMessage, schema *Schema) bool {
	return len(config) > 0 && (schema.HasSecrets() || bytes.Contains(config, []byte(sealedKey)))
}

// flatConfig is the config of a connector without rows.
func (b *Book) flatConfig(r store.Reader, c *spec.Connector, schema *Schema, open bool) (json.RawMessage, error) {
	return b.told(r, ofGuest(c), c.Config, schema, open)
}

// told is a stored config as it is told: opened, or as it may be shown.
func (b *Book) told(r store.Reader, at site, config json.RawMessage, schema *Schema, open bool) (json.RawMessage, error) {
	if !mayHide(config, schema) || open && !bytes.Contains(config, []byte(sealedKey)) { // nothing is there to be hidden, or opened
		return config, nil
	}
	var bad []fault.Field
	config, err := walk(config, func(path []string, raw json.RawMessage) (json.RawMessage, error) {
		s, sealed := sealOf(raw)
		switch _, hidden := schema.at(path); {
		case sealed && open:
			value, _, err := b.vault.Unseal(r, at.name(pointerOf(path)))
			if fault.Is(err, fault.SecretMissing) {
				bad = append(bad, fault.Field{Pointer: pointerOf(path), Detail: "is a secret that is not set"})
				return raw, nil
			}
			if s.JSON {
				return value, err
			}
			return quoted(string(value)), err
		case sealed:
			return shown(spec.Param{Secret: &s.SecretInfo})
		case hidden && !open && len(path) > 0 && !blank(raw) && (raw[0] != '{' || !schema.hasMembers(path)):
			return shown(spec.Param{Value: "set"})
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return config, invalid(bad)
}

// upsertConfig is Upsert for a connector without rows.
func (b *Book) upsertConfig(w store.Writer, c *spec.Connector, pairs map[string]string, schema *Schema) error {
	config := c.Config
	for key, text := range pairs {
		if wrong := checkKey(key); wrong != "" {
			return invalid([]fault.Field{{Pointer: place(key), Detail: wrong}})
		}
		value, present, err := schema.convert(key, text)
		if err != nil || !present {
			return invalid([]fault.Field{{Pointer: place(key), Detail: "is not what the schema wants"}})
		}
		if config, err = with(config, strings.Split(key, "."), value); err != nil {
			return err
		}
	}
	return b.WriteConfig(w, c, config, schema.andSecret(pairs))
}

// with is an object with a value set at a path.
func with(config json.RawMessage, path []string, value json.RawMessage) (json.RawMessage, error) {
	if len(path) == 0 {
		return value, nil
	}
	if len(config) == 0 || config[0] != '{' {
		config = json.RawMessage("{}")
	}
	fields, err := members(config)
	if err != nil {
		return nil, err
	}
	o, found := newObject(), false
	for _, m := range fields {
		if m.name == path[0] {
			found = true
			if m.value, err = with(m.value, path[1:], value); err != nil {
				return nil, err
			}
		}
		o.add(m.name, member{value: m.value})
	}
	if !found {
		inner, err := with(nil, path[1:], value)
		if err != nil {
			return nil, err
		}
		o.add(path[0], member{value: inner})
	}
	return o.raw(), nil
}

// under is a refusal whose pointers begin at a place.
func under(err error, at string) error {
	f := *fault.Of(err)
	f.Fields = slices.Clone(f.Fields)
	for i := range f.Fields {
		f.Fields[i].Pointer = at + f.Fields[i].Pointer
	}
	return &f
}

func pointerOf(path []string) string {
	var b strings.Builder
	for _, part := range path {
		b.WriteByte('/')
		b.WriteString(escape(part))
	}
	return b.String()
}

// Bare is a config as Book.Config shows it, in which of what may be known of
// secrets only {"set":true} is left: what an export holds, and what
// Book.WriteConfig takes for the secret that stands at the same place.
func Bare(config json.RawMessage) json.RawMessage {
	bare, err := walk(config, func(_ []string, raw json.RawMessage) (json.RawMessage, error) {
		if raw[0] != '{' || !bytes.Contains(raw, []byte(`"fingerprint"`)) {
			return nil, nil
		}
		var info spec.SecretInfo
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if dec.Decode(&info) != nil || !info.Set {
			return nil, nil //nolint:nilerr // it is another object
		}
		return json.RawMessage(`{"set":true}`), nil
	})
	if err != nil || len(config) == 0 {
		return config
	}
	return bare
}
