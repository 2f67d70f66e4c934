package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded request to dst.
func (f FileOpen) Append(dst []byte) []byte {
	return wire.AppendString(dst, 1, f.Path)
}

// Decode reads the encoded request into f.
func (f *FileOpen) Decode(src []byte) error {
	*f = FileOpen{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			f.Path = r.Text("")
		}
	}
	return r.Err()
}

// Append adds the encoded request to dst.
func (f FileRead) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(f.Handle))
	dst = wire.AppendUint(dst, 2, f.Offset)
	return wire.AppendUint(dst, 3, uint64(f.Max))
}

// Decode reads the encoded request into f.
func (f *FileRead) Decode(src []byte) error {
	*f = FileRead{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			f.Handle = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			f.Offset = r.Uint()
		case 3<<3 | wire.Varint:
			f.Max = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded reply to dst.
func (f FileData) Append(dst []byte) []byte {
	dst = wire.AppendBytes(dst, 1, f.Data)
	return wire.AppendUint(dst, 2, f.Size)
}

// Decode reads the encoded reply into f. Data aliases src.
func (f *FileData) Decode(src []byte) error {
	*f = FileData{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			f.Data = r.Bytes()
		case 2<<3 | wire.Varint:
			f.Size = r.Uint()
		}
	}
	return r.Err()
}
