package param

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Flatten makes rows of a JSON object, in its order: one for each value that is
// no object, whose key is the path to it. Texts are kept as they are, all else
// as JSON, which the schema turns back when the rows are assembled. What no
// dotted key can name stays together, as the JSON of the object that holds it;
// at the top that is fault.ConfigInvalid, as is everything that Check refuses.
func Flatten(config json.RawMessage) ([]spec.Param, error) {
	if len(config) > MaxConfig {
		return nil, fault.New(fault.TooLarge, "the configuration has %d bytes, and at most %d are allowed", len(config), MaxConfig)
	}
	if TooDeep(config) {
		return nil, invalid([]fault.Field{{Detail: fmt.Sprintf("is nested deeper than %d levels", MaxJSONDepth)}})
	}
	fields, err := members(config)
	if err != nil {
		return nil, err
	}
	f := flattener{}
	for _, m := range fields {
		if !isPart(m.name) {
			return nil, invalid([]fault.Field{{
				Pointer: "/" + escape(m.name),
				Detail:  "cannot be a key: it is empty, has a dot, a control character, or a space at its border",
			}})
		}
		f.add(m.name, m.value)
	}
	if f.err != nil {
		return nil, f.err
	}
	if bad := Check(f.rows, ""); len(bad) > 0 {
		return nil, invalid(f.named(bad))
	}
	return f.rows, nil
}

type flattener struct {
	rows []spec.Param
	err  error
}

// add makes rows of the value at a key.
func (f *flattener) add(key string, value json.RawMessage) {
	if value[0] == '{' && strings.Count(key, ".") < MaxDepth-1 {
		fields, err := members(value)
		if err != nil && f.err == nil {
			f.err = under(err, place(key))
		}
		if err == nil && len(fields) > 0 && nameable(key, fields) {
			for _, m := range fields {
				f.add(key+"."+m.name, m.value)
			}
			return
		}
	}
	text := ""
	if value[0] != '"' || json.Unmarshal(value, &text) != nil {
		text = string(value)
	}
	if len(f.rows) <= MaxRows { // one more is refused, and the rest need not be seen
		f.rows = append(f.rows, spec.Param{Key: key, Value: text, Type: spec.ParamText, Sequence: (len(f.rows) + 1) * spec.DefaultSequence})
	}
}

// nameable reports whether all members can be named by keys.
func nameable(key string, fields []field) bool {
	for _, m := range fields {
		if !isPart(m.name) || len(key)+1+len(m.name) > MaxKey {
			return false
		}
	}
	return true
}

// named says of what is wrong with rows where it was in the object.
func (f *flattener) named(bad []fault.Field) []fault.Field {
	for i, b := range bad {
		for j := range f.rows {
			if n, rest, _ := strings.Cut(strings.TrimPrefix(b.Pointer, "/"), "/"); n == itoa(j) && rest != "" {
				bad[i].Pointer = place(f.rows[j].Key)
			}
		}
	}
	return bad
}

// field is a member of an object.
type field struct {
	name  string
	value json.RawMessage // compact
}

// members reads an object without losing its order. A name that comes twice is
// fault.ConfigInvalid: readers differ in which of the two counts.
func members(config json.RawMessage) (fields []field, err error) {
	if trimmed := bytes.TrimSpace(config); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed) && utf8.Valid(trimmed) {
		if config, err = compact(trimmed); err != nil {
			return nil, err
		}
		return split(nil, config)
	}
	return read(config)
}

// read is members of what may be anything, and says what is wrong with it.
func read(config json.RawMessage) (fields []field, err error) {
	if !utf8.Valid(config) {
		return nil, invalid([]fault.Field{{Pointer: "", Detail: "is not UTF-8"}})
	}
	dec := json.NewDecoder(bytes.NewReader(config))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, invalid([]fault.Field{{Pointer: "", Detail: "is not a JSON object"}})
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		name, _ := t.(string)
		if seen[name] {
			return nil, invalid([]fault.Field{{Pointer: "/" + escape(name), Detail: "is given twice"}})
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, notJSON(err)
		}
		var b bytes.Buffer
		if err := json.Compact(&b, value); err != nil {
			return nil, notJSON(err)
		}
		fields = append(fields, field{name, b.Bytes()})
	}
	if _, err := dec.Token(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, invalid([]fault.Field{{Pointer: "", Detail: "has something behind the object"}})
	}
	return fields, nil
}

func notJSON(err error) error {
	return invalid([]fault.Field{{Pointer: "", Detail: "is not JSON: " + clip(err.Error())}})
}
