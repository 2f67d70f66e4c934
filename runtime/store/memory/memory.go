// Package memory is the store that forgets: the twin of the one on disk, for
// tests and for what need not last. It passes the same contract.
//
// Only cmd and tests import it. Its invariant: a state that a transaction has
// seen is never changed, only replaced.
package memory

import (
	"bytes"
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/snaprail/snaprail/runtime/store"
)

// New is an empty store.
func New() store.Store {
	return store.New(&backend{spaces: map[string]state{}})
}

// state is what a space holds: the rows of each bucket, sorted by id. Neither
// the map nor the slices nor the rows in it are ever changed.
type state map[store.Bucket][]*store.Row

type backend struct {
	mu     sync.RWMutex
	spaces map[string]state
}

func (b *backend) Begin(space string, _ bool) (store.BackendTxn, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return &txn{backend: b, space: space, seen: b.spaces[space]}, nil
}

func (b *backend) Close() error { return nil }

type txn struct {
	backend *backend
	space   string
	seen    state
	own     map[store.Bucket]bool // the buckets of seen that are copies of this transaction's
}

func (t *txn) Get(b store.Bucket, id string) (store.Row, bool, error) {
	rows := t.seen[b]
	i, found := find(rows, id)
	if !found {
		return store.Row{}, false, nil
	}
	return *copied(*rows[i]), true, nil
}

func (t *txn) Scan(b store.Bucket, prefix, from string) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		rows := t.seen[b]
		start, _ := find(rows, from)
		for _, row := range rows[start:] {
			if !strings.HasPrefix(row.ID, prefix) || !yield(*copied(*row), nil) {
				return
			}
		}
	}
}

func (t *txn) Set(b store.Bucket, row store.Row) error {
	if t.own == nil {
		t.own = map[store.Bucket]bool{}
		t.seen = maps.Clone(t.seen)
		if t.seen == nil {
			t.seen = state{}
		}
	}
	rows := t.seen[b]
	if !t.own[b] {
		rows, t.own[b] = slices.Clone(rows), true
	}
	i, found := find(rows, row.ID)
	if found {
		rows[i] = copied(row)
	} else {
		rows = slices.Insert(rows, i, copied(row))
	}
	t.seen[b] = rows
	return nil
}

func (t *txn) Commit() error {
	t.backend.mu.Lock()
	defer t.backend.mu.Unlock()
	t.backend.spaces[t.space] = t.seen
	return nil
}

func (t *txn) Discard() {}

func find(rows []*store.Row, id string) (int, bool) {
	return slices.BinarySearchFunc(rows, id, func(r *store.Row, id string) int { return cmp.Compare(r.ID, id) })
}

// copied shares nothing with r that can be changed.
func copied(r store.Row) *store.Row {
	if r.Value = bytes.Clone(r.Value); r.Value == nil {
		r.Value = []byte{}
	}
	return &r
}
