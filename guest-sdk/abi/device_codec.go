package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded device to dst.
func (d *Device) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, d.ID)
	dst = wire.AppendString(dst, 2, d.Type)
	dst = wire.AppendString(dst, 3, d.Name)
	dst = wire.AppendString(dst, 4, d.UUID)
	dst = appendHeaders(dst, 5, d.Tags)
	dst = wire.AppendBytes(dst, 6, d.Attributes)
	dst = wire.AppendString(dst, 7, d.Endpoint)
	dst = wire.AppendBytes(dst, 8, d.Config)
	dst = wire.AppendString(dst, 9, d.Hash)
	return wire.AppendString(dst, 10, d.State)
}

// Decode reads an encoded device into d. Attributes, config and the values of
// tags alias src.
func (d *Device) Decode(src []byte) error {
	*d = Device{Tags: d.Tags[:0]}
	return d.merge(src)
}

func (d *Device) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			d.ID = r.Text("")
		case 2<<3 | wire.Bytes:
			d.Type = r.Text("")
		case 3<<3 | wire.Bytes:
			d.Name = r.Text("")
		case 4<<3 | wire.Bytes:
			d.UUID = r.Text("")
		case 5<<3 | wire.Bytes:
			d.Tags = readHeader(&r, d.Tags)
		case 6<<3 | wire.Bytes:
			d.Attributes = r.Bytes()
		case 7<<3 | wire.Bytes:
			d.Endpoint = r.Text("")
		case 8<<3 | wire.Bytes:
			d.Config = r.Bytes()
		case 9<<3 | wire.Bytes:
			d.Hash = r.Text("")
		case 10<<3 | wire.Bytes:
			d.State = r.Text("")
		}
	}
	return r.Err()
}

// Append adds the encoded change to dst.
func (c DeviceChange) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(c.Change))
	dst = wire.AppendString(dst, 2, c.ID)
	dst = wire.AppendString(dst, 3, c.Type)
	dst = wire.AppendString(dst, 4, c.Name)
	if c.Tags != nil {
		var mark int
		dst, mark = wire.Begin(dst, 5)
		dst = wire.End(appendHeaders(dst, 1, c.Tags.Tags), mark)
	}
	dst = appendCursor(dst, 6, c.Attributes)
	if c.Endpoint != nil {
		dst = wire.AppendStringAlways(dst, 7, *c.Endpoint)
	}
	return appendCursor(dst, 8, c.Config)
}

// Decode reads an encoded change into c. Attributes, config and the values of
// tags alias src.
func (c *DeviceChange) Decode(src []byte) error {
	*c = DeviceChange{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			c.Change = Change(r.Uint())
		case 2<<3 | wire.Bytes:
			c.ID = r.Text("")
		case 3<<3 | wire.Bytes:
			c.Type = r.Text("")
		case 4<<3 | wire.Bytes:
			c.Name = r.Text("")
		case 5<<3 | wire.Bytes:
			if c.Tags == nil {
				c.Tags = new(DeviceTags)
			}
			r.Fail(c.Tags.merge(r.Bytes()))
		case 6<<3 | wire.Bytes:
			c.Attributes = r.Bytes()
		case 7<<3 | wire.Bytes:
			c.Endpoint = new(r.Text(""))
		case 8<<3 | wire.Bytes:
			c.Config = r.Bytes()
		}
	}
	return r.Err()
}

func (t *DeviceTags) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			t.Tags = readHeader(&r, t.Tags)
		}
	}
	return r.Err()
}
