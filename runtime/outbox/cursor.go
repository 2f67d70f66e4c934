package outbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The positions of all named readers are one small file, a record of its own:
//
//	message Cursors { repeated Cursor cursors = 1; }
//	message Cursor  { string name = 1; uint64 seq = 2; }
const (
	cursorFile     = "cursors"
	cursorTemp     = "cursors.tmp"
	cursorSalt     = salt(0x72756f7372756373)
	maxCursors     = 1024
	maxCursorName  = 256
	maxCursorBytes = maxCursors * (maxCursorName + 32)
)

// cursor is a named reader: it is done with all blocks up to and with seq.
type cursor struct {
	seq   uint64
	saved uint64 // what a crash would set it back to
}

// Cursor is the position of a named reader: it is done with all blocks up to
// and with this one, and reads on with Reader(seq + 1).
func (l *Log) Cursor(name string) (uint64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.cursors[name]
	if c == nil {
		return 0, false
	}
	return c.seq, true
}

// SetCursor moves a named reader, or makes one; until it is dropped, retention
// spares what it needs as far as the limits allow. The position becomes
// durable within CursorEvery, or at Close; after a crash the reader meets some
// blocks again. A position beyond Head is refused (Internal).
func (l *Log) SetCursor(name string, seq uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.cursors[name]
	switch {
	case l.closed:
		return errClosed()
	case seq > l.head && (c == nil || seq > c.seq):
		return fault.New(fault.Internal, "reader %q is at block %d of %d", name, seq, l.head)
	case c != nil:
	case name == "" || len(name) > maxCursorName || !utf8.ValidString(name):
		return fault.New(fault.Internal, "%q cannot name a reader", name)
	case len(l.cursors) >= maxCursors:
		return fault.New(fault.Exhausted, "the outbox has %d named readers, which is the most", maxCursors)
	default:
		c = &cursor{}
		l.cursors[name] = c
	}
	c.seq, l.stale = seq, true
	l.flushSoon()
	return nil
}

// SaveCursors makes all positions durable now.
func (l *Log) SaveCursors() error { return l.flushCursors() }

// DropCursor forgets a named reader, so that retention no longer waits for it.
func (l *Log) DropCursor(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cursors[name] != nil && !l.closed {
		delete(l.cursors, name)
		l.stale = true
		l.flushSoon()
	}
}

// flushSoon sees to it that the cursors are written, but not more often than
// CursorEvery: a stale one costs a reader some repeats, a write costs a sync.
// The lock is held.
func (l *Log) flushSoon() {
	if l.flush != nil || l.closed {
		return
	}
	l.work.Add(1)
	l.flush = time.AfterFunc(l.cfg.CursorEvery, func() {
		defer l.work.Done()
		err := l.flushCursors()
		if err == nil {
			l.trim(false)
			return
		}
		l.alarm("outbox cursors cannot be written", "err", err)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.flushSoon()
	})
}

// flushCursors replaces the file whole: at any moment it is the old or the new
// one.
func (l *Log) flushCursors() error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	stale := l.stale
	l.stale = false
	if l.flush != nil && l.flush.Stop() {
		l.work.Done()
	}
	l.flush = nil
	seqs := make(map[string]uint64, len(l.cursors))
	for name, c := range l.cursors {
		seqs[name] = c.seq
	}
	l.mu.Unlock()
	if !stale {
		return nil
	}
	err := l.cfg.Syncs.do(func() error { return writeCursors(l.cfg.disk, l.dir, seqs) })
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.stale = true
		return fault.Wrap(fault.Internal, err, "the cursors in %s cannot be written", l.dir)
	}
	for name, seq := range seqs {
		if c := l.cursors[name]; c != nil {
			c.saved = seq
		}
	}
	return nil
}

func writeCursors(d disk, dir string, seqs map[string]uint64) error {
	payload := []byte{byte(kindCursors)}
	for name, seq := range seqs {
		var mark int
		payload, mark = wire.Begin(payload, 1)
		payload = wire.AppendString(payload, 1, name)
		payload = wire.End(wire.AppendUint(payload, 2, seq), mark)
	}
	temp := filepath.Join(dir, cursorTemp)
	f, err := d.Open(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(appendRecord(nil, cursorSalt, 0, payload), 0)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.Rename(temp, filepath.Join(dir, cursorFile))
	}
	if err == nil {
		err = d.SyncDir(dir)
	}
	return err
}

// readCursors is what writeCursors wrote. A damaged file is Integrity; one
// that is not there is no cursors.
func readCursors(dir string) (map[string]*cursor, error) {
	cursors := make(map[string]*cursor)
	f, err := os.Open(filepath.Join(dir, cursorFile))
	if errors.Is(err, fs.ErrNotExist) {
		return cursors, nil
	}
	if err != nil {
		return cursors, err
	}
	defer f.Close()
	s := scanner{src: f, salt: cursorSalt, limit: maxCursorBytes}
	rec, ok, err := s.next()
	if err != nil {
		return cursors, err
	}
	if !ok || rec.kind != kindCursors || decodeCursors(rec.body, cursors) != nil {
		clear(cursors)
		return cursors, fault.New(fault.Integrity, "the cursors in %s are damaged", dir)
	}
	return cursors, nil
}

func decodeCursors(src []byte, into map[string]*cursor) error {
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() != 1<<3|wire.Bytes {
			continue
		}
		var name string
		var seq uint64
		c := wire.Read(r.Bytes())
		for c.Next() {
			switch c.Tag() {
			case 1<<3 | wire.Bytes:
				name = c.Text("")
			case 2<<3 | wire.Varint:
				seq = c.Uint()
			}
		}
		r.Fail(c.Err())
		into[name] = &cursor{seq: seq, saved: seq}
	}
	return r.Err()
}
