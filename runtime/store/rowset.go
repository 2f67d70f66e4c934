package store

// place is where a row stands in a space.
type place struct {
	bucket Bucket
	id     string
}

// rowset is rows by their place, in the order in which they came. Most are of an
// update that writes two or three: those are found without an index.
type rowset struct {
	list  []placed
	index map[place]int // of list; nil while that is short
}

type placed struct {
	place

	row Row
}

// shortSet is how many rows are found without an index.
const shortSet = 8

func (s *rowset) get(at place) (Row, bool) {
	if i := s.find(at); i >= 0 {
		return s.list[i].row, true
	}
	return Row{}, false
}

func (s *rowset) find(at place) int {
	if s.index != nil {
		if i, ok := s.index[at]; ok {
			return i
		}
		return -1
	}
	for i := range s.list {
		if s.list[i].place == at {
			return i
		}
	}
	return -1
}

func (s *rowset) put(at place, row Row) {
	if i := s.find(at); i >= 0 {
		s.list[i].row = row
		return
	}
	if s.list == nil {
		s.list = make([]placed, 0, 4)
	}
	s.list = append(s.list, placed{at, row})
	switch n := len(s.list); {
	case s.index != nil:
		s.index[at] = n - 1
	case n > shortSet:
		s.index = make(map[place]int, 4*n)
		for i := range s.list {
			s.index[s.list[i].place] = i
		}
	}
}
