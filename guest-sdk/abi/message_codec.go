package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded message to dst.
func (m *Message) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Type))
	dst = wire.AppendString(dst, 2, m.Correlation)
	dst = wire.AppendString(dst, 3, m.Device)
	dst = wire.AppendString(dst, 4, m.Method)
	dst = wire.AppendString(dst, 5, m.ContentType)
	dst = wire.AppendBytes(dst, 6, m.Body)
	dst = wire.AppendFixed64(dst, 7, uint64(m.Deadline))
	return appendHeaders(dst, 8, m.Headers)
}

// Decode reads an encoded message into m. Body and header values alias src.
func (m *Message) Decode(src []byte) error {
	*m = Message{Headers: m.Headers[:0]}
	return m.merge(src)
}

func (m *Message) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Type = MessageType(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Correlation = r.Text(m.Correlation)
		case 3<<3 | wire.Bytes:
			m.Device = r.Text(m.Device)
		case 4<<3 | wire.Bytes:
			m.Method = r.Text(m.Method)
		case 5<<3 | wire.Bytes:
			m.ContentType = r.Text(m.ContentType)
		case 6<<3 | wire.Bytes:
			m.Body = r.Bytes()
		case 7<<3 | wire.Fixed64:
			m.Deadline = int64(r.Uint())
		case 8<<3 | wire.Bytes:
			m.Headers = readHeader(&r, m.Headers)
		}
	}
	return r.Err()
}

// Append adds the encoded reply to dst.
func (r *Reply) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, r.Correlation)
	dst = wire.AppendUint(dst, 2, uint64(r.Status))
	dst = wire.AppendString(dst, 3, r.ContentType)
	dst = wire.AppendBytes(dst, 4, r.Body)
	return appendError(dst, 5, r.Err)
}

// Decode reads an encoded reply into r. Body aliases src.
func (r *Reply) Decode(src []byte) error {
	*r = Reply{}
	in := wire.Read(src)
	for in.Next() {
		switch in.Tag() {
		case 1<<3 | wire.Bytes:
			r.Correlation = in.Text("")
		case 2<<3 | wire.Varint:
			r.Status = ReplyStatus(in.Uint())
		case 3<<3 | wire.Bytes:
			r.ContentType = in.Text("")
		case 4<<3 | wire.Bytes:
			r.Body = in.Bytes()
		case 5<<3 | wire.Bytes:
			r.Err = readError(&in, r.Err)
		}
	}
	return in.Err()
}
