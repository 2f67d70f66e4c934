package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded request to dst.
func (s *SerialOpen) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, s.Port)
	dst = wire.AppendUint(dst, 2, uint64(s.BaudRate))
	dst = wire.AppendUint(dst, 3, uint64(s.DataBits))
	dst = wire.AppendString(dst, 4, s.Parity)
	dst = wire.AppendUint(dst, 5, uint64(s.StopBitsX2))
	dst = wire.AppendUint(dst, 6, s.ReadTimeoutMS)
	dst = wire.AppendBool(dst, 7, s.XonXoff)
	dst = wire.AppendBool(dst, 8, s.RTSCTS)
	if s.WriteTimeoutMS != nil {
		dst = wire.AppendUintAlways(dst, 9, *s.WriteTimeoutMS)
	}
	dst = wire.AppendBool(dst, 10, s.DSRDTR)
	if s.InterByteTimeoutMS != nil {
		dst = wire.AppendUintAlways(dst, 11, *s.InterByteTimeoutMS)
	}
	if s.Exclusive != nil {
		dst = appendOptionalBool(dst, 12, *s.Exclusive)
	}
	dst = wire.AppendBytes(dst, 13, s.Delimiter)
	dst = wire.AppendUint(dst, 14, uint64(s.MaxFrame))
	dst = wire.AppendUint(dst, 15, s.OpenTimeoutMS)
	dst = wire.AppendUint(dst, 16, s.OpenRetryMS)
	dst = wire.AppendUint(dst, 17, uint64(s.Framing))
	dst = wire.AppendUint(dst, 18, uint64(s.FrameLength))
	dst = wire.AppendUint(dst, 19, uint64(s.LengthAt))
	dst = wire.AppendUint(dst, 20, uint64(s.LengthSize))
	dst = wire.AppendBool(dst, 21, s.LengthLittle)
	dst = wire.AppendSint(dst, 22, s.LengthAdds)
	dst = wire.AppendBytes(dst, 23, s.Start)
	dst = wire.AppendString(dst, 24, s.Check)
	dst = wire.AppendBool(dst, 25, s.Shared)
	if s.TurnaroundMS != nil {
		dst = wire.AppendUintAlways(dst, 26, *s.TurnaroundMS)
	}
	return dst
}

// Decode reads the encoded request into s. Delimiter and Start alias src.
func (s *SerialOpen) Decode(src []byte) error {
	*s = SerialOpen{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			s.Port = r.Text("")
		case 2<<3 | wire.Varint:
			s.BaudRate = uint32(r.Uint())
		case 3<<3 | wire.Varint:
			s.DataBits = uint32(r.Uint())
		case 4<<3 | wire.Bytes:
			s.Parity = r.Text("")
		case 5<<3 | wire.Varint:
			s.StopBitsX2 = uint32(r.Uint())
		case 6<<3 | wire.Varint:
			s.ReadTimeoutMS = r.Uint()
		case 7<<3 | wire.Varint:
			s.XonXoff = r.Bool()
		case 8<<3 | wire.Varint:
			s.RTSCTS = r.Bool()
		case 9<<3 | wire.Varint:
			s.WriteTimeoutMS = new(r.Uint())
		case 10<<3 | wire.Varint:
			s.DSRDTR = r.Bool()
		case 11<<3 | wire.Varint:
			s.InterByteTimeoutMS = new(r.Uint())
		case 12<<3 | wire.Varint:
			s.Exclusive = new(r.Bool())
		case 13<<3 | wire.Bytes:
			s.Delimiter = r.Bytes()
		case 14<<3 | wire.Varint:
			s.MaxFrame = uint32(r.Uint())
		case 15<<3 | wire.Varint:
			s.OpenTimeoutMS = r.Uint()
		case 16<<3 | wire.Varint:
			s.OpenRetryMS = r.Uint()
		default:
			s.decodeFraming(&r)
		}
	}
	return r.Err()
}

func (s *SerialOpen) decodeFraming(r *wire.Reader) {
	switch r.Tag() {
	case 17<<3 | wire.Varint:
		s.Framing = SerialFraming(r.Uint())
	case 18<<3 | wire.Varint:
		s.FrameLength = uint32(r.Uint())
	case 19<<3 | wire.Varint:
		s.LengthAt = uint32(r.Uint())
	case 20<<3 | wire.Varint:
		s.LengthSize = uint32(r.Uint())
	case 21<<3 | wire.Varint:
		s.LengthLittle = r.Bool()
	case 22<<3 | wire.Varint:
		s.LengthAdds = r.Sint()
	case 23<<3 | wire.Bytes:
		s.Start = r.Bytes()
	case 24<<3 | wire.Bytes:
		s.Check = r.Text("")
	case 25<<3 | wire.Varint:
		s.Shared = r.Bool()
	case 26<<3 | wire.Varint:
		s.TurnaroundMS = new(r.Uint())
	}
}

// Append adds the encoded request to dst.
func (s SerialWrite) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(s.Handle))
	return wire.AppendBytes(dst, 2, s.Data)
}

// Decode reads the encoded request into s. Data aliases src.
func (s *SerialWrite) Decode(src []byte) error {
	*s = SerialWrite{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			s.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			s.Data = r.Bytes()
		}
	}
	return r.Err()
}

// Append adds the encoded reply to dst.
func (s SerialWritten) Append(dst []byte) []byte {
	return wire.AppendUint(dst, 1, uint64(s.Count))
}

// Decode reads the encoded reply into s.
func (s *SerialWritten) Decode(src []byte) error {
	*s = SerialWritten{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			s.Count = uint32(r.Uint())
		}
	}
	return r.Err()
}

// appendOptionalBool writes a bool that is set, also when it is false.
func appendOptionalBool(dst []byte, field int, v bool) []byte {
	if v {
		return wire.AppendUintAlways(dst, field, 1)
	}
	return wire.AppendUintAlways(dst, field, 0)
}
