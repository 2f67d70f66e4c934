// Package memory is the store that forgets: the twin of the one on disk, for
// tests and for what need not last. It passes the same contract.
//
// Only cmd and tests import it. Its invariant: a state that a transaction has
// seen is never changed, only replaced. That nobody changes the bytes of a value
// that they read, which all share, is checked when a value is replaced and at
// Close, so that the tests of whoever uses a store find who does.
package memory

import (
	"cmp"
	"hash/crc32"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// New is an empty store.
func New() store.Store {
	return store.New(&backend{spaces: map[string]state{}})
}

// state is what a space holds: the rows of each bucket, sorted by id. Neither
// the map nor the slices nor the rows in it are ever changed.
type state map[store.Bucket][]*kept

// kept is a row, and the sum of its value as it was put.
type kept struct {
	store.Row

	sum uint32
}

// check reports whether somebody changed the value in place.
func (k *kept) check(b store.Bucket) error {
	if sum(k.Value) == k.sum {
		return nil
	}
	return fault.New(fault.Integrity, "somebody changed the bytes of the value %s %.80q that they read, which others read too", b, k.ID)
}

func sum(value []byte) uint32 { return crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli)) }

type backend struct {
	mu      sync.RWMutex
	spaces  map[string]state
	number  uint64 // of the state: how many commits there have been
	changed error  // the first value that was changed in place, if one was
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
		if old := next.set(bucket, row); old != nil {
			b.note(old.check(bucket))
		}
	}
	b.spaces[space] = next
	b.number++
	return b.number, nil
}

// note keeps the first failure of a check. The caller holds mu.
func (b *backend) note(err error) {
	if b.changed == nil {
		b.changed = err
	}
}

// Close is fault.Integrity when a value was changed in place.
func (b *backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, space := range b.spaces {
		for bucket, rows := range space {
			for _, row := range rows {
				b.note(row.check(bucket))
			}
		}
	}
	return b.changed
}

// set puts a row into a bucket that nobody has seen, and is the one that was
// there; nil: none was.
func (s state) set(b store.Bucket, row store.Row) (old *kept) {
	if row.Value == nil {
		row.Value = []byte{}
	}
	put := &kept{row, sum(row.Value)}
	i, found := find(s[b], row.ID)
	if !found {
		s[b] = slices.Insert(s[b], i, put)
		return nil
	}
	old, s[b][i] = s[b][i], put
	return old
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
	return rows[i].Row, true, nil
}

func (s *snapshot) Scan(b store.Bucket, prefix, from string) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		rows := s.seen[b]
		start, _ := find(rows, from)
		for _, row := range rows[start:] {
			if !strings.HasPrefix(row.ID, prefix) || !yield(row.Row, nil) {
				return
			}
		}
	}
}

func find(rows []*kept, id string) (int, bool) {
	return slices.BinarySearchFunc(rows, id, func(r *kept, id string) int { return cmp.Compare(r.ID, id) })
}
