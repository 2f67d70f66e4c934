package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// KafkaDraft is a KafkaProduce that is encoded record by record, which allocates
// nothing once its memory has grown. The zero value is an empty one.
type KafkaDraft struct {
	encoded []byte
	records int
}

// Add encodes a record. Its ID is taken from id, and its headers are those of r
// followed by more, which AppendKafkaHeader has made; nothing is kept of any.
func (d *KafkaDraft) Add(r *KafkaRecord, id, more []byte) {
	dst, mark := wire.Begin(d.encoded, 2)
	dst = append(r.Append(dst), more...)
	d.encoded = wire.End(wire.AppendBytes(dst, 9, id), mark)
	d.records++
}

// AppendKafkaHeader adds an encoded header to dst, for KafkaDraft.Add.
func AppendKafkaHeader(dst []byte, name, value string) []byte {
	dst, mark := wire.Begin(dst, 7)
	return wire.End(wire.AppendString(wire.AppendString(dst, 1, name), 2, value), mark)
}

// Len is the number of records.
func (d *KafkaDraft) Len() int { return d.records }

// Size is what they take, in bytes.
func (d *KafkaDraft) Size() int { return len(d.encoded) }

// Reset empties the draft. It keeps its memory, unless that is beyond most bytes.
func (d *KafkaDraft) Reset(most int) {
	if d.records = 0; cap(d.encoded) > most {
		d.encoded = nil
	}
	d.encoded = d.encoded[:0]
}

// Append adds the encoded KafkaProduce to dst: rest, with the draft's records.
func (d *KafkaDraft) Append(dst []byte, rest *KafkaProduce) []byte {
	return rest.Append(append(dst, d.encoded...))
}
