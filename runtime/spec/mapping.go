package spec

import (
	"strconv"
	"strings"
)

// Mapping says which reading of a device's twin a payload holds, for records
// that have no points.
type Mapping struct {
	Tag string `json:"tag" doc:"The reading's name in the twin"`
	// Pointer is where the payload, which is JSON, has the value (RFC 6901).
	Pointer string `json:"pointer" doc:"JSON Pointer to the value in a record's payload, as in /temp/1"`
	Unit    string `json:"unit,omitempty" doc:"UCUM code, as in Cel"`
}

// Lookup is what a JSON Pointer points to in decoded JSON; "" is all of it.
func Lookup(v any, pointer string) (any, bool) {
	if pointer == "" {
		return v, true
	}
	if pointer[0] != '/' {
		return nil, false
	}
	for part := range strings.SplitSeq(pointer[1:], "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[part]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(at) || strconv.Itoa(i) != part {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}
