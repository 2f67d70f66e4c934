// Package pointer finds parts of JSON by JSON Pointer (RFC 6901): "/orders/0/id". A
// guest imports it; it knows no connector. What it finds shares the document's
// memory, and is never changed.
package pointer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Pointer names a part of a document; the zero one names all of it.
type Pointer struct {
	parts []string
	// Set says that there was a text. The empty text of RFC 6901, which is all of the
	// document, is the zero pointer here, and not set.
	Set bool
}

// Parse reads a pointer: nothing, or parts that begin with a slash each, in which ~1
// is a slash and ~0 a tilde.
func Parse(text string) (Pointer, error) {
	if text == "" {
		return Pointer{}, nil
	}
	if text[0] != '/' {
		return Pointer{}, fmt.Errorf("%q is no JSON Pointer: it begins with a slash, as in /order/id", text)
	}
	p := Pointer{parts: strings.Split(text[1:], "/"), Set: true}
	for i := range p.parts {
		p.parts[i] = strings.ReplaceAll(strings.ReplaceAll(p.parts[i], "~1", "/"), "~0", "~")
	}
	return p, nil
}

// UnmarshalText reads a pointer out of a config.
func (p *Pointer) UnmarshalText(text []byte) (err error) {
	*p, err = Parse(string(text))
	return err
}

// Find is the part of a document, which is valid JSON. false: it is not there.
func (p Pointer) Find(doc json.RawMessage) (json.RawMessage, bool) {
	for _, part := range p.parts {
		doc = bytes.TrimSpace(doc)
		var found bool
		if doc, found = step(doc, part); !found {
			return nil, false
		}
	}
	return bytes.TrimSpace(doc), true
}

func step(doc json.RawMessage, part string) (json.RawMessage, bool) {
	if len(doc) == 0 {
		return nil, false
	}
	switch doc[0] {
	case '{':
		var members map[string]json.RawMessage
		if json.Unmarshal(doc, &members) != nil {
			return nil, false
		}
		found, ok := members[part]
		return found, ok
	case '[':
		var list []json.RawMessage
		at, err := strconv.ParseUint(part, 10, 31)
		if err != nil || strconv.FormatUint(at, 10) != part || json.Unmarshal(doc, &list) != nil || at >= uint64(len(list)) {
			return nil, false
		}
		return list[at], true
	}
	return nil, false
}

// Text is a part as a text: of a string what it says, of a number or a bool how it
// is written. false: it is not there, or null, an object or a list.
func (p Pointer) Text(doc json.RawMessage) (string, bool) {
	found, ok := p.Find(doc)
	if !ok || len(found) == 0 {
		return "", false
	}
	switch found[0] {
	case '{', '[', 'n':
		return "", false
	case '"':
		var text string
		err := json.Unmarshal(found, &text)
		return text, err == nil
	}
	return string(found), true
}

// List is a part that is a list. false: it is none.
func (p Pointer) List(doc json.RawMessage) (list []json.RawMessage, ok bool) {
	found, ok := p.Find(doc)
	if !ok || len(found) == 0 || found[0] != '[' {
		return nil, false
	}
	return list, json.Unmarshal(found, &list) == nil
}
