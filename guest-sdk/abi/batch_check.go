package abi

import (
	"bytes"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// sizes are the lengths of a batch's tables, and how many points were seen.
type sizes struct {
	devices, types, names int
	points                int
}

// CheckBatch reads the whole of an encoded batch and reports the number of
// its records, without allocating: the host does so for everything that a
// guest writes before it is kept. What passes can be decoded. An error wraps
// ErrMalformed, ErrTooLarge, or ErrKind for a record of a kind beyond
// KindEvent.
func CheckBatch(src []byte) (records int, err error) {
	if len(src) > MaxBatch {
		return 0, tooLarge("bytes in a batch", MaxBatch)
	}
	var s sizes
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			s.devices++
			r.CheckText()
		case 2<<3 | wire.Bytes:
			s.types++
			r.CheckText()
		case 3<<3 | wire.Bytes:
			s.names++
			r.CheckText()
		case 5<<3 | wire.Bytes:
			if records++; records > MaxItems {
				r.Fail(tooLarge("records in a batch", MaxItems))
			}
		}
	}
	if r.Err() != nil {
		return 0, r.Err()
	}
	if err := s.records(src); err != nil {
		return 0, err
	}
	return records, nil
}

func (s *sizes) records(src []byte) error {
	r := wire.Read(src)
	for i := 0; r.Next(); {
		if r.Tag() == 5<<3|wire.Bytes {
			r.Fail(at("record", i, s.record(r.Bytes())))
			i++
		}
	}
	return r.Err()
}

func (s *sizes) record(src []byte) error {
	var device, contentType uint32
	var kind Kind
	points, headers := 0, 0
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			device = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			kind = Kind(r.Uint())
		case 4<<3 | wire.Varint:
			contentType = uint32(r.Uint())
		case 6<<3 | wire.Bytes:
			r.Fail(at("point", points, s.point(points, r.Bytes())))
			points++
		case 8<<3 | wire.Bytes:
			if headers >= MaxHeaders {
				r.Fail(tooLarge("headers in a record", MaxHeaders))
				break
			}
			r.Fail(at("header", headers, checkHeader(r.Bytes())))
			headers++
		case 9<<3 | wire.Bytes:
			r.CheckText()
		}
	}
	switch {
	case r.Err() != nil:
		return r.Err()
	case int64(device) >= int64(s.devices):
		return outOfRange("device", uint64(device), s.devices)
	case int64(contentType) > int64(s.types):
		return outOfRange("content type", uint64(contentType-1), s.types)
	case kind > KindEvent:
		return at("kind", int(kind), ErrKind)
	}
	return nil
}

// point checks the point number n of a record.
func (s *sizes) point(n int, src []byte) error {
	if n >= MaxPoints {
		return tooLarge("points in a record", MaxPoints)
	}
	if s.points++; s.points > MaxBatchPoints {
		return tooLarge("points in a batch", MaxBatchPoints)
	}
	var name, unit uint32
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			name = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			unit = uint32(r.Uint())
		case 7<<3 | wire.Bytes:
			r.CheckText()
		}
	}
	switch {
	case r.Err() != nil:
		return r.Err()
	case int64(name) >= int64(s.names):
		return outOfRange("name", uint64(name), s.names)
	case int64(unit) > int64(s.names):
		return outOfRange("unit", uint64(unit-1), s.names)
	}
	return nil
}

func checkHeader(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			r.CheckText()
		}
	}
	return r.Err()
}

// CountBatch is how many records an encoded batch has that was checked before;
// of one that was not it is a guess. It looks into none of them.
func CountBatch(src []byte) (records int) {
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 5<<3|wire.Bytes {
			records++
		}
	}
	return records
}

// HasSourceKeys reports whether a record of an encoded batch, which was checked
// before, has a source key. It costs next to nothing where none has.
func HasSourceKeys(src []byte) bool {
	if bytes.IndexByte(src, 9<<3|wire.Bytes) < 0 { // the field's tag: it may be text, too
		return false
	}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() != 5<<3|wire.Bytes {
			continue
		}
		record := wire.Read(r.Bytes())
		for record.Next() {
			if record.Tag() == 9<<3|wire.Bytes && len(record.Bytes()) > 0 {
				return true
			}
		}
	}
	return false
}
