package store

import (
	"bytes"
	"context"

	"github.com/snaprail/snaprail/runtime/fault"
)

// txn is what reader and writer of one transaction share.
type txn struct {
	ctx   context.Context //nolint:containedctx // it lives as long as the function it was given to
	rows  Rows
	own   *staged // what rows are too, where they can be set; nil: they cannot
	ended bool

	cost int // of the writes so far, bounded by MaxTxn
	// broken is the failure of a write. It may have left half of something
	// behind, so that the transaction must not commit whatever fn returns.
	broken error

	last []func(Writer) error // what is left to do in the update's turn
}

// run runs fn as a transaction on rows, behind writes of a cost.
func run(ctx context.Context, rows *staged, cost int, fn func(Writer) error) (*txn, error) {
	t := &txn{ctx: ctx, rows: rows, own: rows, cost: cost}
	defer func() { t.ended = true }()
	if err := fn(&writer{reader{t}}); err != nil {
		return nil, err
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	return t, t.broken
}

// finish does what is left to do.
func (t *txn) finish() (_ *txn, err error) {
	for err == nil && len(t.last) > 0 {
		last := t.last
		t, err = run(t.ctx, t.own, t.cost, func(w Writer) error {
			for _, fn := range last {
				if err := fn(w); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return t, err
}

func (t *txn) check() error {
	if t.ended {
		return fault.New(fault.Internal, "a transaction was used after its function had returned")
	}
	if err := t.ctx.Err(); err != nil {
		return fault.Of(err)
	}
	return nil
}

// reader is the Reader. It is a type of its own so that no one can turn what
// View gave him into a Writer.
type reader struct{ *txn }

func (r *reader) Get(b Bucket, id string) (Entry, error) {
	row, live, err := r.row(b, id)
	if err != nil {
		return Entry{}, err
	}
	if !live {
		return Entry{}, notFound(b, id)
	}
	return Entry{ID: id, Value: row.Value, Version: row.Version}, nil
}

// row is what is kept under the id, and whether that is a live entry.
func (r *reader) row(b Bucket, id string) (row Row, live bool, err error) {
	if err := r.check(); err != nil {
		return Row{}, false, err
	}
	if err := checkKey(b, id); err != nil {
		return Row{}, false, err
	}
	row, found, err := r.rows.Get(b, id)
	return row, found && !row.Deleted, err
}

func (r *reader) List(b Bucket, prefix, after string, limit int) ([]Entry, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := checkBucket(b); err != nil {
		return nil, err
	}
	if limit < 1 || limit > MaxList {
		return nil, fault.New(fault.Invalid, "a list of %d entries was asked for; ask for 1 to %d", limit, MaxList)
	}
	from := prefix
	if after != "" {
		from = max(prefix, after+"\x00") // the least id greater than after
	}
	var entries []Entry
	size := 0
	for row, err := range r.rows.Scan(b, prefix, from) {
		if err == nil {
			err = r.check() // tombstones can make a scan long
		}
		if err != nil {
			return nil, err
		}
		if row.Deleted {
			continue
		}
		if size += len(row.Value); size > MaxPage {
			return nil, fault.New(fault.TooLarge, "a list of %s has more than %d bytes", b, MaxPage).
				WithHint("Ask for fewer than %d entries at once.", limit)
		}
		entries = append(entries, Entry{ID: row.ID, Value: row.Value, Version: row.Version})
		if len(entries) == limit {
			break
		}
	}
	return entries, nil
}

type writer struct{ reader }

func (w *writer) Put(b Bucket, id string, value []byte) (uint64, error) {
	row, _, err := w.row(b, id)
	if err != nil {
		return 0, err
	}
	return w.put(b, id, value, row.Version+1)
}

func (w *writer) PutIf(b Bucket, id string, value []byte, version uint64) (uint64, error) {
	row, live, err := w.row(b, id)
	switch {
	case err != nil:
		return 0, err
	case version == 0 && live:
		return 0, fault.New(fault.Exists, "%.80q is in %s already", id, b)
	case version != 0 && !live:
		return 0, notFound(b, id)
	case version != 0 && row.Version != version:
		return 0, fault.New(fault.StaleRevision, "%.80q in %s is at version %d, not %d", id, b, row.Version, version)
	}
	return w.put(b, id, value, row.Version+1)
}

func (w *writer) PutAs(b Bucket, id string, value []byte, version uint64) error {
	if err := w.check(); err != nil {
		return err
	}
	if err := checkKey(b, id); err != nil {
		return err
	}
	_, err := w.put(b, id, value, version)
	return err
}

func (w *writer) Delete(b Bucket, id string) error {
	row, live, err := w.row(b, id)
	if err != nil {
		return err
	}
	if !live {
		return notFound(b, id)
	}
	return w.set(b, Row{ID: id, Version: row.Version + 1, Deleted: true})
}

func (w *writer) Finally(fn func(Writer) error) { w.last = append(w.last, fn) }

func (w *writer) put(b Bucket, id string, value []byte, version uint64) (uint64, error) {
	if err := checkValue(b, id, value); err != nil {
		return 0, err
	}
	return version, w.set(b, Row{ID: id, Version: version, Value: bytes.Clone(value)})
}

func (w *writer) set(b Bucket, row Row) error {
	if w.cost += len(row.ID) + len(row.Value) + writeCost; w.cost > MaxTxn {
		w.broken = fault.New(fault.TooLarge, "an update writes more than %d bytes", MaxTxn).
			WithHint("Split it into several updates.")
		return w.broken
	}
	w.own.put(b, row)
	return nil
}
