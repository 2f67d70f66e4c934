package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Reader reads a log from front to back. One goroutine uses it. It holds a
// bounded buffer and, while it is not at the log's end, one file.
type Reader struct {
	l     *Log
	next  uint64 // sequence that is wanted
	noted int64  // offset of the last mark seen or made
	seg   *segment
	scan  scanner
	block Block

	// The record that comes next, once what is missing before it was told.
	// Without a kind, only its sequence is known: what is before it is lost.
	held bool
	rec  record
}

// Gap says that blocks are missing. A Reader's Next returns it as its error,
// once, and goes on behind it.
type Gap struct {
	From, To uint64 // the first and the last missing sequence
	Reason   string // GapRetention or GapDamaged
}

// The reasons of a gap.
const (
	GapRetention = "retention" // deleted, because a limit was reached
	GapDamaged   = "damaged"   // lost on the disk
)

func (g *Gap) Error() string {
	return fmt.Sprintf("blocks %d to %d are missing (%s)", g.From, g.To, g.Reason)
}

// Reader reads blocks from this sequence on; 0 and 1 mean the oldest that is
// kept. It must be closed.
func (l *Log) Reader(from uint64) *Reader {
	if from <= 1 {
		from = l.First()
	}
	return &Reader{l: l, next: from}
}

// Next waits for the next durable block. The block and all its bytes are valid
// until the following Next or Close. Where blocks are missing it returns a
// *Gap as its error, once, and goes on behind it. ShuttingDown: the log was
// closed. Any other error is of ctx or of the disk, and Next may be called
// again.
func (r *Reader) Next(ctx context.Context) (*Block, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, fault.Of(err)
		}
		if !r.held {
			moved, err := r.advance()
			if err != nil {
				return nil, err
			}
			if moved != nil {
				r.rest()
				select {
				case <-moved:
				case <-ctx.Done():
				}
				r.wake()
				continue
			}
		}
		if gap := r.gap(); gap != nil {
			return nil, gap
		}
		r.held = false
		if r.rec.kind == 0 {
			continue
		}
		r.next = r.rec.seq + 1
		if decodeBlock(r.rec.body, &r.block) != nil {
			r.l.countGap()
			return nil, &Gap{From: r.rec.seq, To: r.rec.seq, Reason: GapDamaged}
		}
		r.block.Seq = r.rec.seq
		return &r.block, nil
	}
}

// gap is what is missing before the held record, if anything is. A reader is
// told of every lost block and of none twice.
func (r *Reader) gap() *Gap {
	if r.rec.seq <= r.next {
		return nil
	}
	g := &Gap{From: r.next, To: r.rec.seq - 1, Reason: GapDamaged}
	if first := r.l.First(); g.From < first {
		g.Reason, g.To = GapRetention, min(g.To, first-1)
	}
	r.next = g.To + 1
	r.l.countGap()
	return g
}

func (l *Log) countGap() {
	l.mu.Lock()
	l.stats.Gaps++
	l.mu.Unlock()
}

// advance finds the first block at or behind r.next and holds it. When there
// is none yet, it returns what to wait for.
func (r *Reader) advance() (moved <-chan struct{}, err error) {
	for {
		if r.seg == nil {
			if moved, err = r.enter(); moved != nil || err != nil {
				return moved, err
			}
		}
		rec, ok, err := r.scan.next()
		if err != nil {
			return nil, fault.Wrap(fault.Integrity, err, "the outbox in %s cannot be read", r.l.dir)
		}
		if !ok {
			if moved, err = r.turn(); moved != nil || err != nil || r.held {
				return moved, err
			}
			continue
		}
		if rec.kind != kindBlock {
			continue
		}
		r.note(rec)
		if rec.seq >= r.next {
			r.rec, r.held = rec, true
			return nil, nil
		}
	}
}

// note makes the segment's index grow with what is read of it: the first
// reader that looks for a place in an old segment walks it, later ones do not.
func (r *Reader) note(rec record) {
	if rec.off < r.noted+stride {
		return
	}
	r.noted = rec.off
	r.l.mu.Lock()
	r.seg.note(rec.seq, rec.off)
	r.l.mu.Unlock()
}

// enter opens the segment that should hold r.next, near its place.
func (r *Reader) enter() (moved <-chan struct{}, err error) {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed()
	}
	for len(l.segs) > 0 {
		i := len(l.segs) - 1
		for i > 0 && l.segs[i].first > r.next {
			i--
		}
		if err := r.open(l.segs[i]); !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return l.watch(), nil
}

// open goes over to a segment. One whose file somebody has deleted is dropped
// from the log, so that what is missing becomes a gap. The log's lock is held.
func (r *Reader) open(seg *segment) error {
	l := r.l
	if err := seg.use(l.cfg.disk); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			l.segs = slices.DeleteFunc(l.segs, func(s *segment) bool { return s == seg })
		}
		return fault.Wrap(fault.Integrity, err, "a segment of the outbox cannot be read")
	}
	r.leave()
	from := seg.near(r.next)
	buf := r.scan.buf[:0]
	r.seg, r.noted = seg, from.off
	r.scan = seg.scan(from)
	r.scan.rescue, r.scan.buf = true, buf
	return nil
}

// leave lets go of the segment. The log's lock is held.
func (r *Reader) leave() {
	if r.seg != nil {
		_ = r.seg.drop() // it was only read
		r.seg = nil
	}
}

// turn decides what follows the end of what could be read: more in the same
// segment, the next one, a damaged end, or a wait.
func (r *Reader) turn() (moved <-chan struct{}, err error) {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	r.scan.off = r.scan.limit
	if r.scan.limit < r.seg.durable {
		r.scan.limit = r.seg.durable
		return nil, nil
	}
	for i := 0; i < len(l.segs); {
		if l.segs[i].first <= r.seg.first {
			i++
			continue
		}
		if err := r.open(l.segs[i]); !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	switch {
	case l.closed:
		return nil, errClosed()
	case r.next <= l.head:
		r.rec, r.held = record{seq: l.head + 1}, true
		return nil, nil
	}
	return l.watch(), nil
}

// watch is closed when the log has moved on. The lock is held.
func (l *Log) watch() <-chan struct{} {
	l.watched = true
	return l.moved
}

// rest gives back a large buffer before a wait, so that hundreds of readers at
// the end of a log hold next to nothing.
func (r *Reader) rest() {
	if cap(r.scan.buf) <= keepBytes {
		return
	}
	buf := r.scan.buf[:0]
	r.l.buffers.Put(&buf)
	r.scan.buf = nil
}

// wake takes such a buffer up again.
func (r *Reader) wake() {
	if r.scan.buf != nil {
		return
	}
	if buf, ok := r.l.buffers.Get().(*[]byte); ok {
		r.scan.buf = *buf
	}
}

// Close ends the reader; a second Close does nothing.
func (r *Reader) Close() error {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	r.leave()
	r.scan.buf, r.held = nil, false
	return nil
}

// Read is the block with this sequence, in memory of its own. One that is not
// kept or not there yet is NotFound, one that is damaged Integrity.
func (l *Log) Read(seq uint64) (*Block, error) {
	if first, head := l.First(), l.Head(); seq < first || seq > head {
		return nil, fault.New(fault.NotFound, "block %d is not in the outbox, which holds %d to %d", seq, first, head)
	}
	r := l.Reader(seq)
	defer func() { _ = r.Close() }() // it was only read
	r.next = seq
	moved, err := r.advance()
	if err != nil {
		return nil, err
	}
	b := new(Block)
	if moved != nil || r.rec.seq != seq || decodeBlock(bytes.Clone(r.rec.body), b) != nil {
		return nil, fault.New(fault.Integrity, "block %d of the outbox in %s is damaged", seq, l.dir)
	}
	b.Seq = seq
	return b, nil
}
