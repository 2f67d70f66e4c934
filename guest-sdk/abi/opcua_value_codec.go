package abi

import (
	"encoding/binary"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// Append adds the encoded message to dst.
func (m *OPCUARead) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = appendList(dst, 2, m.Nodes, (*OPCUANode).append)
	dst = wire.AppendUint(dst, 3, m.MaxAgeMS)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUARead) Decode(src []byte) error {
	*m = OPCUARead{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Nodes = append(m.Nodes, OPCUANode{})
			r.Fail(m.Nodes[len(m.Nodes)-1].merge(r.Bytes()))
		case 3<<3 | wire.Varint:
			m.MaxAgeMS = r.Uint()
		}
	}
	return r.Err()
}

func (m *OPCUAValue) append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Item))
	dst = wire.AppendUint(dst, 2, uint64(m.Status))
	dst = wire.AppendBytes(dst, 3, m.Variant)
	dst = wire.AppendUint(dst, 4, m.SourceTicks)
	dst = wire.AppendUint(dst, 5, uint64(m.SourcePico))
	dst = wire.AppendUint(dst, 6, m.ServerTicks)
	dst = wire.AppendUint(dst, 7, uint64(m.ServerPico))
	return dst
}

func (m *OPCUAValue) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Item = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			m.Status = uint32(r.Uint())
		case 3<<3 | wire.Bytes:
			m.Variant = r.Bytes()
		case 4<<3 | wire.Varint:
			m.SourceTicks = r.Uint()
		case 5<<3 | wire.Varint:
			m.SourcePico = uint32(r.Uint())
		case 6<<3 | wire.Varint:
			m.ServerTicks = r.Uint()
		case 7<<3 | wire.Varint:
			m.ServerPico = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUAValues) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Subscription)
	return appendList(dst, 2, m.Values, (*OPCUAValue).append)
}

// Decode reads the encoded message into m, whose memory for values is used again.
// Bytes in it alias src.
func (m *OPCUAValues) Decode(src []byte) error {
	*m = OPCUAValues{Values: m.Values[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Subscription = r.Text(m.Subscription)
		case 2<<3 | wire.Bytes:
			n := len(m.Values)
			if n < cap(m.Values) {
				m.Values = m.Values[:n+1]
			} else {
				m.Values = append(m.Values, OPCUAValue{})
			}
			v := &m.Values[n]
			if from, to := r.Span(); !v.plain(src, from, to) {
				*v = OPCUAValue{}
				r.Fail(v.merge(src[from:to:to]))
			}
		}
	}
	return r.Err()
}

// plain replaces *m by the value in src[at:to], if it is as append writes it: its
// fields in their order, each once. It reports false for any other, of which m may
// hold some fields then. Of servers that have much to tell this is most of what a
// guest does.
func (m *OPCUAValue) plain(src []byte, at, to int) bool {
	m.Item, m.Status, m.Variant, m.SourceTicks, m.SourcePico, m.ServerTicks, m.ServerPico = 0, 0, nil, 0, 0, 0, 0
	end := len(src) - 10 // up to there a tag and a number of nine bytes can be read
	if at <= end && src[at] == 1<<3|wire.Varint {
		v, size := wire.Number(binary.LittleEndian.Uint64(src[at+1:]))
		if size == 0 {
			return false
		}
		m.Item, at = uint32(v), at+1+size
	}
	if at <= end && src[at] == 2<<3|wire.Varint {
		v, size := wire.Number(binary.LittleEndian.Uint64(src[at+1:]))
		if size == 0 {
			return false
		}
		m.Status, at = uint32(v), at+1+size
	}
	if at <= end && src[at] == 3<<3|wire.Bytes && src[at+1] < 0x80 {
		from := at + 2
		at = from + int(src[at+1])
		if at > to {
			return false
		}
		m.Variant = src[from:at:at]
	}
	if at <= end && src[at] == 4<<3|wire.Varint {
		word := binary.LittleEndian.Uint64(src[at+1:])
		v, size := wire.Number(word)
		if size == 0 {
			if src[at+9] >= 0x80 {
				return false
			}
			v, size = wire.Long(word, src[at+9]), 9
		}
		m.SourceTicks, at = v, at+1+size
	}
	if at <= end && src[at] == 5<<3|wire.Varint {
		v, size := wire.Number(binary.LittleEndian.Uint64(src[at+1:]))
		if size == 0 {
			return false
		}
		m.SourcePico, at = uint32(v), at+1+size
	}
	if at <= end && src[at] == 6<<3|wire.Varint {
		word := binary.LittleEndian.Uint64(src[at+1:])
		v, size := wire.Number(word)
		if size == 0 {
			if src[at+9] >= 0x80 {
				return false
			}
			v, size = wire.Long(word, src[at+9]), 9
		}
		m.ServerTicks, at = v, at+1+size
	}
	return at == to // what has a server's fractions goes the other way
}

func (m *OPCUAWriteValue) append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Node)
	dst = wire.AppendUint(dst, 2, uint64(m.Attribute))
	dst = wire.AppendString(dst, 3, m.Range)
	if m.Value != nil {
		var mark int
		dst, mark = wire.Begin(dst, 4)
		dst = wire.End(m.Value.append(dst), mark)
	}
	return dst
}

func (m *OPCUAWriteValue) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Node = r.Text(m.Node)
		case 2<<3 | wire.Varint:
			m.Attribute = uint32(r.Uint())
		case 3<<3 | wire.Bytes:
			m.Range = r.Text(m.Range)
		case 4<<3 | wire.Bytes:
			if m.Value == nil {
				m.Value = new(OPCUAValue)
			}
			r.Fail(m.Value.merge(r.Bytes()))
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUAWrite) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	return appendList(dst, 2, m.Values, (*OPCUAWriteValue).append)
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUAWrite) Decode(src []byte) error {
	*m = OPCUAWrite{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Values = append(m.Values, OPCUAWriteValue{})
			r.Fail(m.Values[len(m.Values)-1].merge(r.Bytes()))
		}
	}
	return r.Err()
}

func (m *OPCUAStatus) append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Code))
	return dst
}

func (m *OPCUAStatus) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			m.Code = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUAStatuses) Append(dst []byte) []byte {
	return appendList(dst, 1, m.Statuses, (*OPCUAStatus).append)
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUAStatuses) Decode(src []byte) error {
	*m = OPCUAStatuses{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			m.Statuses = append(m.Statuses, OPCUAStatus{})
			r.Fail(m.Statuses[len(m.Statuses)-1].merge(r.Bytes()))
		}
	}
	return r.Err()
}
