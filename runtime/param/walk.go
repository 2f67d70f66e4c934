package param

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
)

// visitor is shown a value of a JSON text and the path to it. What it answers
// takes the value's place; nil: go into it. It may keep neither of the two.
type visitor func(path []string, raw json.RawMessage) (json.RawMessage, error)

// walk goes through a JSON value and puts what visit answers in the place of
// what it was shown. The result is compact and shares nothing with raw.
func walk(raw json.RawMessage, visit visitor) (json.RawMessage, error) {
	if !json.Valid(raw) || !utf8.Valid(raw) {
		return nil, broken(raw)
	}
	raw, err := compact(raw)
	if err != nil {
		return nil, err
	}
	w := walker{visit: visit, out: make([]byte, 0, len(raw)+64)}
	if err := w.value(raw); err != nil {
		return nil, err
	}
	return w.out, nil
}

// walker writes what becomes of a compact JSON text that is valid.
type walker struct {
	visit visitor
	path  []string
	out   []byte
}

func (w *walker) value(raw json.RawMessage) error {
	got, err := w.visit(w.path, raw)
	switch {
	case err != nil:
		return err
	case got != nil:
		w.out = append(w.out, got...)
		return nil
	case raw[0] == '{':
		return w.object(raw)
	case raw[0] == '[':
		return w.list(raw)
	}
	w.out = append(w.out, raw...)
	return nil
}

func (w *walker) object(raw json.RawMessage) error {
	var room someFields
	fields, err := split(room[:0], raw)
	if err != nil {
		return under(err, pointerOf(w.path))
	}
	w.out = append(w.out, '{')
	for i, m := range fields {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.out = append(AppendText(w.out, m.name), ':')
		w.path = append(w.path, m.name)
		if err := w.value(m.value); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	w.out = append(w.out, '}')
	return nil
}

func (w *walker) list(raw json.RawMessage) error {
	w.out = append(w.out, '[')
	for i, rest := 0, raw[1:]; rest[0] != ']'; i++ {
		if i > 0 {
			w.out, rest = append(w.out, ','), rest[1:]
		}
		n := valueSize(rest)
		w.path = append(w.path, itoa(i))
		if err := w.value(rest[:n:n]); err != nil {
			return err
		}
		w.path, rest = w.path[:len(w.path)-1], rest[n:]
	}
	w.out = append(w.out, ']')
	return nil
}

// someFields is room for the members of most objects.
type someFields [8]field

// split appends the members of a compact JSON object that is valid. Their values
// are parts of it. A name that comes twice is fault.ConfigInvalid.
func split(fields []field, raw json.RawMessage) ([]field, error) {
	const few = 16
	var seen map[string]bool // when there are more than a few
	for rest := raw[1:]; rest[0] != '}'; {
		if rest[0] == ',' {
			rest = rest[1:]
		}
		n := textSize(rest)
		name := unquoted(rest[:n])
		rest = rest[n+1:] // and the colon
		if n = valueSize(rest); len(fields) == few {
			seen = make(map[string]bool, 2*few)
			for _, f := range fields {
				seen[f.name] = true
			}
		}
		if seen[name] || seen == nil && slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
			return nil, invalid([]fault.Field{{Pointer: "/" + escape(name), Detail: "is given twice"}})
		}
		if seen != nil {
			seen[name] = true
		}
		fields = append(fields, field{name, rest[:n:n]})
		rest = rest[n:]
	}
	return fields, nil
}

// valueSize is the length of the compact JSON value at the beginning of a text.
func valueSize(raw []byte) int {
	switch raw[0] {
	case '"':
		return textSize(raw)
	case '{', '[':
		depth := 0
		for i := 0; ; i++ {
			switch raw[i] {
			case '"':
				i += textSize(raw[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	if i := bytes.IndexAny(raw, ",]}"); i >= 0 {
		return i
	}
	return len(raw)
}

// textSize is the length of the JSON text at the beginning of another, with its
// quotes.
func textSize(raw []byte) int {
	for i := 1; ; i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

func unquoted(raw []byte) (name string) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	_ = json.Unmarshal(raw, &name) // it is valid
	return name
}

// AppendText appends a text as JSON.
func AppendText(to []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return append(to, quoted(text)...)
		}
	}
	return append(append(append(to, '"'), text...), '"')
}

// compact is valid JSON without the space that means nothing: itself, when it
// has none.
func compact(raw json.RawMessage) (json.RawMessage, error) {
	text := false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case !text && (c == ' ' || c == '\n' || c == '\t' || c == '\r'):
			var b bytes.Buffer
			err := json.Compact(&b, raw)
			if err != nil {
				return nil, notJSON(err)
			}
			return b.Bytes(), nil
		}
	}
	return raw, nil
}

// broken says in what a text is not JSON.
func broken(raw json.RawMessage) error {
	if raw = bytes.TrimSpace(raw); len(raw) > 0 && raw[0] == '{' {
		if _, err := read(raw); err != nil {
			return err
		}
	}
	var whole json.RawMessage
	if err := json.Unmarshal(raw, &whole); err != nil && len(raw) > 0 {
		return notJSON(err)
	}
	return invalid([]fault.Field{{Pointer: "", Detail: "is not JSON"}})
}
