package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// DeviceQuery is the request of snaprail:devices get and of list.
type DeviceQuery struct {
	ID    string // get: the device
	After string // list: those with a greater id; empty: from the first
	Limit uint32 // list: no more than MaxItems; 0: as many
}

// DevicePage is the answer of both: of get the device, if there is one.
type DevicePage struct {
	Devices []Device
	More    bool // list: there are devices behind the last one
}

// Append adds the encoded request to dst.
func (q DeviceQuery) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, q.ID)
	dst = wire.AppendString(dst, 2, q.After)
	return wire.AppendUint(dst, 3, uint64(q.Limit))
}

// Decode reads the encoded request into q.
func (q *DeviceQuery) Decode(src []byte) error {
	*q = DeviceQuery{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			q.ID = r.Text("")
		case 2<<3 | wire.Bytes:
			q.After = r.Text("")
		case 3<<3 | wire.Varint:
			q.Limit = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded page to dst.
func (p *DevicePage) Append(dst []byte) []byte {
	var mark int
	for i := range p.Devices {
		dst, mark = wire.Begin(dst, 1)
		dst = wire.End(p.Devices[i].Append(dst), mark)
	}
	return wire.AppendBool(dst, 2, p.More)
}

// Decode reads the encoded page into p. The byte slices of the devices alias src.
func (p *DevicePage) Decode(src []byte) error {
	*p = DevicePage{Devices: p.Devices[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			if n := len(p.Devices); hasRoom(&r, "devices", n, MaxItems) {
				p.Devices = append(p.Devices, Device{})
				r.Fail(at("device", n, p.Devices[n].Decode(r.Bytes())))
			}
		case 2<<3 | wire.Varint:
			p.More = r.Bool()
		}
	}
	return r.Err()
}
