package badger

import (
	"errors"
	"math"

	bdg "github.com/dgraph-io/badger/v4"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// checkKey makes sure that the key is the store's: a store carries a value
// that its first key sealed. A store without one must be empty.
func (b *backend) checkKey() error {
	at := checkKeyID()
	var sealed []byte
	err := guard("the key check", func() error {
		return b.db.View(func(t *bdg.Txn) error {
			item, err := t.Get(at)
			if err != nil {
				return err
			}
			sealed, err = item.ValueCopy(nil)
			return err
		})
	})
	switch {
	case errors.Is(err, bdg.ErrKeyNotFound):
		return b.writeKeyCheck(at)
	case err != nil:
		return fault.Of(err)
	}
	if _, err := b.seal.open(at, "", sealed); err != nil {
		return fault.New(fault.Integrity, "the store in %s was sealed with another key", b.disk.dir).
			WithHint("Start with the key file that the store was made with; if this is the one, restore the store from a backup.")
	}
	return nil
}

func (b *backend) writeKeyCheck(at []byte) error {
	if err := b.disk.roomToWrite(); err != nil {
		return err
	}
	t := b.db.NewTransactionAt(math.MaxUint64, true)
	defer t.Discard()
	it := t.NewIterator(bdg.IteratorOptions{})
	it.Rewind()
	empty := !it.Valid()
	it.Close()
	if !empty {
		return damaged(nil, "the store in %s has lost its key check", b.disk.dir)
	}
	err := t.Set(at, b.seal.close(at, store.Row{Version: 1}))
	if err == nil {
		_, err = b.states.commit(t)
	}
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the key check was not written")
	}
	return nil
}
