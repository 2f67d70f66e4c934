package abi

import (
	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

func (m *OPCUAVariant) append(dst []byte) []byte {
	dst = wire.AppendBytes(dst, 1, m.Variant)
	return dst
}

func (m *OPCUAVariant) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			m.Variant = r.Bytes()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUACall) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = wire.AppendString(dst, 2, m.Object)
	dst = wire.AppendString(dst, 3, m.Method)
	return appendList(dst, 4, m.Arguments, (*OPCUAVariant).append)
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUACall) Decode(src []byte) error {
	*m = OPCUACall{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Object = r.Text(m.Object)
		case 3<<3 | wire.Bytes:
			m.Method = r.Text(m.Method)
		case 4<<3 | wire.Bytes:
			m.Arguments = append(m.Arguments, OPCUAVariant{})
			r.Fail(m.Arguments[len(m.Arguments)-1].merge(r.Bytes()))
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUACallResult) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Status))
	dst = appendList(dst, 2, m.Inputs, (*OPCUAStatus).append)
	return appendList(dst, 3, m.Outputs, (*OPCUAVariant).append)
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUACallResult) Decode(src []byte) error {
	*m = OPCUACallResult{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Status = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Inputs = append(m.Inputs, OPCUAStatus{})
			r.Fail(m.Inputs[len(m.Inputs)-1].merge(r.Bytes()))
		case 3<<3 | wire.Bytes:
			m.Outputs = append(m.Outputs, OPCUAVariant{})
			r.Fail(m.Outputs[len(m.Outputs)-1].merge(r.Bytes()))
		}
	}
	return r.Err()
}
