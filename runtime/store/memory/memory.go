// Package memory is the store that forgets: the twin of the one on disk, for
// tests and for what need not last. It passes the same contract.
//
// Only cmd and tests import it. Its invariant: a state that a transaction has
// seen is never changed, only replaced.
package memory

import (
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
	number uint64 // of the state: how many commits there have been
}

func (b *backend) Begin(space string) (store.Snapshot, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return &snapshot{seen: b.spaces[space], number: b.number}, nil
}

func (b *backend) Commit(space string, rows iter.Seq2[store.Bucket, store.Row]) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next, own := maps.Clone(b.spaces[space]), map[store.Bucket]bool{}
	if next == nil {
		next = state{}
	}
	for bucket, row := range rows {
		if !own[bucket] {
			next[bucket], own[bucket] = slices.Clone(next[bucket]), true
		}
		next.set(bucket, row)
	}
	b.spaces[space] = next
	b.number++
	return b.number, nil
}

func (b *backend) Close() error { return nil }

// set puts a row into a bucket that nobody has seen.
func (s state) set(b store.Bucket, row store.Row) {
	if row.Value == nil {
		row.Value = []byte{}
	}
	i, found := find(s[b], row.ID)
	if found {
		s[b][i] = &row
	} else {
		s[b] = slices.Insert(s[b], i, &row)
	}
}

// snapshot is one state of a space.
type snapshot struct {
	seen   state
	number uint64
}

func (s *snapshot) State() uint64 { return s.number }

func (s *snapshot) Discard() {}

func (s *snapshot) Get(b store.Bucket, id string) (store.Row, bool, error) {
	rows := s.seen[b]
	i, found := find(rows, id)
	if !found {
		return store.Row{}, false, nil
	}
	return *rows[i], true, nil
}

func (s *snapshot) Scan(b store.Bucket, prefix, from string) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		rows := s.seen[b]
		start, _ := find(rows, from)
		for _, row := range rows[start:] {
			if !strings.HasPrefix(row.ID, prefix) || !yield(*row, nil) {
				return
			}
		}
	}
}

func find(rows []*store.Row, id string) (int, bool) {
	return slices.BinarySearchFunc(rows, id, func(r *store.Row, id string) int { return cmp.Compare(r.ID, id) })
}
