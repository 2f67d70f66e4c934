package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded input of deliver to dst.
func (i *DeliverInput) Append(dst []byte) []byte {
	for at := range i.Parts {
		p := &i.Parts[at]
		var mark, batch int
		dst, mark = wire.Begin(dst, 1)
		dst = p.head(dst)
		if len(p.Batch.Records) > 0 {
			dst, batch = wire.Begin(dst, 6)
			dst = wire.End(p.Batch.Append(dst), batch)
		}
		dst = wire.AppendString(dst, 7, p.ID)
		dst = wire.End(dst, mark)
	}
	return AppendDeliverWait(dst, i.Wait)
}

// AppendDeliverWait adds to an encoded DeliverInput, which says nothing of it yet,
// whether the guest is to wait.
func AppendDeliverWait(dst []byte, wait bool) []byte { return wire.AppendBool(dst, 2, wait) }

// AppendAround adds the part to dst, as DeliverInput.Append does, around a batch
// that is encoded already: the part's own is not looked at.
func (p *DeliverPart) AppendAround(dst, batch []byte) []byte {
	dst, mark := wire.Begin(dst, 1)
	return wire.End(wire.AppendString(wire.AppendBytes(p.head(dst), 6, batch), 7, p.ID), mark)
}

func (p *DeliverPart) head(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, p.Connector)
	dst = wire.AppendString(dst, 2, p.Lane)
	dst = wire.AppendUint(dst, 3, p.Epoch)
	dst = wire.AppendUint(dst, 4, p.First)
	return wire.AppendFixed64(dst, 5, uint64(p.Received))
}

// Decode reads the encoded input of deliver into i, reusing the memory that was
// in it as Batch.Decode does. The byte slices of the records alias src.
func (i *DeliverInput) Decode(src []byte) error {
	parts := i.Parts
	i.Parts, i.Wait = parts[:0], false
	records := 0
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 2<<3|wire.Varint {
			i.Wait = r.Bool()
		}
		if r.Tag() != 1<<3|wire.Bytes || !hasRoom(&r, "parts", len(i.Parts), MaxItems) {
			continue
		}
		n := len(i.Parts)
		if n < cap(i.Parts) {
			i.Parts = i.Parts[:n+1]
		} else {
			i.Parts = append(i.Parts, DeliverPart{})
		}
		p := &i.Parts[n]
		r.Fail(at("part", n, p.decode(r.Bytes())))
		if records += len(p.Batch.Records); records > MaxItems {
			r.Fail(tooLarge("records in all parts", MaxItems))
		}
	}
	return r.Err()
}

func (p *DeliverPart) decode(src []byte) error {
	connector, id, lane := p.Connector, p.ID, p.Lane
	p.Connector, p.ID, p.Lane, p.Epoch, p.First, p.Received = "", "", "", 0, 0, 0
	p.Batch.Records = p.Batch.Records[:0]
	seen := false
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			p.Connector = r.Text(connector)
		case 2<<3 | wire.Bytes:
			p.Lane = r.Text(lane)
		case 3<<3 | wire.Varint:
			p.Epoch = r.Uint()
		case 4<<3 | wire.Varint:
			p.First = r.Uint()
		case 5<<3 | wire.Fixed64:
			p.Received = int64(r.Uint())
		case 6<<3 | wire.Bytes:
			if seen { // their tables cannot be one
				r.Fail(&detail{text: "a second batch", err: ErrMalformed})
				continue
			}
			seen = true
			r.Fail(p.Batch.Decode(r.Bytes()))
		case 7<<3 | wire.Bytes:
			p.ID = r.Text(id)
		}
	}
	return r.Err()
}
