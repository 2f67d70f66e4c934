package store

import "iter"

// recall is rows of which those that were asked for once are kept. The updates of
// a batch read much the same: the record that they all append to, the module
// that they share.
type recall struct {
	rows  Rows
	seen  map[place]sighting
	bytes int // of what is seen, about
}

// maxSeen bounds how many bytes of what was read are kept.
const maxSeen = 4 << 20

type sighting struct {
	row   Row
	found bool
}

func newRecall(rows Rows) *recall { return &recall{rows: rows, seen: map[place]sighting{}} }

func (r *recall) Get(bucket Bucket, id string) (Row, bool, error) {
	at := place{bucket, id}
	if s, ok := r.seen[at]; ok {
		return s.row, s.found, nil
	}
	row, found, err := r.rows.Get(bucket, id)
	if err != nil {
		return row, found, err
	}
	if r.bytes > maxSeen {
		clear(r.seen)
		r.bytes = 0
	}
	r.seen[at] = sighting{row, found}
	r.bytes += len(id) + len(row.Value) + writeCost
	return row, found, nil
}

// Scan reads what is there; a list is seldom read twice.
func (r *recall) Scan(bucket Bucket, prefix, from string) iter.Seq2[Row, error] {
	return r.rows.Scan(bucket, prefix, from)
}
