package abi

import (
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// encoder is what Batch.Append keeps between calls. Records of one batch look
// alike, and so do batches: what was written for the one before is tried
// first.
type encoder struct {
	devices, types, names table
	tables                []byte // encoded
	// again says that tables, device and points are still those of the first
	// record of the batch before.
	again       bool
	contentType string // of that record

	device stub   // of the record before
	points []stub // of the records before, by their place in the record
}

// Append adds the encoded batch to dst and returns the longer slice. It
// allocates nothing when dst has room, for some bytes more than are written,
// and the Batch has encoded a batch of this shape before. It does not look at
// the bounds of a crossing: the caller counts records and bytes, and the other
// side refuses what is beyond.
func (b *Batch) Append(dst []byte) []byte {
	if len(b.Records) == 0 {
		return dst
	}
	e, first := &b.enc, &b.Records[0]
	if !e.again || !e.looksLike(first) {
		e.learn(first)
	}
	start, known := len(dst), e.known()
	dst = append(dst, e.tables...)
	mark, base := len(dst), first.Time
	dst = wire.AppendFixed64(dst, 4, uint64(base))
	for rest := b.Records; len(rest) > 0; {
		var n, m int
		dst, n = e.plain(dst, rest, base)
		dst, m = e.payloads(dst, rest[n:], base)
		if rest = rest[n+m:]; n+m == 0 {
			dst = e.record(dst, &rest[0], base)
			rest = rest[1:]
		}
	}
	if e.known() != known {
		dst = e.replaceTables(dst, start, mark)
	}
	return dst
}

// looksLike reports whether the record points to what the first record of the
// batch before did.
func (e *encoder) looksLike(r *Record) bool {
	if !identical(r.Device, e.device.text) || !identical(r.ContentType, e.contentType) || len(r.Points) != len(e.points) {
		return false
	}
	for i := range r.Points {
		if !e.knows(i, &r.Points[i]) {
			return false
		}
	}
	return true
}

// learn takes in what the first record points to: what most of the batch does.
func (e *encoder) learn(r *Record) {
	e.devices.reset()
	e.types.reset()
	e.names.reset()
	e.points = e.points[:0]
	e.learnDevice(r.Device)
	e.types.optional(r.ContentType, 1)
	for i := range r.Points {
		e.learnPoint(i, &r.Points[i])
	}
	e.tables = e.appendTables(e.tables[:0])
	e.contentType, e.again = r.ContentType, true
}

// known is how many strings the tables hold.
func (e *encoder) known() int {
	return len(e.devices.entries) + len(e.types.entries) + len(e.names.entries)
}

func (e *encoder) appendTables(dst []byte) []byte {
	dst = e.devices.append(dst, 1)
	dst = e.types.append(dst, 2)
	return e.names.append(dst, 3)
}

// replaceTables writes the tables anew, which have grown since they were
// written from start to end. To move what follows, once in a batch, is less
// than a pass over all records before.
func (e *encoder) replaceTables(dst []byte, start, end int) []byte {
	e.tables, e.again = e.appendTables(e.tables[:0]), false
	written := len(dst)
	dst = append(dst, e.tables[:start+len(e.tables)-end]...) // for the length
	copy(dst[start+len(e.tables):], dst[end:written])
	copy(dst[start:], e.tables)
	return dst
}

// record writes a record of any form.
func (e *encoder) record(dst []byte, r *Record, base int64) []byte {
	mark := len(dst) + 1
	dst = e.lead(dst, r, wire.Zigzag(r.Time-base))
	for i := 0; i < len(r.Points); i++ {
		var n int
		if dst, n = e.knownPoints(dst, r, i); n == len(r.Points) {
			break
		}
		i = n
		dst = e.point(dst, &r.Points[i], i, r.Time)
	}
	dst = wire.AppendBytes(dst, 7, r.Key)
	dst = appendHeaders(dst, 8, r.Headers)
	dst = wire.AppendString(dst, 9, r.SourceKey)
	return wire.End(dst, mark)
}

// lead begins a record with what comes before its points.
func (e *encoder) lead(dst []byte, r *Record, after uint64) []byte {
	if !identical(r.Device, e.device.text) {
		e.learnDevice(r.Device)
	}
	dst = slices.Grow(dst, (1+len(r.Points))*room+len(r.Payload))
	dst = append(dst, 5<<3|wire.Bytes, 0)
	dst = wire.AppendUint(dst, 1, uint64(e.device.textIndex))
	dst = wire.AppendUint(dst, 2, uint64(r.Kind))
	dst = wire.AppendUint(dst, 3, after)
	// Batches have few content types, and most have one: the first.
	dst = wire.AppendUint(dst, 4, uint64(e.types.optional(r.ContentType, 1)))
	return wire.AppendBytes(dst, 5, r.Payload)
}

// point writes the record's point number i.
func (e *encoder) point(dst []byte, p *Point, i int, recordTime int64) []byte {
	if !e.knows(i, p) {
		e.learnPoint(i, p)
	}
	mark := len(dst) + 1
	dst = append(slices.Grow(dst, room), 6<<3|wire.Bytes, 0)
	dst = wire.AppendUint(dst, 1, uint64(e.points[i].textIndex))
	dst = wire.AppendUint(dst, 2, uint64(e.points[i].unitIndex))
	dst = p.Value.append(dst)
	dst = wire.AppendUint(dst, 9, uint64(p.Quality))
	if p.SourceTime != 0 {
		dst = wire.AppendSint(dst, 10, p.SourceTime-recordTime)
	}
	return wire.End(dst, mark)
}
