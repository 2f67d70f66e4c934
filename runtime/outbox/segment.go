package outbox

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// segment is one file of the log, named after its first sequence and its salt:
// the name outlives damage to the content.
type segment struct {
	path  string
	first uint64 // sequence of its first block
	salt  salt

	// Guarded by the log's lock.
	durable int64 // bytes that readers may see
	touched time.Time
	f       file // nil: nobody needs it open
	refs    int  // who does; the log itself holds the last segment
	marks   []mark

	// Of whoever writes: the opener, then the committer.
	size   int64     // bytes written; more than durable during a commit
	front  int64     // bytes of the snapshot
	begun  time.Time // of the first block
	blocks bool      // whether it holds one
}

// mark says where a block begins, so that a read can start near it.
type mark struct {
	seq uint64
	off int64
}

// stride is the least distance of two marks.
const stride = 64 * kib

func segmentName(first uint64, s salt) string {
	return fmt.Sprintf("%020d-%016x.seg", first, uint64(s))
}

// parseSegmentName undoes segmentName, and refuses any other spelling.
func parseSegmentName(name string) (first uint64, s salt, ok bool) {
	if len(name) != len("00000000000000000001-0123456789abcdef.seg") {
		return 0, 0, false
	}
	first, err1 := strconv.ParseUint(name[:20], 10, 64)
	n, err2 := strconv.ParseUint(name[21:37], 16, 64)
	ok = err1 == nil && err2 == nil && first > 0 && name == segmentName(first, salt(n))
	return first, salt(n), ok
}

// listSegments finds the segments in dir, oldest first.
func listSegments(dir string) ([]*segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var segs []*segment
	for _, e := range entries {
		first, s, ok := parseSegmentName(e.Name())
		if !ok {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // taken by the retention of a log that is open elsewhere
		}
		if err != nil {
			return nil, err
		}
		segs = append(segs, &segment{
			path: filepath.Join(dir, e.Name()), first: first, salt: s,
			size: info.Size(), durable: info.Size(), touched: info.ModTime(), begun: info.ModTime(),
		})
	}
	slices.SortFunc(segs, func(a, b *segment) int { return cmp.Compare(a.first, b.first) })
	return segs, nil
}

// scan walks the segment from a mark on, or from its front.
func (s *segment) scan(from mark) scanner {
	return scanner{src: s.f, salt: s.salt, off: from.off, limit: s.durable, last: max(from.seq, 1) - 1}
}

// near is the best mark to start from when looking for seq; the zero mark is
// the segment's front.
func (s *segment) near(seq uint64) mark {
	i, found := slices.BinarySearchFunc(s.marks, seq, func(m mark, seq uint64) int { return cmp.Compare(m.seq, seq) })
	if found {
		return s.marks[i]
	}
	if i == 0 {
		return mark{}
	}
	return s.marks[i-1]
}

// note keeps a mark, unless one is near.
func (s *segment) note(seq uint64, off int64) {
	if n := len(s.marks); n == 0 || off >= s.marks[n-1].off+stride {
		s.marks = append(s.marks, mark{seq, off})
	}
}

// use opens the segment for reading, or joins those who have it open.
func (s *segment) use(d disk) error {
	if s.f == nil {
		f, err := d.Open(s.path, os.O_RDONLY)
		if err != nil {
			return err
		}
		s.f = f
	}
	s.refs++
	return nil
}

// drop undoes use; the last one closes the file, so that a log holds open what
// is being read and written and nothing else.
func (s *segment) drop() error {
	if s.refs--; s.refs > 0 {
		return nil
	}
	f := s.f
	s.f = nil
	return f.Close()
}
