package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded message to dst.
func (m *SerialExpect) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.At))
	dst = wire.AppendUint(dst, 2, uint64(m.Mask))
	dst = wire.AppendUint(dst, 3, uint64(m.Value))
	return wire.AppendUint(dst, 4, uint64(m.Length))
}

// Decode reads the encoded message into m.
func (m *SerialExpect) Decode(src []byte) error {
	*m = SerialExpect{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.At = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			m.Mask = uint32(r.Uint())
		case 3<<3 | wire.Varint:
			m.Value = uint32(r.Uint())
		case 4<<3 | wire.Varint:
			m.Length = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *SerialTransact) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = wire.AppendBytes(dst, 2, m.Data)
	dst = wire.AppendUint(dst, 3, uint64(m.Frames))
	dst = wire.AppendUint(dst, 4, m.TimeoutMS)
	dst = wire.AppendBool(dst, 5, m.Urgent)
	return appendList(dst, 6, m.Expect, (*SerialExpect).Append)
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *SerialTransact) Decode(src []byte) error {
	*m = SerialTransact{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Data = r.Bytes()
		case 3<<3 | wire.Varint:
			m.Frames = uint32(r.Uint())
		case 4<<3 | wire.Varint:
			m.TimeoutMS = r.Uint()
		case 5<<3 | wire.Varint:
			m.Urgent = r.Bool()
		case 6<<3 | wire.Bytes:
			m.Expect = readElement(&r, "expectation", m.Expect, (*SerialExpect).Decode)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *SerialFrame) Append(dst []byte) []byte {
	dst = wire.AppendBytes(dst, 1, m.Data)
	return wire.AppendFixed64(dst, 2, uint64(m.Time))
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *SerialFrame) Decode(src []byte) error {
	*m = SerialFrame{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Data = r.Bytes()
		case 2<<3 | wire.Fixed64:
			m.Time = int64(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *SerialReply) Append(dst []byte) []byte {
	return appendList(dst, 1, m.Frames, (*SerialFrame).Append)
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *SerialReply) Decode(src []byte) error {
	*m = SerialReply{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() != 1<<3|wire.Bytes {
			continue
		}
		m.Frames = readElement(&r, "frame", m.Frames, (*SerialFrame).Decode)
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *SerialRead) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = wire.AppendUint(dst, 2, uint64(m.Size))
	if m.TimeoutMS != nil {
		dst = wire.AppendUintAlways(dst, 3, *m.TimeoutMS)
	}
	return wire.AppendBytes(dst, 4, m.Until)
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *SerialRead) Decode(src []byte) error {
	*m = SerialRead{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			m.Size = uint32(r.Uint())
		case 3<<3 | wire.Varint:
			m.TimeoutMS = new(r.Uint())
		case 4<<3 | wire.Bytes:
			m.Until = r.Bytes()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *SerialData) Append(dst []byte) []byte { return wire.AppendBytes(dst, 1, m.Data) }

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *SerialData) Decode(src []byte) error {
	*m = SerialData{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			m.Data = r.Bytes()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *SerialSignals) Append(dst []byte) []byte {
	dst = wire.AppendBool(dst, 1, m.CTS)
	dst = wire.AppendBool(dst, 2, m.DSR)
	dst = wire.AppendBool(dst, 3, m.RI)
	return wire.AppendBool(dst, 4, m.DCD)
}

// Decode reads the encoded message into m.
func (m *SerialSignals) Decode(src []byte) error {
	*m = SerialSignals{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.CTS = r.Bool()
		case 2<<3 | wire.Varint:
			m.DSR = r.Bool()
		case 3<<3 | wire.Varint:
			m.RI = r.Bool()
		case 4<<3 | wire.Varint:
			m.DCD = r.Bool()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *SerialSignal) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	if m.DTR != nil {
		dst = appendOptionalBool(dst, 2, *m.DTR)
	}
	if m.RTS != nil {
		dst = appendOptionalBool(dst, 3, *m.RTS)
	}
	return dst
}

// Decode reads the encoded message into m.
func (m *SerialSignal) Decode(src []byte) error {
	*m = SerialSignal{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			m.DTR = new(r.Bool())
		case 3<<3 | wire.Varint:
			m.RTS = new(r.Bool())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *SerialBreak) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	return wire.AppendUint(dst, 2, m.DurationMS)
}

// Decode reads the encoded message into m.
func (m *SerialBreak) Decode(src []byte) error {
	*m = SerialBreak{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			m.DurationMS = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *SerialPort) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Path)
	dst = wire.AppendString(dst, 2, m.ByID)
	dst = wire.AppendString(dst, 3, m.ByPath)
	dst = wire.AppendString(dst, 4, m.Driver)
	dst = wire.AppendString(dst, 5, m.Vendor)
	dst = wire.AppendString(dst, 6, m.Product)
	dst = wire.AppendString(dst, 7, m.Serial)
	return wire.AppendString(dst, 8, m.Name)
}

// Decode reads the encoded message into m.
func (m *SerialPort) Decode(src []byte) error {
	*m = SerialPort{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Path = r.Text("")
		case 2<<3 | wire.Bytes:
			m.ByID = r.Text("")
		case 3<<3 | wire.Bytes:
			m.ByPath = r.Text("")
		case 4<<3 | wire.Bytes:
			m.Driver = r.Text("")
		case 5<<3 | wire.Bytes:
			m.Vendor = r.Text("")
		case 6<<3 | wire.Bytes:
			m.Product = r.Text("")
		case 7<<3 | wire.Bytes:
			m.Serial = r.Text("")
		case 8<<3 | wire.Bytes:
			m.Name = r.Text("")
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *SerialPorts) Append(dst []byte) []byte {
	return appendList(dst, 1, m.Ports, (*SerialPort).Append)
}

// Decode reads the encoded message into m.
func (m *SerialPorts) Decode(src []byte) error {
	*m = SerialPorts{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() != 1<<3|wire.Bytes {
			continue
		}
		m.Ports = readElement(&r, "port", m.Ports, (*SerialPort).Decode)
	}
	return r.Err()
}
