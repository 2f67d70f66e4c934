package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded message to dst.
func (m *HookOpen) Append(dst []byte) []byte {
	dst = appendStrings(dst, 1, m.Paths)
	dst = appendStrings(dst, 2, m.Methods)
	dst = wire.AppendString(dst, 3, m.Auth)
	dst = wire.AppendString(dst, 4, m.Secret)
	dst = wire.AppendString(dst, 5, m.Username)
	dst = wire.AppendString(dst, 6, m.Password)
	dst = wire.AppendString(dst, 7, m.Header)
	dst = wire.AppendString(dst, 8, m.Algorithm)
	dst = wire.AppendString(dst, 9, m.Encoding)
	dst = wire.AppendString(dst, 10, m.Prefix)
	dst = wire.AppendString(dst, 11, m.Field)
	dst = wire.AppendString(dst, 12, m.Signed)
	dst = wire.AppendString(dst, 13, m.Timestamp)
	dst = wire.AppendUint(dst, 14, m.ToleranceMS)
	dst = appendStrings(dst, 15, m.ContentTypes)
	dst = wire.AppendUint(dst, 16, m.MaxBody)
	dst = appendStrings(dst, 17, m.IDHeaders)
	dst = wire.AppendString(dst, 18, m.Reply)
	dst = wire.AppendUint(dst, 19, m.TimeoutMS)
	dst = wire.AppendUint(dst, 20, uint64(m.Queue))
	return wire.AppendUint(dst, 21, uint64(m.Rate))
}

// Decode reads the encoded message into m.
func (m *HookOpen) Decode(src []byte) error {
	*m = HookOpen{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Paths = readString(&r, "paths", m.Paths)
		case 2<<3 | wire.Bytes:
			m.Methods = readString(&r, "methods", m.Methods)
		case 14<<3 | wire.Varint:
			m.ToleranceMS = r.Uint()
		case 15<<3 | wire.Bytes:
			m.ContentTypes = readString(&r, "content types", m.ContentTypes)
		case 16<<3 | wire.Varint:
			m.MaxBody = r.Uint()
		case 17<<3 | wire.Bytes:
			m.IDHeaders = readString(&r, "headers", m.IDHeaders)
		case 18<<3 | wire.Bytes:
			m.Reply = r.Text(m.Reply)
		case 19<<3 | wire.Varint:
			m.TimeoutMS = r.Uint()
		case 20<<3 | wire.Varint:
			m.Queue = uint32(r.Uint())
		case 21<<3 | wire.Varint:
			m.Rate = uint32(r.Uint())
		default:
			m.readAuth(&r)
		}
	}
	return r.Err()
}

// readAuth reads the current field, if it is one of those that say how a caller
// proves who it is.
func (m *HookOpen) readAuth(r *wire.Reader) {
	switch r.Tag() {
	case 3<<3 | wire.Bytes:
		m.Auth = r.Text(m.Auth)
	case 4<<3 | wire.Bytes:
		m.Secret = r.Text(m.Secret)
	case 5<<3 | wire.Bytes:
		m.Username = r.Text(m.Username)
	case 6<<3 | wire.Bytes:
		m.Password = r.Text(m.Password)
	case 7<<3 | wire.Bytes:
		m.Header = r.Text(m.Header)
	case 8<<3 | wire.Bytes:
		m.Algorithm = r.Text(m.Algorithm)
	case 9<<3 | wire.Bytes:
		m.Encoding = r.Text(m.Encoding)
	case 10<<3 | wire.Bytes:
		m.Prefix = r.Text(m.Prefix)
	case 11<<3 | wire.Bytes:
		m.Field = r.Text(m.Field)
	case 12<<3 | wire.Bytes:
		m.Signed = r.Text(m.Signed)
	case 13<<3 | wire.Bytes:
		m.Timestamp = r.Text(m.Timestamp)
	}
}

// Append adds the encoded message to dst.
func (m *HookRequest) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, m.ID)
	dst = wire.AppendString(dst, 2, m.Method)
	dst = wire.AppendString(dst, 3, m.Path)
	dst = wire.AppendString(dst, 4, m.Query)
	dst = appendHeaders(dst, 5, m.Headers)
	dst = wire.AppendBytes(dst, 6, m.Body)
	dst = wire.AppendString(dst, 7, m.Remote)
	dst = wire.AppendString(dst, 8, m.Key)
	return wire.AppendString(dst, 9, m.Pattern)
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *HookRequest) Decode(src []byte) error {
	*m = HookRequest{Headers: m.Headers[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.ID = r.Uint()
		case 2<<3 | wire.Bytes:
			m.Method = r.Text(m.Method)
		case 3<<3 | wire.Bytes:
			m.Path = r.Text(m.Path)
		case 4<<3 | wire.Bytes:
			m.Query = r.Text(m.Query)
		case 5<<3 | wire.Bytes:
			m.Headers = readHeader(&r, m.Headers)
		case 6<<3 | wire.Bytes:
			m.Body = r.Bytes()
		case 7<<3 | wire.Bytes:
			m.Remote = r.Text(m.Remote)
		case 8<<3 | wire.Bytes:
			m.Key = r.Text(m.Key)
		case 9<<3 | wire.Bytes:
			m.Pattern = r.Text(m.Pattern)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *HookReply) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = wire.AppendUint(dst, 2, m.ID)
	dst = wire.AppendUint(dst, 3, uint64(m.Status))
	dst = appendHeaders(dst, 4, m.Headers)
	return wire.AppendBytes(dst, 5, m.Body)
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *HookReply) Decode(src []byte) error {
	*m = HookReply{Headers: m.Headers[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			m.ID = r.Uint()
		case 3<<3 | wire.Varint:
			m.Status = uint32(r.Uint())
		case 4<<3 | wire.Bytes:
			m.Headers = readHeader(&r, m.Headers)
		case 5<<3 | wire.Bytes:
			m.Body = r.Bytes()
		}
	}
	return r.Err()
}
