package main

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// toEnd as the end of a field is the end of the text.
const toEnd = -1

// quoted is how much of a text stands in a reason.
const quoted = 64

// field is one part of the text. Positions are characters, half open.
type field struct {
	name     string
	from, to int
	kind     kind
	// point is where the field's value goes: name and unit stand there already.
	point *abi.Point

	plain         bool // an int with an end, not scaled, of no more digits than fit
	scaled        bool
	scale, offset float64
}

// read puts the field's part of a text into its point. ascii says that a
// character is a byte.
func (f *field) read(text []byte, ascii bool) error {
	part, ok := f.slice(text, ascii)
	if !ok {
		return f.tooShort(text)
	}
	value, ok := f.kind.parse(part)
	if !ok {
		return fmt.Errorf("field %q: %s is not %s", f.name, quote(part), f.kind.described())
	}
	if f.scaled {
		value = abi.Double(number(value)*f.scale + f.offset)
	}
	f.point.Value = value
	return nil
}

// slice cuts the field out, and reports whether the text is long enough. A
// field to the end may be empty.
func (f *field) slice(text []byte, ascii bool) ([]byte, bool) {
	if !ascii {
		return f.sliceRunes(text)
	}
	to := f.to
	if to == toEnd {
		to = len(text)
	}
	if f.from > to || to > len(text) {
		return nil, false
	}
	return text[f.from:to], true
}

func (f *field) sliceRunes(text []byte) ([]byte, bool) {
	start, ok := skipRunes(text, f.from)
	if !ok {
		return nil, false
	}
	if f.to == toEnd {
		return text[start:], true
	}
	n, ok := skipRunes(text[start:], f.to-f.from)
	return text[start : start+n], ok
}

// skipRunes answers where the first n characters end.
func skipRunes(text []byte, n int) (at int, ok bool) {
	for ; n > 0; n-- {
		if at == len(text) {
			return at, false
		}
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at, true
}

func (f *field) tooShort(text []byte) error {
	wants := "characters from " + strconv.Itoa(f.from)
	if f.to != toEnd {
		wants += " to " + strconv.Itoa(f.to)
	}
	return fmt.Errorf("field %q: wants %s, but %s has %d", f.name, wants, quote(text), utf8.RuneCount(text))
}

func number(v abi.Value) float64 {
	switch v.Type() {
	case abi.ValueInt:
		return float64(v.Int())
	case abi.ValueUint:
		return float64(v.Uint())
	default:
		return v.Double()
	}
}

func quote(text []byte) string {
	if len(text) > quoted {
		return strconv.Quote(string(text[:quoted])) + "..."
	}
	return strconv.Quote(string(text))
}
