package abi

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// stub is what a record or a point points to, with its encoded fields in the
// low size bytes of a word (see wire.Word). An index has at most three bytes there: a batch
// with more strings than that is beyond MaxBatch.
type stub struct {
	text, unit           string
	textIndex, unitIndex uint32

	word uint64
	size int
}

func (e *encoder) learnDevice(device string) {
	s := &e.device
	s.text = device
	s.set(e.devices.index(device, s.textIndex), 0)
}

// knows reports whether the stub of point number i is that of p.
func (e *encoder) knows(i int, p *Point) bool {
	return i < len(e.points) && identical(p.Name, e.points[i].text) && identical(p.Unit, e.points[i].unit)
}

// learnPoint makes the stub of point number i, of which all before have one.
func (e *encoder) learnPoint(i int, p *Point) {
	e.again = false
	switch {
	case i < len(e.points):
	case i < cap(e.points):
		e.points = e.points[:i+1] // that of an earlier batch: a good guess
	default:
		e.points = append(e.points, stub{})
	}
	s := &e.points[i]
	s.text, s.unit = p.Name, p.Unit
	s.set(e.names.index(p.Name, s.textIndex), e.names.optional(p.Unit, s.unitIndex))
}

// set encodes the indexes, unless they are what they were.
func (s *stub) set(text, unit uint32) {
	if text == s.textIndex && unit == s.unitIndex {
		return
	}
	s.textIndex, s.unitIndex = text, unit
	s.word, s.size = 0, 0
	s.add(1, text)
	s.add(2, unit)
}

// add puts a field behind those that s has.
func (s *stub) add(field int, index uint32) {
	if index == 0 {
		return
	}
	word, size := wire.Word(wire.Tag(field)<<3|wire.Varint, uint64(index))
	s.word |= word << (8 * s.size)
	s.size += size
}

// identical reports whether a and b are one string in memory: a test without
// a call, after which equal strings may still differ.
func identical(a, b string) bool {
	return len(a) == len(b) && unsafe.StringData(a) == unsafe.StringData(b) //nolint:gosec // addresses are compared only
}
