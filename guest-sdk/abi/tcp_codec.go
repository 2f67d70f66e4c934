package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded message to dst.
func (m *TCPOpen) Append(dst []byte) []byte {
	var mark int
	dst = wire.AppendString(dst, 1, m.Address)
	if m.TLS != nil {
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(m.TLS.append(dst), mark)
	}
	if m.Framing != nil {
		dst, mark = wire.Begin(dst, 3)
		dst = wire.End(m.Framing.append(dst), mark)
	}
	dst = wire.AppendBool(dst, 4, m.Pull)
	dst = wire.AppendBool(dst, 5, m.Background)
	dst = wire.AppendUint(dst, 6, m.OpenTimeoutMS)
	dst = wire.AppendUint(dst, 7, m.WriteTimeoutMS)
	dst = wire.AppendUint(dst, 8, m.IdleTimeoutMS)
	dst = wire.AppendUint(dst, 9, m.KeepAliveMS)
	dst = wire.AppendBool(dst, 10, m.Delay)
	dst = wire.AppendUint(dst, 11, m.RetryMS)
	dst = wire.AppendUint(dst, 12, m.MaxRetryMS)
	return wire.AppendUint(dst, 13, m.BufferBytes)
}

// Decode reads the encoded message into m. The delimiter aliases src.
func (m *TCPOpen) Decode(src []byte) error {
	*m = TCPOpen{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Address = r.Text(m.Address)
		case 2<<3 | wire.Bytes:
			if m.TLS == nil {
				m.TLS = new(HTTPTLS)
			}
			r.Fail(m.TLS.merge(r.Bytes()))
		case 3<<3 | wire.Bytes:
			if m.Framing == nil {
				m.Framing = new(Framing)
			}
			r.Fail(m.Framing.merge(r.Bytes()))
		case 4<<3 | wire.Varint:
			m.Pull = r.Bool()
		case 5<<3 | wire.Varint:
			m.Background = r.Bool()
		case 6<<3 | wire.Varint:
			m.OpenTimeoutMS = r.Uint()
		case 7<<3 | wire.Varint:
			m.WriteTimeoutMS = r.Uint()
		case 8<<3 | wire.Varint:
			m.IdleTimeoutMS = r.Uint()
		case 9<<3 | wire.Varint:
			m.KeepAliveMS = r.Uint()
		case 10<<3 | wire.Varint:
			m.Delay = r.Bool()
		case 11<<3 | wire.Varint:
			m.RetryMS = r.Uint()
		case 12<<3 | wire.Varint:
			m.MaxRetryMS = r.Uint()
		case 13<<3 | wire.Varint:
			m.BufferBytes = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m TCPWrite) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	return wire.AppendBytes(dst, 2, m.Data)
}

// Decode reads the encoded message into m. Data aliases src.
func (m *TCPWrite) Decode(src []byte) error {
	*m = TCPWrite{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Data = r.Bytes()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m TCPWritten) Append(dst []byte) []byte { return wire.AppendUint(dst, 1, uint64(m.Count)) }

// Decode reads the encoded message into m.
func (m *TCPWritten) Decode(src []byte) error {
	*m = TCPWritten{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			m.Count = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m TCPRead) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = wire.AppendUint(dst, 2, uint64(m.Max))
	dst = wire.AppendBytes(dst, 3, m.Until)
	return wire.AppendUint(dst, 4, m.TimeoutMS)
}

// Decode reads the encoded message into m. Until aliases src.
func (m *TCPRead) Decode(src []byte) error {
	*m = TCPRead{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			m.Max = uint32(r.Uint())
		case 3<<3 | wire.Bytes:
			m.Until = r.Bytes()
		case 4<<3 | wire.Varint:
			m.TimeoutMS = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m TCPTransact) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = wire.AppendBytes(dst, 2, m.Data)
	return wire.AppendUint(dst, 3, m.TimeoutMS)
}

// Decode reads the encoded message into m. Data aliases src.
func (m *TCPTransact) Decode(src []byte) error {
	*m = TCPTransact{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Data = r.Bytes()
		case 3<<3 | wire.Varint:
			m.TimeoutMS = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m TCPData) Append(dst []byte) []byte {
	dst = wire.AppendBytes(dst, 1, m.Data)
	return wire.AppendSint(dst, 2, m.Time)
}

// Decode reads the encoded message into m. Data aliases src.
func (m *TCPData) Decode(src []byte) error {
	*m = TCPData{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Data = r.Bytes()
		case 2<<3 | wire.Varint:
			m.Time = r.Sint()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m UDPOpen) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Address)
	dst = wire.AppendUint(dst, 2, uint64(m.MaxDatagram))
	return wire.AppendUint(dst, 3, m.BufferBytes)
}

// Decode reads the encoded message into m.
func (m *UDPOpen) Decode(src []byte) error {
	*m = UDPOpen{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Address = r.Text(m.Address)
		case 2<<3 | wire.Varint:
			m.MaxDatagram = uint32(r.Uint())
		case 3<<3 | wire.Varint:
			m.BufferBytes = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m UDPSend) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	for _, d := range m.Datagrams {
		dst = wire.AppendBytesAlways(dst, 2, d)
	}
	return dst
}

// Decode reads the encoded message into m. The datagrams alias src.
func (m *UDPSend) Decode(src []byte) error {
	*m = UDPSend{Datagrams: m.Datagrams[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			if len(m.Datagrams) >= MaxItems {
				r.Fail(tooLarge("datagrams", MaxItems))
				continue
			}
			m.Datagrams = append(m.Datagrams, r.Bytes())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m UDPSent) Append(dst []byte) []byte { return wire.AppendUint(dst, 1, uint64(m.Count)) }

// Decode reads the encoded message into m.
func (m *UDPSent) Decode(src []byte) error {
	*m = UDPSent{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			m.Count = uint32(r.Uint())
		}
	}
	return r.Err()
}
