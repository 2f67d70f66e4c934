package main

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// kind is what the characters of a field are.
type kind uint8

const (
	unknown kind = iota
	signed
	unsigned
	double
	text
	boolean
)

// kindOf is the kind with this name in a config.
func kindOf(name string) kind {
	switch name {
	case "int":
		return signed
	case "uint":
		return unsigned
	case "double":
		return double
	case "string":
		return text
	case "bool":
		return boolean
	default:
		return unknown
	}
}

// described is the kind with its article.
func (k kind) described() string {
	return [...]string{"known", "an int", "a uint", "a double", "a string", "a bool"}[k]
}

// parse reads a value. Numbers and bools may stand among spaces, as columns do.
func (k kind) parse(part []byte) (abi.Value, bool) {
	switch k {
	case signed:
		v, ok := parseInt(trim(part))
		return abi.Int(v), ok
	case unsigned:
		v, ok := parseUint(trim(part))
		return abi.Uint(v), ok
	case double:
		v, err := strconv.ParseFloat(string(trim(part)), 64)
		return abi.Double(v), err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
	case boolean:
		v, err := strconv.ParseBool(string(trim(part)))
		return abi.Bool(v), err == nil
	default:
		// Not copied: the value lives as long as the batch that it is from, and
		// is encoded before that is gone.
		return abi.String(unsafe.String(unsafe.SliceData(part), len(part))), true //nolint:gosec // see above
	}
}

func trim(part []byte) []byte { return bytes.Trim(part, " ") }

// safeDigits is how many digits fit any uint64.
const safeDigits = 19

// parseInt and parseUint read decimal digits as strconv does, without what
// costs most of the time in a guest: the string, the base and the error.
func parseInt(part []byte) (int64, bool) {
	negative := false
	if len(part) > 0 && (part[0] == '-' || part[0] == '+') {
		negative, part = part[0] == '-', part[1:]
	}
	n, ok := parseUint(part)
	if negative {
		return -int64(n), ok && n <= 1<<63
	}
	return int64(n), ok && n <= math.MaxInt64
}

func parseUint(part []byte) (uint64, bool) {
	if 0 < len(part) && len(part) <= safeDigits {
		n := uint64(0)
		for len(part) >= 2 { // two at a time are half the jumps
			a, b := uint64(part[0]-'0'), uint64(part[1]-'0')
			if max(a, b) > 9 {
				return 0, false
			}
			n, part = n*100+a*10+b, part[2:]
		}
		if len(part) == 0 {
			return n, true
		}
		last := uint64(part[0] - '0')
		return n*10 + last, last <= 9
	}
	n, err := strconv.ParseUint(string(part), 10, 64)
	return n, err == nil
}
