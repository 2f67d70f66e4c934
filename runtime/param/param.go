// Package param is a connector's configuration as a person keeps it: rows of
// dotted keys and values, the schema that a module gives for them, files that
// rows refer to, and the formats of other systems that rows can be read from.
//
// What is above runtime/param in the table of imports does not know of it; the
// control plane writes rows with it, and the supervisor assembles them into
// the one object that a guest is configured with. Its invariant: a secret value
// is sealed before it is stored, and no function but Book.Config, asked to open
// it, gives it back.
//
//	rows, err := param.Flatten(json.RawMessage(`{"installed":{"client_id":"x"}}`))
//	// rows[0].Key == "installed.client_id"
package param

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The bounds of a connector's rows.
const (
	MaxKey    = 255       // bytes of a key
	MaxRows   = 500       // of a connector
	MaxValue  = 64 << 10  // bytes of a row's text
	MaxValues = 128 << 10 // bytes of all keys and texts of a connector
	MaxConfig = 512 << 10 // bytes of the assembled config
	MaxDepth  = 16        // parts of a key

	maxSequence = 1_000_000 // either way of 0
)

// Base64 is the encoding of a row of type file whose bytes are handed on in
// base64 (RFC 4648, with padding). Without it a file is UTF-8 text.
const Base64 = "base64"

// Check says what is wrong with rows, by JSON Pointers under the given one;
// nothing: they can be assembled, as far as that can be known from them alone.
func Check(rows []spec.Param, at string) (bad []fault.Field) {
	if len(rows) > MaxRows {
		return []fault.Field{{Pointer: at, Detail: fmt.Sprintf("has %d rows, and at most %d are allowed", len(rows), MaxRows)}}
	}
	size := 0
	for i := range rows {
		row, here := &rows[i], at+"/"+strconv.Itoa(i)
		size += len(row.Key) + len(row.Value)
		if wrong := checkKey(row.Key); wrong != "" {
			bad = append(bad, fault.Field{Pointer: here + "/key", Detail: wrong})
		}
		bad = append(bad, checkRow(row, here)...)
	}
	if size > MaxValues {
		bad = append(bad, fault.Field{Pointer: at, Detail: fmt.Sprintf("has %d bytes of keys and values, and at most %d are allowed", size, MaxValues)})
	}
	return append(bad, conflicts(rows, at)...)
}

// checkKey says what is wrong with a key; "": nothing.
func checkKey(key string) string {
	switch {
	case key == "":
		return "is required"
	case len(key) > MaxKey:
		return fmt.Sprintf("has %d bytes, and at most %d are allowed", len(key), MaxKey)
	case strings.Count(key, ".") >= MaxDepth:
		return fmt.Sprintf("has more than %d parts", MaxDepth)
	}
	for part := range strings.SplitSeq(key, ".") {
		if !isPart(part) {
			return "has a part between its dots that is empty, begins with a slash or a space, ends with a space, or holds a control character"
		}
	}
	return ""
}

// isPart reports whether a text can stand between the dots of a key.
func isPart(part string) bool {
	return part != "" && part != sealedKey && utf8.ValidString(part) && !strings.Contains(part, ".") &&
		!strings.HasPrefix(part, "/") && strings.TrimSpace(part) == part && !strings.ContainsFunc(part, unicode.IsControl)
}

func checkRow(row *spec.Param, at string) (bad []fault.Field) {
	wrong := func(field, detail string) { bad = append(bad, fault.Field{Pointer: at + "/" + field, Detail: detail}) }
	switch row.Type {
	case "", spec.ParamText, spec.ParamSecret:
		if row.FileID != "" {
			wrong("file_id", "is for rows of type file")
		}
	case spec.ParamFile:
		if row.Value != "" {
			wrong("value", "is not for rows of type file: upload it and give its file_id")
		}
	default:
		wrong("value_type", "is text, file or secret")
	}
	if len(row.Value) > MaxValue {
		wrong("value", fmt.Sprintf("has %d bytes, and at most %d are allowed", len(row.Value), MaxValue))
	}
	if !utf8.ValidString(row.Value) {
		wrong("value", "is not UTF-8")
	}
	if row.Encoding != "" && (row.Encoding != Base64 || row.Type != spec.ParamFile) {
		wrong("encoding", "is base64, for rows of type file, or nothing")
	}
	if row.Sequence < -maxSequence || row.Sequence > maxSequence {
		wrong("sequence", fmt.Sprintf("is %d to %d", -maxSequence, maxSequence))
	}
	return bad
}

// conflicts are the rows that cannot stand beside another one: the same key,
// or one that would have to be a value and an object at once.
func conflicts(rows []spec.Param, at string) (bad []fault.Field) {
	taken := make(map[string]int, len(rows))
	for i, row := range rows {
		if first, twice := taken[row.Key]; twice {
			bad = append(bad, fault.Field{Pointer: at + "/" + strconv.Itoa(i) + "/key", Detail: fmt.Sprintf("is that of row %d too", first)})
			continue
		}
		taken[row.Key] = i
	}
	for i, row := range rows {
		for cut := strings.LastIndexByte(row.Key, '.'); cut > 0; cut = strings.LastIndexByte(row.Key[:cut], '.') {
			if j, found := taken[row.Key[:cut]]; found {
				bad = append(bad, fault.Field{
					Pointer: at + "/" + strconv.Itoa(i) + "/key",
					Detail:  fmt.Sprintf("conflicts with row %d: %s cannot be a value and hold others", j, clip(row.Key[:cut])),
				})
				break
			}
		}
	}
	return bad
}

// Sort orders rows as they are assembled: by sequence, and by key where that is
// equal.
func Sort(rows []spec.Param) {
	slices.SortStableFunc(rows, func(a, b spec.Param) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Key, b.Key))
	})
}

// clip shortens what a stranger wrote, for a sentence.
func clip(text string) string { return fault.Clip(text, 100) }

// invalid is the refusal of a config, for these reasons; nil: there are none.
func invalid(bad []fault.Field) error {
	if len(bad) == 0 {
		return nil
	}
	text := bad[0].Pointer + " " + bad[0].Detail
	if len(bad) > 1 {
		text += fmt.Sprintf(" (and %d more)", len(bad)-1)
	}
	return fault.New(fault.ConfigInvalid, "the configuration is not valid: %s", text).WithFields(bad...)
}

// place is the JSON Pointer of a key in the assembled config.
func place(key string) string {
	return "/" + strings.ReplaceAll(strings.NewReplacer("~", "~0", "/", "~1").Replace(key), ".", "/")
}
