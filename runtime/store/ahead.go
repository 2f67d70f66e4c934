package store

import (
	"context"
	"iter"
)

// ahead is an update that has run before its turn, on a snapshot of what was
// durable.
type ahead struct {
	state uint64 // of the snapshot
	reads *reads
	own   *staged
	txn   *txn
}

// ahead runs fn on what is durable now. Nil: it needs no turn, because it failed
// or wrote nothing.
func (s *space) ahead(ctx context.Context, fn func(Writer) error, q *turn) (a *ahead, err error) {
	defer func() {
		if a == nil { // or it panics
			s.store.turns.away(s.name, q)
		}
	}()
	rows, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer rows.Discard()
	seen := &reads{under: rows}
	own := &staged{under: seen}
	t, err := run(ctx, own, 0, fn)
	if err != nil || t.cost == 0 && len(t.last) == 0 {
		return nil, err
	}
	return &ahead{state: rows.State(), reads: seen, own: own, txn: t}, nil
}

// maxReads bounds what is known of what an update that runs ahead has read. One
// that reads more is run again.
const maxReads = 1000

// reads is rows that note what is read of them.
type reads struct {
	under Rows
	rowset
	none  []bool // by place in the list: there is no such row
	bytes int
	scans []place // by prefix
	many  bool    // more than is known
}

func (r *reads) Get(bucket Bucket, id string) (Row, bool, error) {
	at := place{bucket, id}
	if i := r.find(at); i >= 0 {
		return r.list[i].row, !r.none[i], nil
	}
	row, found, err := r.under.Get(bucket, id)
	if err != nil {
		return row, found, err
	}
	if r.bytes += len(row.Value); len(r.list) >= maxReads || r.bytes > maxSeen {
		r.many = true
		return row, found, nil
	}
	r.put(at, row)
	r.none = append(r.none, !found)
	return row, found, nil
}

func (r *reads) Scan(bucket Bucket, prefix, from string) iter.Seq2[Row, error] {
	if len(r.scans) >= maxReads {
		r.many = true
	} else {
		r.scans = append(r.scans, place{bucket, prefix})
	}
	return r.under.Scan(bucket, prefix, from)
}
