package abi

import (
	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// Append adds the encoded message to dst.
func (m *OPCUABrowse) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = wire.AppendString(dst, 2, m.Node)
	dst = wire.AppendUint(dst, 3, uint64(m.Direction))
	dst = wire.AppendString(dst, 4, m.ReferenceType)
	dst = wire.AppendBool(dst, 5, m.NoSubtypes)
	dst = wire.AppendUint(dst, 6, uint64(m.Classes))
	dst = wire.AppendUint(dst, 7, uint64(m.Max))
	dst = wire.AppendUint(dst, 8, m.Cursor)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUABrowse) Decode(src []byte) error {
	*m = OPCUABrowse{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Node = r.Text(m.Node)
		case 3<<3 | wire.Varint:
			m.Direction = uint32(r.Uint())
		case 4<<3 | wire.Bytes:
			m.ReferenceType = r.Text(m.ReferenceType)
		case 5<<3 | wire.Varint:
			m.NoSubtypes = r.Bool()
		case 6<<3 | wire.Varint:
			m.Classes = uint32(r.Uint())
		case 7<<3 | wire.Varint:
			m.Max = uint32(r.Uint())
		case 8<<3 | wire.Varint:
			m.Cursor = r.Uint()
		}
	}
	return r.Err()
}

func (m *OPCUAReference) append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.ReferenceType)
	dst = wire.AppendBool(dst, 2, m.Forward)
	dst = wire.AppendString(dst, 3, m.Node)
	dst = wire.AppendUint(dst, 4, uint64(m.BrowseNamespace))
	dst = wire.AppendString(dst, 5, m.BrowseName)
	dst = wire.AppendString(dst, 6, m.DisplayName)
	dst = wire.AppendString(dst, 7, m.Locale)
	dst = wire.AppendUint(dst, 8, uint64(m.Class))
	dst = wire.AppendString(dst, 9, m.TypeDefinition)
	return dst
}

func (m *OPCUAReference) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.ReferenceType = r.Text(m.ReferenceType)
		case 2<<3 | wire.Varint:
			m.Forward = r.Bool()
		case 3<<3 | wire.Bytes:
			m.Node = r.Text(m.Node)
		case 4<<3 | wire.Varint:
			m.BrowseNamespace = uint32(r.Uint())
		case 5<<3 | wire.Bytes:
			m.BrowseName = r.Text(m.BrowseName)
		case 6<<3 | wire.Bytes:
			m.DisplayName = r.Text(m.DisplayName)
		case 7<<3 | wire.Bytes:
			m.Locale = r.Text(m.Locale)
		case 8<<3 | wire.Varint:
			m.Class = uint32(r.Uint())
		case 9<<3 | wire.Bytes:
			m.TypeDefinition = r.Text(m.TypeDefinition)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUABrowsePage) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Status))
	dst = appendList(dst, 2, m.References, (*OPCUAReference).append)
	dst = wire.AppendUint(dst, 3, m.Cursor)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUABrowsePage) Decode(src []byte) error {
	*m = OPCUABrowsePage{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Status = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.References = append(m.References, OPCUAReference{})
			r.Fail(m.References[len(m.References)-1].merge(r.Bytes()))
		case 3<<3 | wire.Varint:
			m.Cursor = r.Uint()
		}
	}
	return r.Err()
}
