package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// path is a way into a JSON value: $.a[0]['b c'], or a JSON Pointer.
type path []part

// part is one step of the way: into an object or into an array.
type part struct {
	name  string
	index int  // below 0: from the end
	array bool // by index
}

func parsePath(text string) (path, error) {
	if text == "" || strings.HasPrefix(text, "/") {
		return parsePointer(text), nil
	}
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		rest = "." + text // temperature is $.temperature
	}
	var p path
	for rest != "" {
		one, after, err := parsePart(rest)
		if err != nil {
			return nil, fmt.Errorf("path %q: %w", text, err)
		}
		p, rest = append(p, one), after
	}
	return p, nil
}

func parsePart(text string) (one part, rest string, err error) {
	if name, ok := strings.CutPrefix(text, "."); ok {
		end := strings.IndexAny(name, ".[")
		if end < 0 {
			end = len(name)
		}
		if end == 0 || strings.ContainsAny(name[:end], "*]'\"") {
			return one, "", fmt.Errorf("%q is no name", name[:end])
		}
		return part{name: name[:end]}, name[end:], nil
	}
	inner, ok := strings.CutPrefix(text, "[")
	if !ok {
		return one, "", fmt.Errorf("%q is no step", text)
	}
	if len(inner) > 0 && (inner[0] == '\'' || inner[0] == '"') {
		name, after, closed := strings.Cut(inner[1:], string(inner[0])+"]")
		if !closed {
			return one, "", fmt.Errorf("%q has no end", inner)
		}
		return part{name: name}, after, nil
	}
	number, after, closed := strings.Cut(inner, "]")
	n, err := strconv.Atoi(number)
	if !closed || err != nil {
		return one, "", fmt.Errorf("%q is no index", number)
	}
	return part{index: n, array: true}, after, nil
}

// parsePointer reads a JSON Pointer, whose numbers may be names, too.
func parsePointer(text string) path {
	var p path
	for name := range strings.SplitSeq(strings.TrimPrefix(text, "/"), "/") {
		if text == "" {
			break
		}
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		one := part{name: name}
		if n, err := strconv.Atoi(name); err == nil && n >= 0 {
			one.index, one.array = n, true
		}
		p = append(p, one)
	}
	return p
}

// document is a value that is taken apart as far as somebody looks into it, and
// that once.
type document struct {
	raw    json.RawMessage
	object map[string]*document
	array  []*document
	opened bool
}

// at is what the path leads to; nil: nothing is there.
func (d *document) at(p path) *document {
	for _, one := range p {
		if d == nil {
			return nil
		}
		d.open()
		i := one.index
		if i < 0 {
			i += len(d.array)
		}
		switch {
		case d.array != nil && one.array && 0 <= i && i < len(d.array):
			d = d.array[i]
		case d.object != nil:
			d = d.object[one.name]
		default:
			return nil
		}
	}
	return d
}

// open takes the value apart by one level.
func (d *document) open() {
	if d.opened {
		return
	}
	d.opened = true
	switch d.raw = bytes.TrimSpace(d.raw); {
	case len(d.raw) == 0:
	case d.raw[0] == '{':
		var members map[string]json.RawMessage
		if json.Unmarshal(d.raw, &members) == nil {
			d.object = make(map[string]*document, len(members))
			for name, raw := range members {
				d.object[name] = &document{raw: raw}
			}
		}
	case d.raw[0] == '[':
		var elements []json.RawMessage
		if json.Unmarshal(d.raw, &elements) == nil {
			d.array = make([]*document, len(elements))
			for i, raw := range elements {
				d.array[i] = &document{raw: raw}
			}
		}
	}
}

// null reports whether there is no value: none at all, or null.
func (d *document) null() bool { return d == nil || string(bytes.TrimSpace(d.raw)) == "null" }
