package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// toEnd as the end of a field is the end of the text.
const toEnd = -1

// quoted is how much of a text stands in a reason.
const quoted = 64

// field is one part of the text. Positions are characters, half open.
type field struct {
	name      string
	unit      string
	from, to  int
	kind      string
	attribute bool
	parse     func([]byte) (abi.Value, bool)

	scaled        bool
	scale, offset float64
}

// parser reads the characters of a field of this type. Numbers and bools may
// stand among spaces, as columns do.
func parser(kind string) func([]byte) (abi.Value, bool) {
	switch kind {
	case "int":
		return parseInt
	case "uint":
		return parseUint
	case "double":
		return parseDouble
	case "string":
		return parseString
	case "bool":
		return parseBool
	default:
		return nil
	}
}

func parseInt(text []byte) (abi.Value, bool) {
	v, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	return abi.Int(v), err == nil
}

func parseUint(text []byte) (abi.Value, bool) {
	v, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
	return abi.Uint(v), err == nil
}

func parseDouble(text []byte) (abi.Value, bool) {
	v, err := strconv.ParseFloat(string(bytes.TrimSpace(text)), 64)
	return abi.Double(v), err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
}

func parseBool(text []byte) (abi.Value, bool) {
	v, err := strconv.ParseBool(string(bytes.TrimSpace(text)))
	return abi.Bool(v), err == nil
}

// parseString does not copy: the value lives as long as the batch it is from,
// and is encoded before that is gone.
func parseString(text []byte) (abi.Value, bool) {
	return abi.String(unsafe.String(unsafe.SliceData(text), len(text))), true //nolint:gosec // see above
}

// point reads the field out of a text. ascii says that a character is a byte.
func (f *field) point(text []byte, ascii bool) (abi.Point, error) {
	part, ok := f.slice(text, ascii)
	if !ok {
		return abi.Point{}, f.tooShort(text)
	}
	value, ok := f.parse(part)
	if !ok {
		return abi.Point{}, fmt.Errorf("field %q: %s is not %s", f.name, quote(part), article(f.kind))
	}
	if f.scaled {
		value = abi.Double(number(value)*f.scale + f.offset)
	}
	return abi.Point{Name: f.name, Unit: f.unit, Value: value}, nil
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

func article(kind string) string {
	if kind == "int" {
		return "an int"
	}
	return "a " + kind
}
