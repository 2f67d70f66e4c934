package abi

import (
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// decoder is what Batch.Decode keeps between calls: the tables of the batch
// and the memory of its records.
type decoder struct {
	devices, types, names names

	base    int64
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
	for i, part := range d.records {
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
	d.devices.reset()
	d.types.reset()
	d.names.reset()
	d.base = 0
	d.records = d.records[:0]
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			d.devices.add(&r)
		case 2<<3 | wire.Bytes:
			d.types.add(&r)
		case 3<<3 | wire.Bytes:
			d.names.add(&r)
		case 4<<3 | wire.Fixed64:
			d.base = int64(r.Uint())
		case 5<<3 | wire.Bytes:
			if len(d.records) >= MaxItems {
				return tooLarge("records in a batch", MaxItems)
			}
			from, to := r.Span()
			d.records = append(d.records, span{int32(from), int32(to)}) // src is no longer than MaxBatch
		}
	}
	return r.Err()
}

// record reads one record into *rec, whose old content is only good for its
// strings. It is put together at the end: each store of a pointer on the way
// would make a jump around the write barrier.
func (d *decoder) record(rec *Record, src []byte) error {
	var device, kind, contentType uint64
	var payload, key []byte
	var sourceKey string
	after := int64(0)
	firstPoint, firstHeader := len(d.points), len(d.headers)
	r := wire.Read(src)
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
		*rec = Record{
			Device: devices[at], Kind: Kind(kind), Time: d.base + after, ContentType: types[of],
			Payload: payload, Key: key, SourceKey: sourceKey,
		}
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
	r := wire.Read(src)
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
			value = String(r.Text(p.Value.str)) // of an earlier batch
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
		*p = Point{Name: names[at], Unit: names[of], Value: value, Quality: uint32(quality), SourceTime: after}
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

// names is a table of a batch as it was read.
type names struct {
	// entries has an empty string before those of the table, so that an index
	// for which 0 is none is one into entries.
	entries []string
	// known holds the strings of this table and of earlier ones.
	known map[string]string
}

// The bounds of what names keeps for later batches.
const (
	maxKnown     = 1024
	maxKnownSize = 256 // bytes of one string
)

func (n *names) reset() { n.entries = append(n.entries[:0], "") }

// add takes the current field of r as the next entry. The entry of the batch
// before is tried first.
func (n *names) add(r *wire.Reader) {
	i := len(n.entries)
	if i < cap(n.entries) {
		n.entries = n.entries[:i+1]
	} else {
		n.entries = append(n.entries, "")
	}
	b := r.Bytes()
	if n.entries[i] == string(b) { // was checked when it came in
		return
	}
	if s, ok := n.known[string(b)]; ok {
		n.entries[i] = s
		return
	}
	s := r.Text("")
	n.entries[i] = s
	if len(s) > maxKnownSize || r.Err() != nil {
		return
	}
	if n.known == nil {
		n.known = make(map[string]string)
	} else if len(n.known) >= maxKnown {
		clear(n.known)
	}
	n.known[s] = s
}
