package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded handle to dst.
func (h Handle) Append(dst []byte) []byte {
	return wire.AppendUint(dst, 1, uint64(h.Handle))
}

// Decode reads the encoded handle into h.
func (h *Handle) Decode(src []byte) error {
	*h = Handle{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			h.Handle = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded request to dst.
func (q Receive) Append(dst []byte) []byte {
	return wire.AppendUint(dst, 1, q.TimeoutMS)
}

// Decode reads the encoded request into q.
func (q *Receive) Decode(src []byte) error {
	*q = Receive{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			q.TimeoutMS = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded reply to dst.
func (e Emitted) Append(dst []byte) []byte {
	return wire.AppendUint(dst, 1, e.Sequence)
}

// Decode reads the encoded reply into e.
func (e *Emitted) Decode(src []byte) error {
	*e = Emitted{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			e.Sequence = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded request to dst.
func (h Health) Append(dst []byte) []byte {
	return wire.AppendUint(dst, 1, uint64(h.State))
}

// Decode reads the encoded request into h.
func (h *Health) Decode(src []byte) error {
	*h = Health{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			h.State = HealthState(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded log line to dst.
func (l LogLine) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(l.Level))
	dst = wire.AppendString(dst, 2, l.Target)
	return wire.AppendString(dst, 3, l.Text)
}

// Decode reads the encoded log line into l.
func (l *LogLine) Decode(src []byte) error {
	*l = LogLine{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			l.Level = LogLevel(r.Uint())
		case 2<<3 | wire.Bytes:
			l.Target = r.Text("")
		case 3<<3 | wire.Bytes:
			l.Text = r.Text("")
		}
	}
	return r.Err()
}

// Append adds the encoded reply to dst.
func (c ClockNow) Append(dst []byte) []byte {
	dst = wire.AppendFixed64(dst, 1, uint64(c.UnixNS))
	return wire.AppendFixed64(dst, 2, uint64(c.MonotonicNS))
}

// Decode reads the encoded reply into c.
func (c *ClockNow) Decode(src []byte) error {
	*c = ClockNow{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Fixed64:
			c.UnixNS = int64(r.Uint())
		case 2<<3 | wire.Fixed64:
			c.MonotonicNS = int64(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded request to dst.
func (c ClockSleep) Append(dst []byte) []byte {
	return wire.AppendUint(dst, 1, c.NS)
}

// Decode reads the encoded request into c.
func (c *ClockSleep) Decode(src []byte) error {
	*c = ClockSleep{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			c.NS = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded request to dst.
func (k KVKey) Append(dst []byte) []byte {
	return wire.AppendString(dst, 1, k.Key)
}

// Decode reads the encoded request into k.
func (k *KVKey) Decode(src []byte) error {
	*k = KVKey{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			k.Key = r.Text("")
		}
	}
	return r.Err()
}

// Append adds the encoded reply to dst.
func (k KVValue) Append(dst []byte) []byte {
	dst = wire.AppendBool(dst, 1, k.Found)
	return wire.AppendBytes(dst, 2, k.Value)
}

// Decode reads the encoded reply into k. Value aliases src.
func (k *KVValue) Decode(src []byte) error {
	*k = KVValue{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			k.Found = r.Bool()
		case 2<<3 | wire.Bytes:
			k.Value = r.Bytes()
		}
	}
	return r.Err()
}

// Append adds the encoded request to dst.
func (k KVPut) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, k.Key)
	dst = wire.AppendBytes(dst, 2, k.Value)
	return wire.AppendBool(dst, 3, k.Delete)
}

// Decode reads the encoded request into k. Value aliases src.
func (k *KVPut) Decode(src []byte) error {
	*k = KVPut{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			k.Key = r.Text("")
		case 2<<3 | wire.Bytes:
			k.Value = r.Bytes()
		case 3<<3 | wire.Varint:
			k.Delete = r.Bool()
		}
	}
	return r.Err()
}
