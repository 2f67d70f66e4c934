package store

import (
	"iter"
	"slices"
	"strings"
)

// staged is what has been set over rows that it leaves as they are: by an update
// over the batch that it is to join, by a batch over what is stored.
type staged struct {
	under Rows
	set   rowset
}

func (s *staged) Get(b Bucket, id string) (Row, bool, error) {
	if row, ok := s.set.get(place{b, id}); ok {
		return row, true, nil
	}
	return s.under.Get(b, id)
}

func (s *staged) Scan(b Bucket, prefix, from string) iter.Seq2[Row, error] {
	own := s.within(b, prefix, from)
	if len(own) == 0 {
		return s.under.Scan(b, prefix, from)
	}
	return func(yield func(Row, error) bool) {
		own := own
		for row, err := range s.under.Scan(b, prefix, from) {
			for err == nil && len(own) > 0 && own[0].ID < row.ID {
				if !yield(own[0], nil) {
					return
				}
				own = own[1:]
			}
			if err == nil && len(own) > 0 && own[0].ID == row.ID {
				row, own = own[0], own[1:]
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
		for _, row := range own {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// within is what has been set of a scan, in its order.
func (s *staged) within(b Bucket, prefix, from string) (rows []Row) {
	for i := range s.set.list {
		if p := &s.set.list[i]; p.bucket == b && p.id >= from && strings.HasPrefix(p.id, prefix) {
			rows = append(rows, p.row)
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.ID, b.ID) })
	return rows
}

func (s *staged) put(b Bucket, row Row) { s.set.put(place{b, row.ID}, row) }

// join takes in what another has set.
func (s *staged) join(other *staged) {
	for i := range other.set.list {
		s.set.put(other.set.list[i].place, other.set.list[i].row)
	}
}

// all is what has been set.
func (s *staged) all() iter.Seq2[Bucket, Row] {
	return func(yield func(Bucket, Row) bool) {
		for i := range s.set.list {
			if !yield(s.set.list[i].bucket, s.set.list[i].row) {
				return
			}
		}
	}
}
