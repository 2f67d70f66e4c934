package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded input of open to dst.
func (i OpenInput) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, i.Connector)
	dst = wire.AppendBytes(dst, 2, i.Config)
	dst = wire.AppendString(dst, 3, i.Reason)
	dst = wire.AppendUint(dst, 4, uint64(i.ABIMinor))
	for _, g := range i.Groups {
		dst = wire.AppendStringAlways(dst, 5, g)
	}
	dst = appendCursor(dst, 6, i.Cursor)
	dst = wire.AppendString(dst, 7, i.Lane)
	for d := range i.Devices {
		var mark int
		dst, mark = wire.Begin(dst, 8)
		dst = wire.End(i.Devices[d].Append(dst), mark)
	}
	dst = wire.AppendUint(dst, 9, i.Revision)
	return wire.AppendString(dst, 10, i.Set)
}

// Decode reads the encoded input of open. Config, Cursor and what the devices
// hold alias src.
func (i *OpenInput) Decode(src []byte) error {
	*i = OpenInput{Groups: i.Groups[:0], Devices: i.Devices[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			i.Connector = r.Text("")
		case 2<<3 | wire.Bytes:
			i.Config = r.Bytes()
		case 3<<3 | wire.Bytes:
			i.Reason = r.Text("")
		case 4<<3 | wire.Varint:
			i.ABIMinor = uint32(r.Uint())
		case 5<<3 | wire.Bytes:
			if len(i.Groups) >= MaxRequests {
				r.Fail(tooLarge("groups", MaxRequests))
				break
			}
			i.Groups = append(i.Groups, r.Text(""))
		case 6<<3 | wire.Bytes:
			i.Cursor = r.Bytes()
		case 7<<3 | wire.Bytes:
			i.Lane = r.Text("")
		case 8<<3 | wire.Bytes:
			if n := len(i.Devices); hasRoom(&r, "devices", n, MaxDevices) {
				i.Devices = append(i.Devices, Device{})
				r.Fail(at("device", n, i.Devices[n].Decode(r.Bytes())))
			}
		case 9<<3 | wire.Varint:
			i.Revision = r.Uint()
		case 10<<3 | wire.Bytes:
			i.Set = r.Text("")
		}
	}
	return r.Err()
}

// Append adds the encoded input of close to dst.
func (i CloseInput) Append(dst []byte) []byte { return wire.AppendString(dst, 1, i.Reason) }

// Decode reads the encoded input of close.
func (i *CloseInput) Decode(src []byte) error {
	*i = CloseInput{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			i.Reason = r.Text("")
		}
	}
	return r.Err()
}

// Append adds the encoded input of poll to dst.
func (i PollInput) Append(dst []byte) []byte {
	dst = appendCursor(dst, 1, i.Cursor)
	return wire.AppendString(dst, 2, i.Device)
}

// Decode reads the encoded input of poll. Cursor aliases src.
func (i *PollInput) Decode(src []byte) error {
	*i = PollInput{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			i.Cursor = r.Bytes()
		case 2<<3 | wire.Bytes:
			i.Device = r.Text("")
		}
	}
	return r.Err()
}

// Append adds the encoded result of test to dst.
func (t TestResult) Append(dst []byte) []byte {
	dst = wire.AppendBool(dst, 1, t.Success)
	dst = wire.AppendString(dst, 2, t.Message)
	return appendHeaders(dst, 3, t.Details)
}

// Decode reads the encoded result of test. The details' values alias src.
func (t *TestResult) Decode(src []byte) error {
	*t = TestResult{Details: t.Details[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			t.Success = r.Bool()
		case 2<<3 | wire.Bytes:
			t.Message = r.Text("")
		case 3<<3 | wire.Bytes:
			t.Details = readHeader(&r, t.Details)
		}
	}
	return r.Err()
}

// appendCursor writes a cursor that is set, also when it is empty.
func appendCursor(dst []byte, field int, cursor []byte) []byte {
	if cursor == nil {
		return dst
	}
	return wire.AppendBytesAlways(dst, field, cursor)
}
