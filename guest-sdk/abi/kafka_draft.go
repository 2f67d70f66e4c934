package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// KafkaDraft is a KafkaProduce that is encoded record by record, which allocates
// nothing once its memory has grown. The zero value is an empty one.
type KafkaDraft struct {
	encoded []byte
	forms   []byte // encoded
	records int
	shapes  uint32 // of forms
}

// Form adds what records to come have in common, and answers its number, which is for
// KafkaRecord.Form. 0: there is no room for it. Nothing is kept of f.
func (d *KafkaDraft) Form(f *KafkaForm) uint32 {
	if d.shapes == MaxItems {
		return 0
	}
	before := len(d.forms)
	dst, mark := wire.Begin(d.forms, 6)
	dst = f.Append(dst)
	if len(dst)-mark-1 > MaxKafkaForm {
		d.forms = dst[:before]
		return 0
	}
	d.forms = wire.End(dst, mark)
	d.shapes++
	return d.shapes
}

// Add encodes a record. Its ID is taken from id; nothing is kept of either.
func (d *KafkaDraft) Add(r *KafkaRecord, id []byte) {
	d.records++
	if n := len(r.Value) + len(id); n >= 0x80 && n < 0x2000 && r.Value != nil && len(r.Headers) == 0 && d.short(r, id) {
		return
	}
	dst, mark := wire.Begin(d.encoded, 2)
	dst = r.Append(dst)
	d.encoded = wire.End(wire.AppendBytes(dst, 9, id), mark)
}

// short is Add for a record whose length takes two bytes: they are kept for it, so that
// nothing is moved. It reports false for one that it has not added.
func (d *KafkaDraft) short(r *KafkaRecord, id []byte) bool {
	if len(r.Key) >= 0x1000 || len(r.Topic)+len(r.TopicID)+len(r.ID) > 0 || r.Pinned || r.Partition|uint32(r.Offset)|uint32(r.Offset>>32) != 0 {
		return false
	}
	dst := append(d.encoded, 2<<3|wire.Bytes, 0, 0)
	mark := len(dst)
	dst = wire.AppendSint(dst, 4, r.Time)
	if r.Key != nil {
		dst = wire.AppendBytesAlways(dst, 5, r.Key)
	}
	dst = wire.AppendBytesAlways(dst, 6, r.Value)
	dst = wire.AppendUint(wire.AppendBytes(dst, 9, id), 11, uint64(r.Form))
	n := len(dst) - mark
	dst[mark-2], dst[mark-1] = byte(n)|0x80, byte(n>>7)
	d.encoded = dst
	return true
}

// Len is the number of records.
func (d *KafkaDraft) Len() int { return d.records }

// Size is what they take, in bytes.
func (d *KafkaDraft) Size() int { return len(d.encoded) + len(d.forms) }

// Reset empties the draft. It keeps its memory, unless that is beyond most bytes.
func (d *KafkaDraft) Reset(most int) {
	d.records, d.shapes = 0, 0
	if cap(d.encoded)+cap(d.forms) > most {
		d.encoded, d.forms = nil, nil
	}
	d.encoded, d.forms = d.encoded[:0], d.forms[:0]
}

// Append adds the encoded KafkaProduce to dst: rest, with the draft's records and
// forms.
func (d *KafkaDraft) Append(dst []byte, rest *KafkaProduce) []byte {
	return append(rest.Append(append(dst, d.encoded...)), d.forms...)
}
