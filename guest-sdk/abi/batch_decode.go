package abi

import (
	"encoding/binary"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// decoder is what Batch.Decode keeps between calls: the tables of the batch
// and the memory of its records.
type decoder struct {
	devices, types, names names

	// head is the start of the batch before, with its tables, which hold these
	// many entries: batches of one source start alike.
	head      []byte
	headSizes [3]int

	base                     int64
	batch, inRecord, inPoint wire.Reader // kept, see Reset

	records []span // as the pass over the tables found them
	points  []Point
	headers []Header
}

// span is where a record stands in the encoded batch.
type span struct{ from, to int32 }

// Decode reads an encoded batch, reusing the memory of the batch that was in
// b: records and points handed out before are overwritten, strings are not.
// Byte slices alias src. Strings are copies, shared with earlier batches when
// they say the same, so that a batch of known names allocates nothing.
//
// An error wraps ErrMalformed or ErrTooLarge and leaves b without records.
func (b *Batch) Decode(src []byte) error {
	err := b.decode(src)
	if err != nil {
		b.Records = b.Records[:0]
	}
	return err
}

func (b *Batch) decode(src []byte) error {
	d := &b.dec
	if err := d.tables(src); err != nil {
		return err
	}
	d.points, d.headers = d.points[:0], d.headers[:0]
	n := len(d.records)
	b.Records = slices.Grow(b.Records[:0], n)[:n]
	for i := 0; i < n; i++ {
		if i += d.plain(b.Records[i:], d.records[i:], src); i == n {
			break
		}
		part := d.records[i]
		if err := d.record(&b.Records[i], src[part.from:part.to:part.to]); err != nil {
			return at("record", i, err)
		}
	}
	return nil
}

// tables reads what may stand before or after the records, and finds those,
// before anything is allocated for them.
func (d *decoder) tables(src []byte) error {
	if len(src) > MaxBatch {
		return tooLarge("bytes in a batch", MaxBatch)
	}
	d.base = 0
	d.records = d.records[:0]
	r, end := &d.batch, 0 // end is that of the last entry of a table
	r.Reset(src)
	known := len(d.head) > 0 && len(d.head) < len(src) && string(src[:len(d.head)]) == string(d.head)
	if known {
		d.reset(d.headSizes)
		r.Seek(len(d.head))
	} else {
		d.head = d.head[:0]
		d.reset([3]int{1, 1, 1})
	}

	for r.Next() {
		if r.Tag() >= 4<<3 && !known {
			known = true
			d.keepHead(src[:end])
		}
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			d.devices.add(r)
			_, end = r.Span()
		case 2<<3 | wire.Bytes:
			d.types.add(r)
			_, end = r.Span()
		case 3<<3 | wire.Bytes:
			d.names.add(r)
			_, end = r.Span()
		case 4<<3 | wire.Fixed64:
			d.base = int64(r.Uint())
		case 5<<3 | wire.Bytes:
			if len(d.records) >= MaxItems {
				return tooLarge("records in a batch", MaxItems)
			}
			from, to := r.Span()
			d.records = append(d.records, span{int32(from), int32(to)}) // src is no longer than MaxBatch
			r.Seek(d.run(src, to))
		}
	}
	return r.Err()
}

// maxHead bounds what is kept for the next batch.
const maxHead = 4 << 10

// keepHead keeps the start of a batch up to what is not a table.
func (d *decoder) keepHead(head []byte) {
	if len(head) <= maxHead {
		d.head = append(d.head[:0], head...)
		d.headSizes = [3]int{len(d.devices.entries), len(d.types.entries), len(d.names.entries)}
	}
}

// reset makes the tables this long again.
func (d *decoder) reset(sizes [3]int) {
	d.devices.reset(sizes[0])
	d.types.reset(sizes[1])
	d.names.reset(sizes[2])
}

// run finds the records that follow each other from a place on, as long as
// they are short, and answers where they end.
func (d *decoder) run(src []byte, at int) int {
	records := d.records
	for at < len(src)-1 && src[at] == 5<<3|wire.Bytes && src[at+1] < 0x80 {
		from := at + 2
		to := from + int(src[at+1])
		if to > len(src) || len(records) >= MaxItems {
			break
		}
		records = append(records, span{int32(from), int32(to)})
		at = to
	}
	d.records = records
	return at
}

// plain reads records that are as most converters get them, up to the first
// that is not, and answers how many: a short payload at the end, and before it
// at most a device, a time and a content type in the order of their numbers.
func (d *decoder) plain(records []Record, parts []span, src []byte) int {
	devices, types := d.devices.entries, d.types.entries
	for i := range parts {
		part := src[parts[i].from:parts[i].to:parts[i].to]
		n, at, device, after, of := len(part), 0, 1, uint64(0), 0
		if n < 9 || len(records) <= i {
			return i
		}
		if part[1] < 0x80 && part[0] == 1<<3|wire.Varint {
			at, device = 2, int(part[1])+1
		}
		if at < n-8 && part[at] == 3<<3|wire.Varint {
			v, size := wire.Number(binary.LittleEndian.Uint64(part[at+1:]))
			if size == 0 {
				return i
			}
			at, after = at+1+size, v
		}
		if at < n-1 && part[at+1] < 0x80 && part[at] == 4<<3|wire.Varint {
			at, of = at+2, int(part[at+1])
		}
		if at >= n-1 || part[at] != 5<<3|wire.Bytes || part[at+1] >= 0x80 || int(part[at+1]) != n-at-2 ||
			device >= len(devices) || of >= len(types) {
			return i
		}
		rec := &records[i]
		rec.Kind, rec.Time = 0, d.base+wire.Unzigzag(after)
		rec.Device, rec.ContentType, rec.SourceKey = devices[device], types[of], ""
		rec.Payload, rec.Key, rec.Points, rec.Headers = part[at+2:], nil, nil, nil
	}
	return len(parts)
}

// record reads a record of any form into *rec, whose old content is only good
// for its strings. It is put together at the end: each store of a pointer on
// the way would make a jump around the write barrier.
func (d *decoder) record(rec *Record, src []byte) error {
	var device, kind, contentType uint64
	var payload, key []byte
	var sourceKey string
	after := int64(0)
	firstPoint, firstHeader := len(d.points), len(d.headers)
	r := &d.inRecord
	r.Reset(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			device = r.Uint()
		case 2<<3 | wire.Varint:
			kind = r.Uint()
		case 3<<3 | wire.Varint:
			after = r.Sint()
		case 4<<3 | wire.Varint:
			contentType = r.Uint()
		case 5<<3 | wire.Bytes:
			payload = r.Bytes()
		case 6<<3 | wire.Bytes:
			n := len(d.points) - firstPoint
			if err := d.point(n, r.Bytes()); err != nil {
				r.Fail(at("point", n, err))
			}
		case 7<<3 | wire.Bytes:
			key = r.Bytes()
		case 8<<3 | wire.Bytes:
			n := len(d.headers) - firstHeader
			r.Fail(at("header", n, d.header(n, r.Bytes())))
		case 9<<3 | wire.Bytes:
			sourceKey = r.Text(rec.SourceKey)
		}
	}
	at, of := uint64(uint32(device))+1, uint64(uint32(contentType)) // indexes are 32 bits on the wire
	devices, types := d.devices.entries, d.types.entries
	if r.Err() == nil && at < uint64(len(devices)) && of < uint64(len(types)) {
		rec.Kind, rec.Time = Kind(kind), d.base+after
		rec.Device, rec.ContentType, rec.SourceKey = devices[at], types[of], sourceKey
		rec.Payload, rec.Key, rec.Points, rec.Headers = payload, key, nil, nil
		if len(d.points) > firstPoint || len(d.headers) > firstHeader {
			d.attach(rec, firstPoint, firstHeader)
		}
		return nil
	}
	switch {
	case r.Err() != nil:
		return r.Err()
	case at >= uint64(len(devices)):
		return outOfRange("device", at-1, len(devices)-1)
	default:
		return outOfRange("content type", of-1, len(types)-1)
	}
}

// attach gives the record the points and headers that were read for it. Their
// capacity ends with them, because others follow in the shared memory.
func (d *decoder) attach(rec *Record, firstPoint, firstHeader int) {
	if n := len(d.points); n > firstPoint {
		rec.Points = d.points[firstPoint:n:n]
		settle(rec.Points, rec.Time)
	}
	if n := len(d.headers); n > firstHeader {
		rec.Headers = d.headers[firstHeader:n:n]
	}
}

// settle turns the points' source times, read as distances, into times: the
// record's own may come after its points.
func settle(points []Point, recordTime int64) {
	for i := range points {
		if points[i].SourceTime != 0 {
			points[i].SourceTime += recordTime
		}
	}
}

// point reads the point number n of a record, which is put together at the
// end, as the record is.
func (d *decoder) point(n int, src []byte) error {
	switch {
	case n >= MaxPoints:
		return tooLarge("points in a record", MaxPoints)
	case len(d.points) >= MaxBatchPoints:
		return tooLarge("points in a batch", MaxBatchPoints)
	case len(d.points) < cap(d.points):
		d.points = d.points[:len(d.points)+1]
	default:
		d.points = append(d.points, Point{})
	}
	p := &d.points[len(d.points)-1]
	var name, unit, quality uint64
	var value Value
	after := int64(0)
	r := &d.inPoint
	r.Reset(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			name = r.Uint()
		case 2<<3 | wire.Varint:
			unit = r.Uint()
		case 3<<3 | wire.Varint:
			value = Bool(r.Bool())
		case 4<<3 | wire.Varint:
			value = Int(r.Sint())
		case 5<<3 | wire.Varint:
			value = Uint(r.Uint())
		case 6<<3 | wire.Fixed64:
			value = Value{kind: ValueDouble, num: r.Uint()}
		case 7<<3 | wire.Bytes:
			value = String(r.Text(p.Value.String())) // of an earlier batch
		case 8<<3 | wire.Bytes:
			value = Bytes(r.Bytes())
		case 9<<3 | wire.Varint:
			quality = r.Uint()
		case 10<<3 | wire.Varint:
			after = r.Sint()
		}
	}
	at, of := uint64(uint32(name))+1, uint64(uint32(unit))
	names := d.names.entries
	if r.Err() == nil && at < uint64(len(names)) && of < uint64(len(names)) {
		p.Quality, p.SourceTime = uint32(quality), after
		p.Value.kind, p.Value.num = value.kind, value.num
		p.Name, p.Unit, p.Value.str = names[at], names[of], value.str
		return nil
	}
	switch {
	case r.Err() != nil:
		return r.Err()
	case at >= uint64(len(names)):
		return outOfRange("name", at-1, len(names)-1)
	default:
		return outOfRange("unit", of-1, len(names)-1)
	}
}

func (d *decoder) header(n int, src []byte) error {
	if n >= MaxHeaders {
		return tooLarge("headers in a record", MaxHeaders)
	}
	if len(d.headers) < cap(d.headers) {
		d.headers = d.headers[:len(d.headers)+1]
	} else {
		d.headers = append(d.headers, Header{})
	}
	return d.headers[len(d.headers)-1].decode(src)
}
