package outbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
)

const (
	chunk = 256 * kib // read at once
	page  = 4 * kib   // given up at once where the disk cannot be read
)

// scanner walks the intact records of one segment.
type scanner struct {
	src   io.ReaderAt
	salt  salt
	off   int64  // where the next record is expected
	limit int64  // what lies behind is not looked at
	last  uint64 // highest sequence met
	// rescue takes what the disk refuses to read for damage, so that the rest
	// can still be had; without it, that is an error.
	rescue bool

	buf  []byte // the file's bytes from base on
	base int64
}

// next finds the next intact record, if need be behind a damaged one, which
// shows in the record's offset. Without one it reports false and leaves off
// where it is: before limit means that the bytes from there on are no record.
func (s *scanner) next() (record, bool, error) {
	rec, ok, err := s.at(s.off)
	if err == nil && !ok && s.off < s.limit {
		rec, ok, err = s.resync()
	}
	if ok {
		s.off, s.last = rec.end(), max(s.last, rec.seq)
	}
	return rec, ok, err
}

// at is the record at this offset, if there is an intact one. The checksum is
// compared on every read, not only when a log is opened: files rot.
func (s *scanner) at(off int64) (rec record, ok bool, err error) {
	b, err := s.peek(off, headerLen)
	if err != nil || len(b) < headerLen {
		return rec, false, err
	}
	h := parseHeader(b)
	if !h.plausible(s.salt, s.limit-off) {
		return rec, false, nil
	}
	size := headerLen + h.length
	if b, err = s.peek(off, size); err != nil || int64(len(b)) < size {
		return rec, false, err
	}
	payload := b[headerLen:]
	rec = record{off: off, size: size, seq: h.seq, kind: kind(payload[0]), body: payload[1:]}
	if s.salt.sum(b, payload) != h.crc || h.seq < s.last || (rec.kind == kindBlock && h.seq == s.last) {
		return rec, false, nil
	}
	return rec, true, nil
}

// resync searches the next intact record behind off. One that is found proves
// that what lies before it was not the torn end of the last write.
func (s *scanner) resync() (rec record, ok bool, err error) {
	magic := binary.LittleEndian.AppendUint32(nil, s.salt.magic())
	for off := s.off + 1; off+headerLen <= s.limit; {
		window, err := s.peek(off, min(chunk, s.limit-off))
		if err != nil || len(window) < headerLen {
			return rec, false, err
		}
		i := bytes.Index(window, magic)
		if i < 0 {
			off += int64(len(window) - len(magic) + 1)
			continue
		}
		if rec, ok, err = s.at(off + int64(i)); ok || err != nil {
			return rec, ok, err
		}
		off += int64(i) + 1
	}
	return rec, false, nil
}

// peek is n bytes of the file, fewer at its end. They are valid until the next
// peek.
func (s *scanner) peek(off, n int64) ([]byte, error) {
	n = min(n, s.limit-off)
	if n <= 0 {
		return nil, nil
	}
	if off < s.base || off+n > s.base+int64(len(s.buf)) {
		if err := s.load(off, n); err != nil {
			return nil, err
		}
	}
	from := off - s.base
	return s.buf[from:min(from+n, int64(len(s.buf)))], nil
}

func (s *scanner) load(off, n int64) error {
	want := max(n, min(chunk, s.limit-off))
	if int64(cap(s.buf)) < want {
		s.buf = make([]byte, want)
	}
	s.buf, s.base = s.buf[:want], off
	got, err := s.src.ReadAt(s.buf, off)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		s.buf = s.buf[:got]
		return nil
	case s.rescue && !errors.Is(err, fs.ErrClosed):
		s.salvage(off)
		return nil
	}
	s.buf = s.buf[:0]
	return err
}

// salvage reads page by page, and leaves zeros where that fails.
func (s *scanner) salvage(off int64) {
	for at := 0; at < len(s.buf); {
		end := min(len(s.buf), at+page-int((off+int64(at))%page))
		if n, err := s.src.ReadAt(s.buf[at:end], off+int64(at)); err != nil {
			clear(s.buf[at+n : end])
		}
		at = end
	}
}
