package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// place is where a value stands, and how.
type place struct {
	at     int // below 0: from the end
	size   int // bytes; 0: up to the end
	kind   kind
	little bool
	swap   bool    // registers of two bytes in the other order than the bytes in them
	bit    uint    // the lowest one
	bits   uint    // 0: all
	absent *uint64 // bits that say that there is no value
}

// kind is what the bytes are.
type kind uint8

const (
	unsigned kind = iota + 1
	signed
	float
	boolean
	text
	raw
	bcd
)

// types are the names of fixed types, with what they are and their bytes.
var types = map[string]struct {
	kind kind
	size int
}{
	"uint8": {unsigned, 1}, "uint16": {unsigned, 2}, "uint24": {unsigned, 3}, "uint32": {unsigned, 4}, "uint48": {unsigned, 6}, "uint64": {unsigned, 8},
	"int8": {signed, 1}, "int16": {signed, 2}, "int24": {signed, 3}, "int32": {signed, 4}, "int48": {signed, 6}, "int64": {signed, 8},
	"float32": {float, 4}, "float64": {float, 8}, "bool": {boolean, 1},
	"string": {text, 0}, "bytes": {raw, 0}, "bcd": {bcd, 0},
}

// read answers the value; false: the device says that it has none.
func (p *place) read(payload []byte) (abi.Value, bool, error) {
	part, err := p.cut(payload)
	if err != nil {
		return abi.Value{}, false, err
	}
	switch p.kind {
	case text:
		if part = bytes.TrimRight(part, "\x00 "); !utf8.Valid(part) {
			return abi.Value{}, false, fmt.Errorf("%s is not UTF-8", shown(part))
		}
		return abi.String(string(part)), true, nil
	case raw:
		return abi.Bytes(part), true, nil
	case bcd:
		n, err := decimal(p.ordered(part))
		return abi.Uint(n), true, err
	default:
	}
	n := p.number(part)
	if p.absent != nil && n == *p.absent {
		return abi.Value{}, false, nil
	}
	return p.value(n)
}

func (p *place) cut(payload []byte) ([]byte, error) {
	from := p.at
	if from < 0 {
		from += len(payload)
	}
	to := from + p.size
	if p.size == 0 {
		to = len(payload)
	}
	if from < 0 || from > to || to > len(payload) {
		return nil, fmt.Errorf("wants %d bytes at %d, and %s has %d", p.size, p.at, shown(payload), len(payload))
	}
	return payload[from:to], nil
}

// ordered is the bytes with the highest first. It may be the payload's own.
func (p *place) ordered(part []byte) []byte {
	if !p.little && !p.swap {
		return part
	}
	o := bytes.Clone(part)
	if p.swap { // the registers first, each as it is
		for i, j := 0, len(o)-2; i < j; i, j = i+2, j-2 {
			o[i], o[i+1], o[j], o[j+1] = o[j], o[j+1], o[i], o[i+1]
		}
	}
	if p.little {
		for i, j := 0, len(o)-1; i < j; i, j = i+1, j-1 {
			o[i], o[j] = o[j], o[i]
		}
	}
	return o
}

// number is the bits of the value, lowest first.
func (p *place) number(part []byte) uint64 {
	var eight [8]byte
	copy(eight[8-len(part):], p.ordered(part))
	n := binary.BigEndian.Uint64(eight[:]) >> p.bit
	if p.bits > 0 {
		n &= 1<<p.bits - 1
	}
	return n
}

func (p *place) value(n uint64) (abi.Value, bool, error) {
	switch p.kind {
	case signed:
		width := uint(p.size)*8 - p.bit
		if p.bits > 0 {
			width = p.bits
		}
		unused := 64 - width
		return abi.Int(int64(n<<unused) >> unused), true, nil
	case float:
		f := math.Float64frombits(n)
		if p.size == 4 {
			f = float64(math.Float32frombits(uint32(n)))
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return abi.Value{}, false, nil // as devices say that they have none
		}
		return abi.Double(f), true, nil
	case boolean:
		return abi.Bool(n != 0), true, nil
	default:
		return abi.Uint(n), true, nil
	}
}

// decimal reads two digits in each byte.
func decimal(part []byte) (n uint64, err error) {
	for _, b := range part {
		high, low := uint64(b>>4), uint64(b&0xf)
		if high > 9 || low > 9 {
			return 0, fmt.Errorf("%s is no BCD", shown(part))
		}
		n = n*100 + high*10 + low
	}
	return n, nil
}
