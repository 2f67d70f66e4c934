package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// decoder is what Batch.Decode keeps between calls: the tables of the batch
// and the memory of its records.
type decoder struct {
	devices, types, names names

	base    int64
	points  []Point
	headers []Header
}

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
	d, records := &b.dec, b.Records[:0]
	if err := d.tables(src); err != nil {
		return err
	}
	d.points, d.headers = d.points[:0], d.headers[:0]
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() != 5<<3|wire.Bytes {
			continue
		}
		i := len(records)
		if i < cap(records) {
			records = records[:i+1]
		} else {
			records = append(records, Record{})
		}
		r.Fail(at("record", i, d.record(&records[i], r.Bytes())))
	}
	b.Records = records
	return r.Err()
}

// tables reads what may stand before or after the records, and checks the
// bounds of the batch before anything is allocated for its records.
func (d *decoder) tables(src []byte) error {
	if len(src) > MaxBatch {
		return tooLarge("bytes in a batch", MaxBatch)
	}
	d.devices.reset()
	d.types.reset()
	d.names.reset()
	d.base = 0
	records := 0
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
			if records++; records > MaxItems {
				r.Fail(tooLarge("records in a batch", MaxItems))
			}
		}
	}
	return r.Err()
}

// record reads one record into *rec, whose old content is only good for its
// strings. Points and headers are counted first, so that those of one record
// stand side by side in the shared memory.
func (d *decoder) record(rec *Record, src []byte) error {
	*rec = Record{SourceKey: rec.SourceKey, Time: d.base}
	device, contentType, sourceKey := uint64(0), uint64(0), ""
	firstPoint, firstHeader := len(d.points), len(d.headers)
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			device = r.Uint()
		case 2<<3 | wire.Varint:
			rec.Kind = Kind(r.Uint())
		case 3<<3 | wire.Varint:
			rec.Time = d.base + r.Sint()
		case 4<<3 | wire.Varint:
			contentType = r.Uint()
		case 5<<3 | wire.Bytes:
			rec.Payload = r.Bytes()
		case 6<<3 | wire.Bytes:
			n := len(d.points) - firstPoint
			r.Fail(at("point", n, d.point(n, r.Bytes())))
		case 7<<3 | wire.Bytes:
			rec.Key = r.Bytes()
		case 8<<3 | wire.Bytes:
			n := len(d.headers) - firstHeader
			r.Fail(at("header", n, d.header(n, r.Bytes())))
		case 9<<3 | wire.Bytes:
			sourceKey = r.Text(rec.SourceKey)
		}
	}
	if r.Err() != nil {
		return r.Err()
	}
	rec.SourceKey = sourceKey
	if n := len(d.points); n > firstPoint {
		rec.Points = d.points[firstPoint:n:n]
		settle(rec.Points, rec.Time)
	}
	if n := len(d.headers); n > firstHeader {
		rec.Headers = d.headers[firstHeader:n:n]
	}
	var err error
	if rec.Device, err = d.devices.at("device", device); err != nil {
		return err
	}
	rec.ContentType, err = d.types.optional("content type", contentType)
	return err
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

func (d *decoder) point(n int, src []byte) error {
	if n >= MaxPoints {
		return tooLarge("points in a record", MaxPoints)
	}
	if len(d.points) < cap(d.points) {
		d.points = d.points[:len(d.points)+1]
	} else {
		d.points = append(d.points, Point{})
	}
	p := &d.points[len(d.points)-1]
	old := p.Value.str
	*p = Point{}
	name, unit := uint64(0), uint64(0)
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			name = r.Uint()
		case 2<<3 | wire.Varint:
			unit = r.Uint()
		case 3<<3 | wire.Varint:
			p.Value = Bool(r.Bool())
		case 4<<3 | wire.Varint:
			p.Value = Int(r.Sint())
		case 5<<3 | wire.Varint:
			p.Value = Uint(r.Uint())
		case 6<<3 | wire.Fixed64:
			p.Value = Value{kind: ValueDouble, num: r.Uint()}
		case 7<<3 | wire.Bytes:
			p.Value = String(r.Text(old))
		case 8<<3 | wire.Bytes:
			p.Value = Bytes(r.Bytes())
		case 9<<3 | wire.Varint:
			p.Quality = uint32(r.Uint())
		case 10<<3 | wire.Varint:
			p.SourceTime = r.Sint()
		}
	}
	if r.Err() != nil {
		return r.Err()
	}
	var err error
	if p.Name, err = d.names.at("name", name); err != nil {
		return err
	}
	p.Unit, err = d.names.optional("unit", unit)
	return err
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
	entries []string
	// known holds the strings of this table and of earlier ones.
	known map[string]string
}

// The bounds of what names keeps for later batches.
const (
	maxKnown     = 1024
	maxKnownSize = 256 // bytes of one string
)

func (n *names) reset() { n.entries = n.entries[:0] }

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

// at is the entry with this index. Indexes are 32 bits on the wire.
func (n *names) at(what string, index uint64) (string, error) {
	i := uint32(index)
	if uint64(i) >= uint64(len(n.entries)) {
		return "", outOfRange(what, uint64(i), len(n.entries))
	}
	return n.entries[i], nil
}

// optional is the entry before this index; 0 is the empty string.
func (n *names) optional(what string, index uint64) (string, error) {
	if uint32(index) == 0 {
		return "", nil
	}
	return n.at(what, uint64(uint32(index)-1))
}
