package abi

import (
	"math"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

func (m *OPCUAItem) append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.ID))
	dst = wire.AppendString(dst, 2, m.Node)
	dst = wire.AppendUint(dst, 3, uint64(m.Attribute))
	dst = wire.AppendString(dst, 4, m.Range)
	if m.SamplingMS != nil {
		dst = wire.AppendFixed64Always(dst, 5, math.Float64bits(*m.SamplingMS))
	}
	dst = wire.AppendUint(dst, 6, uint64(m.Queue))
	dst = wire.AppendBool(dst, 7, m.DiscardNewest)
	dst = wire.AppendUint(dst, 8, uint64(m.Trigger))
	dst = wire.AppendUint(dst, 9, uint64(m.Deadband))
	dst = wire.AppendFixed64(dst, 10, math.Float64bits(m.DeadbandValue))
	return dst
}

func (m *OPCUAItem) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.ID = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Node = r.Text(m.Node)
		case 3<<3 | wire.Varint:
			m.Attribute = uint32(r.Uint())
		case 4<<3 | wire.Bytes:
			m.Range = r.Text(m.Range)
		case 5<<3 | wire.Fixed64:
			m.SamplingMS = new(r.Double())
		case 6<<3 | wire.Varint:
			m.Queue = uint32(r.Uint())
		case 7<<3 | wire.Varint:
			m.DiscardNewest = r.Bool()
		case 8<<3 | wire.Varint:
			m.Trigger = uint32(r.Uint())
		case 9<<3 | wire.Varint:
			m.Deadband = uint32(r.Uint())
		case 10<<3 | wire.Fixed64:
			m.DeadbandValue = r.Double()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUASubscribe) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = wire.AppendString(dst, 2, m.Name)
	dst = wire.AppendFixed64(dst, 3, math.Float64bits(m.IntervalMS))
	dst = appendList(dst, 4, m.Items, (*OPCUAItem).append)
	dst = wire.AppendBool(dst, 5, m.Remove)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUASubscribe) Decode(src []byte) error {
	*m = OPCUASubscribe{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Name = r.Text(m.Name)
		case 3<<3 | wire.Fixed64:
			m.IntervalMS = r.Double()
		case 4<<3 | wire.Bytes:
			m.Items = append(m.Items, OPCUAItem{})
			r.Fail(m.Items[len(m.Items)-1].merge(r.Bytes()))
		case 5<<3 | wire.Varint:
			m.Remove = r.Bool()
		}
	}
	return r.Err()
}
