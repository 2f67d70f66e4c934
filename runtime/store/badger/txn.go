package badger

import (
	"errors"
	"iter"

	bdg "github.com/dgraph-io/badger/v4"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// snapshot is one state of a space.
type snapshot struct {
	backend *backend
	space   string
	state   uint64
	txn     *bdg.Txn
}

func (b *backend) Begin(space string) (store.Snapshot, error) {
	state := b.states.begin()
	return &snapshot{backend: b, space: space, state: state, txn: b.db.NewTransactionAt(state, false)}, nil
}

func (s *snapshot) State() uint64 { return s.state }

func (s *snapshot) Discard() {
	s.txn.Discard()
	s.backend.states.end(s.state)
}

func (s *snapshot) Get(b store.Bucket, id string) (row store.Row, found bool, err error) {
	err = guard(string(b), func() error {
		key := rowKey(s.space, b, id)
		item, err := s.txn.Get(key)
		switch {
		case errors.Is(err, bdg.ErrKeyNotFound):
			return nil
		case err != nil:
			return damaged(err, "%s %.80q cannot be read", b, id)
		}
		found = true
		return item.Value(func(sealed []byte) error {
			row, err = s.backend.seal.open(key, id, sealed)
			return err
		})
	})
	return row, found && err == nil, err
}

func (s *snapshot) Scan(b store.Bucket, prefix, from string) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		start, within := len(rowKey(s.space, b, "")), rowKey(s.space, b, prefix)
		var it *bdg.Iterator
		err := guard(string(b), func() error {
			it = s.txn.NewIterator(bdg.IteratorOptions{Prefix: within})
			it.Seek(rowKey(s.space, b, from))
			return nil
		})
		if it != nil {
			defer it.Close()
		}
		for err == nil && it.ValidForPrefix(within) {
			var row store.Row
			err = guard(string(b), func() error {
				key := it.Item().Key()
				return it.Item().Value(func(sealed []byte) (err error) {
					row, err = s.backend.seal.open(key, string(key[start:]), sealed)
					return err
				})
			})
			if err != nil {
				break
			}
			if !yield(row, nil) {
				return
			}
			err = guard(string(b), func() error { it.Next(); return nil })
		}
		if err != nil {
			yield(store.Row{}, err)
		}
	}
}

func (b *backend) Commit(space string, rows iter.Seq2[store.Bucket, store.Row]) (state uint64, err error) {
	if err := b.disk.roomToWrite(); err != nil {
		return 0, err
	}
	t := b.db.NewTransactionAt(0, true) // it reads nothing
	defer t.Discard()
	for bucket, row := range rows {
		key := rowKey(space, bucket, row.ID)
		if err := t.Set(key, b.seal.close(key, row)); err != nil {
			return 0, fault.Wrap(fault.Internal, err, "%s %.80q was not written", bucket, row.ID)
		}
	}
	if state, err = b.states.commit(t); err != nil {
		return state, fault.Wrap(fault.Internal, err, "the commit failed")
	}
	return state, nil
}
