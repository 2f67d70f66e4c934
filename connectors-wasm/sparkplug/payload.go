package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
	"github.com/snaprail/snaprail/guest-sdk/go/recordjson"
)

// A payload is a protobuf message of version 2 (specification, 6.4.1), written
// by hand because reflection is too heavy in a guest. What is optional there and
// holds its zero value is written all the same.

// payload is the body of a message.
type payload struct {
	Time    int64 // unix ms; 0: none
	Seq     int   // -1: none
	Metrics []metric
}

// metric is one value of a payload.
type metric struct {
	Name       string // "": it is told by its alias
	Alias      uint64 // 0: none
	Time       int64  // unix ms; 0: none
	Type       datatype
	Untold     bool // the type is known, and not told
	Historical bool
	Null       bool
	Unit       string
	Quality    int       // a quality constant; 0: not told
	Value      abi.Value // of a form that the type has (see fit)
}

// The qualities that a metric may have, as the property Quality
// (tck-id-payloads-propertyset-quality-value-value). Bad is 0 on the wire.
const (
	qualityBad   = -1
	qualityGood  = 192
	qualityStale = 500
)

// quality is what an OPC UA StatusCode says, by its severity.
func quality(status uint32) int {
	switch status >> 30 {
	case 0:
		return qualityGood
	case 1:
		return qualityStale
	default:
		return qualityBad
	}
}

// Append adds the encoded payload to dst.
func (p *payload) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(p.Time))
	for i := range p.Metrics {
		var mark int
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(p.Metrics[i].append(dst), mark)
	}
	if p.Seq >= 0 {
		dst = wire.AppendUintAlways(dst, 3, uint64(p.Seq))
	}
	return dst
}

func (m *metric) append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Name)
	dst = wire.AppendUint(dst, 2, m.Alias)
	dst = wire.AppendUint(dst, 3, uint64(m.Time))
	if !m.Untold {
		dst = wire.AppendUint(dst, 4, uint64(m.Type))
	}
	dst = wire.AppendBool(dst, 5, m.Historical)
	dst = wire.AppendBool(dst, 7, m.Null)
	dst = m.appendProperties(dst)
	if m.Null {
		return dst
	}
	return m.appendValue(dst)
}

// appendProperties writes the quality and the unit: keys and values apart, in
// the same order (tck-id-payloads-propertyset-keys-array-size).
func (m *metric) appendProperties(dst []byte) []byte {
	if m.Quality == 0 && m.Unit == "" {
		return dst
	}
	dst, mark := wire.Begin(dst, 9)
	if m.Quality != 0 {
		dst = wire.AppendStringAlways(dst, 1, "Quality")
	}
	if m.Unit != "" {
		dst = wire.AppendStringAlways(dst, 1, "engUnit")
	}
	if m.Quality != 0 {
		var inner int
		dst, inner = wire.Begin(dst, 2)
		dst = wire.AppendUint(dst, 1, uint64(typeInt32))
		dst = wire.End(wire.AppendUintAlways(dst, 3, uint64(max(m.Quality, 0))), inner)
	}
	if m.Unit != "" {
		var inner int
		dst, inner = wire.Begin(dst, 2)
		dst = wire.AppendUint(dst, 1, uint64(typeString))
		dst = wire.End(wire.AppendStringAlways(dst, 8, m.Unit), inner)
	}
	return wire.End(dst, mark)
}

// appendValue writes the value: its form says which field it has, so that a
// metric in data needs no type.
func (m *metric) appendValue(dst []byte) []byte {
	k := kindOf(m.Type)
	switch k.form {
	case formInt:
		n := m.Value.Uint()
		if k.signed {
			n = uint64(m.Value.Int()) & (1<<k.bits - 1)
		}
		return wire.AppendUintAlways(dst, 10, n)
	case formLong:
		n := m.Value.Uint()
		if k.signed {
			n = uint64(m.Value.Int())
		}
		return wire.AppendUintAlways(dst, 11, n)
	case formFloat:
		bits := math.Float32bits(float32(m.Value.Double()))
		return binary.LittleEndian.AppendUint32(wire.AppendTag(dst, 12, wire.Fixed32), bits)
	case formDouble:
		return wire.AppendFixed64Always(dst, 13, math.Float64bits(m.Value.Double()))
	case formBool:
		n := uint64(0)
		if m.Value.Bool() {
			n = 1
		}
		return wire.AppendUintAlways(dst, 14, n)
	case formString:
		return wire.AppendStringAlways(dst, 15, m.Value.String())
	case formBytes:
		return wire.AppendBytesAlways(dst, 16, m.Value.Bytes())
	default:
		return dst
	}
}

// The bounds of a command.
const (
	maxCommandMetrics = 256
	maxCommandBytes   = 256 << 10
)

var errTooLarge = errors.New("the payload is larger than a command may be")

// Decode reads a command. The value of a metric whose type is not told stands
// in the form of its field, for typed to read. Strings and bytes share src.
func (p *payload) Decode(src []byte) error {
	*p = payload{Seq: -1, Metrics: p.Metrics[:0]}
	if len(src) > maxCommandBytes {
		return errTooLarge
	}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			p.Time = int64(r.Uint())
		case 2<<3 | wire.Bytes:
			if len(p.Metrics) == maxCommandMetrics {
				return errTooLarge
			}
			p.Metrics = append(p.Metrics, metric{})
			if err := p.Metrics[len(p.Metrics)-1].decode(r.Bytes()); err != nil {
				return err
			}
		case 3<<3 | wire.Varint:
			p.Seq = int(r.Uint() & 0xff)
		}
	}
	return r.Err()
}

func (m *metric) decode(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Name = r.Text("")
		case 2<<3 | wire.Varint:
			m.Alias = r.Uint()
		case 3<<3 | wire.Varint:
			m.Time = int64(r.Uint())
		case 4<<3 | wire.Varint:
			m.Type = datatype(r.Uint())
		case 7<<3 | wire.Varint:
			m.Null = r.Uint() != 0
		case 10<<3 | wire.Varint, 11<<3 | wire.Varint:
			m.Value = abi.Uint(r.Uint())
		case 12<<3 | wire.Fixed32:
			m.Value = abi.Double(float64(math.Float32frombits(uint32(r.Uint()))))
		case 13<<3 | wire.Fixed64:
			m.Value = abi.Double(r.Double())
		case 14<<3 | wire.Varint:
			m.Value = abi.Bool(r.Uint() != 0)
		case 15<<3 | wire.Bytes:
			m.Value = abi.String(r.Text(""))
		case 16<<3 | wire.Bytes:
			m.Value = abi.Bytes(r.Bytes())
		}
	}
	return r.Err()
}

// typed is the value of a metric that was read, as one of a type: that which it
// names, or else the one which it was born with. It fails when the value stands
// in another type's field or is beyond it.
func (m *metric) typed(born datatype) (abi.Value, error) {
	t := m.Type
	if t == typeUnknown {
		t = born
	}
	k := kindOf(t)
	v := m.Value
	if v.Type() == abi.ValueUint && k.signed {
		n, ok := signed(v.Uint(), k)
		if !ok {
			return v, errors.New("the value is beyond " + k.name)
		}
		return abi.Int(n), nil
	}
	fitted, ok := fit(t, v)
	if !ok {
		return v, errors.New("the value is none of the type " + nameOf(t))
	}
	return fitted, nil
}

// signed is a negative number as it stands in a field without a sign: cut to the
// width of its type, or to that of the field. Both are in use.
func signed(n uint64, k kind) (int64, bool) {
	shift := 64 - k.bits
	if n <= math.MaxUint64>>shift {
		return int64(n) << shift >> shift, true
	}
	wide := int64(int32(uint32(n)))
	return wide, n <= math.MaxUint32 && wide < 0 && wide >= -1<<(k.bits-1)
}

func nameOf(t datatype) string {
	if name := kindOf(t).name; name != "" {
		return name
	}
	return "unknown"
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func quoted(s string) []byte { return recordjson.Text(nil, s) }
