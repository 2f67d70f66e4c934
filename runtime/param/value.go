package param

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Object is the members of a JSON object by their names; false: it is none, or
// none of the plain kind, in which each name comes once and all text is UTF-8.
// The values may be parts of raw. It is many times quicker than to have the
// standard library make a map.
func Object(raw json.RawMessage) (members map[string]json.RawMessage, plain bool) {
	raw, plain = plainJSON(raw)
	if !plain || raw[0] != '{' {
		return nil, false
	}
	var room someFields
	fields, err := split(room[:0], raw)
	if err != nil {
		return nil, false
	}
	members = make(map[string]json.RawMessage, len(fields))
	for _, f := range fields {
		members[f.name] = f.value
	}
	return members, true
}

// Value is JSON as the standard library decodes it, numbers as json.Number;
// false: it is not of the plain kind, as Object has it.
func Value(raw json.RawMessage) (value any, plain bool) {
	if raw, plain = plainJSON(raw); !plain {
		return nil, false
	}
	return decoded(raw)
}

// plainJSON is a JSON text without space, if it is one, in UTF-8.
func plainJSON(raw json.RawMessage) (json.RawMessage, bool) {
	if !json.Valid(raw) || !utf8.Valid(raw) || TooDeep(raw) {
		return nil, false
	}
	raw, err := compact(raw)
	return raw, err == nil
}

// decoded is the value of compact JSON that is valid.
func decoded(raw json.RawMessage) (any, bool) {
	switch raw[0] {
	case '{':
		var room someFields
		fields, err := split(room[:0], raw)
		if err != nil {
			return nil, false
		}
		object := make(map[string]any, len(fields))
		for _, f := range fields {
			value, plain := decoded(f.value)
			if !plain {
				return nil, false
			}
			object[f.name] = value
		}
		return object, true
	case '[':
		list := make([]any, 0, bytes.Count(raw[:min(len(raw), 256)], []byte(","))+1)
		for rest := raw[1:]; rest[0] != ']'; {
			if rest[0] == ',' {
				rest = rest[1:]
			}
			n := valueSize(rest)
			value, plain := decoded(rest[:n])
			if !plain {
				return nil, false
			}
			list, rest = append(list, value), rest[n:]
		}
		return list, true
	case '"':
		return unquoted(raw), true
	case 't', 'f':
		return raw[0] == 't', true
	case 'n':
		return nil, true
	}
	return json.Number(raw), true
}
