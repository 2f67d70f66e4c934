package store

import (
	"bytes"
	"iter"
	"maps"
	"slices"
	"strings"
)

// staged is what has been set over rows that it leaves as they are: by an update
// over the batch that it is to join, by a batch over what is stored.
type staged struct {
	under Rows
	set   map[Bucket]map[string]Row
}

func (s *staged) Get(b Bucket, id string) (Row, bool, error) {
	if row, ok := s.set[b][id]; ok {
		return owned(row), true, nil
	}
	return s.under.Get(b, id)
}

func (s *staged) Scan(b Bucket, prefix, from string) iter.Seq2[Row, error] {
	own := s.set[b]
	if len(own) == 0 {
		return s.under.Scan(b, prefix, from)
	}
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(own)), func(id string) bool {
		return id < from || !strings.HasPrefix(id, prefix)
	})
	return func(yield func(Row, error) bool) {
		ids := ids
		for row, err := range s.under.Scan(b, prefix, from) {
			for err == nil && len(ids) > 0 && ids[0] < row.ID {
				if !yield(owned(own[ids[0]]), nil) {
					return
				}
				ids = ids[1:]
			}
			if err == nil && len(ids) > 0 && ids[0] == row.ID {
				row, ids = owned(own[row.ID]), ids[1:]
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
		for _, id := range ids {
			if !yield(owned(own[id]), nil) {
				return
			}
		}
	}
}

func (s *staged) Set(b Bucket, row Row) error {
	if s.set == nil {
		s.set = map[Bucket]map[string]Row{}
	}
	if s.set[b] == nil {
		s.set[b] = map[string]Row{}
	}
	s.set[b][row.ID] = owned(row)
	return nil
}

// join takes in what another has set, which must not be used any more.
func (s *staged) join(other *staged) {
	if s.set == nil {
		s.set = map[Bucket]map[string]Row{}
	}
	for b, rows := range other.set {
		if s.set[b] == nil {
			s.set[b] = rows
			continue
		}
		maps.Copy(s.set[b], rows)
	}
}

// apply sets in another transaction what was set in this one.
func (s *staged) apply(to Rows) error {
	for b, rows := range s.set {
		for _, row := range rows {
			if err := to.Set(b, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// owned shares no bytes with a row that others may change.
func owned(r Row) Row {
	r.Value = bytes.Clone(r.Value)
	return r
}
