package param

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Assemble builds the object that rows are, in the order of Sort; value gives
// the text of each. All values are texts: see Schema.Assemble for those that
// are more. The errors of value and of rows that conflict come together, as one
// fault.ConfigInvalid whose fields point into the object.
func Assemble(rows []spec.Param, value func(spec.Param) (string, error)) (json.RawMessage, error) {
	return (*Schema)(nil).Assemble(rows, value)
}

// Assemble is the function of that name, and makes of each text what the schema
// wants at its place: a number, a list, an object. An empty text where the
// schema allows none counts as no value. A nil schema wants texts.
func (s *Schema) Assemble(rows []spec.Param, value func(spec.Param) (string, error)) (json.RawMessage, error) {
	return s.assemble(rows, func(row spec.Param) (json.RawMessage, bool, error) {
		text, err := value(row)
		if err != nil {
			return nil, false, err
		}
		return s.convert(row.Key, text)
	})
}

// assemble builds the object out of values; without some of them, if value
// says so.
func (s *Schema) assemble(rows []spec.Param, value func(spec.Param) (json.RawMessage, bool, error)) (json.RawMessage, error) {
	rows = append([]spec.Param(nil), rows...)
	Sort(rows)
	root, size := newObject(), 0
	var bad []fault.Field
	for _, row := range rows {
		raw, present, err := value(row)
		switch f := fault.Of(err); {
		case err != nil && f.Kind != fault.ConfigInvalid && f.Kind != fault.SecretMissing:
			return nil, err
		case err != nil:
			bad = append(bad, fault.Field{Pointer: place(row.Key), Detail: f.Text})
			continue
		case !present:
			continue
		}
		if wrong := checkKey(row.Key); wrong != "" {
			bad = append(bad, fault.Field{Pointer: place(row.Key), Detail: wrong})
		} else if !root.set(row.Key, raw) {
			bad = append(bad, fault.Field{Pointer: place(row.Key), Detail: "conflicts with another row: a key cannot be a value and hold others, nor be there twice"})
		}
		if size += len(raw) + len(row.Key); size > MaxConfig {
			return nil, fault.New(fault.ConfigInvalid, "the configuration has more than %d bytes", MaxConfig).
				WithFields(fault.Field{Pointer: place(row.Key), Detail: "makes the configuration too large"})
		}
	}
	if err := invalid(bad); err != nil {
		return nil, err
	}
	return root.raw(), nil
}

func itoa(n int) string { return strconv.Itoa(n) }

// escape is a name as a part of a JSON Pointer.
func escape(name string) string {
	if !strings.ContainsAny(name, "~/") { // seldom, and a replacer costs
		return name
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
