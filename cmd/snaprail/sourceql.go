package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/snaprail/snaprail/runtime/fault"
)

// statement reads the statements that rules know of sources:
//
//	SELECT * FROM SOURCE pump WITH from = "2026-01-01", limit = 10
//	PUBLISH {"text": "hello"} TO SOURCE pump
//
// Keywords have any case. A value is JSON, or a text in single quotes.
type statement struct {
	rest string
}

// selectStatement is the source of a query and its parameters.
func selectStatement(text string) (source string, params json.RawMessage, err error) {
	s := statement{strings.TrimRight(strings.TrimSpace(text), ";")}
	for _, word := range []string{"select", "*", "from", "source"} {
		if err := s.keyword(word); err != nil {
			return "", nil, err
		}
	}
	if source, err = s.name(); err != nil {
		return "", nil, err
	}
	object := map[string]json.RawMessage{}
	if s.blank() {
		return source, []byte("{}"), nil
	}
	if err := s.keyword("with"); err != nil {
		return "", nil, err
	}
	for {
		name, err := s.name()
		if err == nil {
			err = s.keyword("=")
		}
		if err != nil {
			return "", nil, err
		}
		if _, twice := object[name]; twice {
			return "", nil, s.wrong("a parameter that is not %s again", name)
		}
		if object[name], err = s.value(); err != nil {
			return "", nil, err
		}
		if s.blank() {
			break
		}
		if err := s.keyword(","); err != nil {
			return "", nil, err
		}
	}
	params, err = json.Marshal(object)
	return source, params, err
}

// publishStatement is the source of a publish and what is published.
func publishStatement(text string) (source string, message json.RawMessage, err error) {
	s := statement{strings.TrimRight(strings.TrimSpace(text), ";")}
	if err := s.keyword("publish"); err != nil {
		return "", nil, err
	}
	if message, err = s.value(); err != nil {
		return "", nil, err
	}
	for _, word := range []string{"to", "source"} {
		if err := s.keyword(word); err != nil {
			return "", nil, err
		}
	}
	if source, err = s.name(); err != nil {
		return "", nil, err
	}
	if !s.blank() {
		return "", nil, s.wrong("nothing behind the source")
	}
	return source, message, nil
}

// begins reports whether a text is a statement that begins with the word.
func begins(text, word string) bool {
	fields := strings.Fields(text)
	return len(fields) > 1 && strings.EqualFold(fields[0], word)
}

func (s *statement) wrong(format string, args ...any) error {
	const shown = 40
	at := s.rest
	if s.blank() {
		at = "the end"
	}
	return fault.New(fault.Usage, "the statement: want "+format+" at %q", append(args, fault.Clip(at, shown))...).
		WithHint(`Write SELECT * FROM SOURCE name WITH parameter = "value", or PUBLISH {"json": 1} TO SOURCE name.`)
}

func (s *statement) blank() bool { return strings.TrimSpace(s.rest) == "" }

// keyword takes one word, or one sign.
func (s *statement) keyword(word string) error {
	s.rest = strings.TrimSpace(s.rest)
	if len(s.rest) < len(word) || !strings.EqualFold(s.rest[:len(word)], word) {
		return s.wrong("%s", strings.ToUpper(word))
	}
	after := s.rest[len(word):]
	if isWord(rune(word[0])) && after != "" && isWord(rune(after[0])) {
		return s.wrong("%s", strings.ToUpper(word))
	}
	s.rest = after
	return nil
}

func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-.:@", r)
}

// name takes a name, which is in quotes if it is more than a word.
func (s *statement) name() (string, error) {
	s.rest = strings.TrimSpace(s.rest)
	if s.rest != "" && strings.ContainsRune("\"'`", rune(s.rest[0])) {
		name, after, closed := strings.Cut(s.rest[1:], s.rest[:1])
		if !closed || name == "" {
			return "", s.wrong("a name")
		}
		s.rest = after
		return name, nil
	}
	end := strings.IndexFunc(s.rest, func(r rune) bool { return !isWord(r) })
	if end < 0 {
		end = len(s.rest)
	}
	if end == 0 {
		return "", s.wrong("a name")
	}
	name := s.rest[:end]
	s.rest = s.rest[end:]
	return name, nil
}

// value takes one value.
func (s *statement) value() (json.RawMessage, error) {
	s.rest = strings.TrimSpace(s.rest)
	if text, quoted := strings.CutPrefix(s.rest, "'"); quoted {
		text, after, closed := strings.Cut(text, "'")
		if !closed {
			return nil, s.wrong("a text that ends")
		}
		s.rest = after
		return json.Marshal(text)
	}
	from := json.NewDecoder(bytes.NewReader([]byte(s.rest)))
	var raw json.RawMessage
	if err := from.Decode(&raw); err != nil {
		return nil, s.wrong("JSON, or a text in quotes,")
	}
	s.rest = s.rest[from.InputOffset():]
	return raw, nil
}
