package badger

import (
	"errors"
	"iter"

	bdg "github.com/dgraph-io/badger/v4"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

type txn struct {
	backend *backend
	space   string
	txn     *bdg.Txn
}

func (t *txn) Get(b store.Bucket, id string) (row store.Row, found bool, err error) {
	err = guard(string(b), func() error {
		key := rowKey(t.space, b, id)
		item, err := t.txn.Get(key)
		switch {
		case errors.Is(err, bdg.ErrKeyNotFound):
			return nil
		case err != nil:
			return damaged(err, "%s %.80q cannot be read", b, id)
		}
		found = true
		return item.Value(func(sealed []byte) error {
			row, err = t.backend.seal.open(key, id, sealed)
			return err
		})
	})
	return row, found && err == nil, err
}

func (t *txn) Scan(b store.Bucket, prefix, from string) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		start, within := len(rowKey(t.space, b, "")), rowKey(t.space, b, prefix)
		var it *bdg.Iterator
		err := guard(string(b), func() error {
			it = t.txn.NewIterator(bdg.IteratorOptions{Prefix: within})
			it.Seek(rowKey(t.space, b, from))
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
					row, err = t.backend.seal.open(key, string(key[start:]), sealed)
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

func (t *txn) Set(b store.Bucket, row store.Row) error {
	key := rowKey(t.space, b, row.ID)
	if err := t.txn.Set(key, t.backend.seal.close(key, row)); err != nil {
		return fault.Wrap(fault.Internal, err, "%s %.80q was not written", b, row.ID)
	}
	return nil
}

func (t *txn) Commit() error {
	if err := t.backend.disk.roomToWrite(); err != nil {
		return err
	}
	if err := t.txn.Commit(); err != nil {
		return fault.Wrap(fault.Internal, err, "the commit failed")
	}
	return nil
}

func (t *txn) Discard() { t.txn.Discard() }
