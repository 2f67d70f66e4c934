package outbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Open opens the log in dir, which it makes if it is not there. It reads the
// last segment alone, and writes nothing, so that a log on a full disk can
// still be read. Whatever a crash has left behind, the log it returns takes
// new blocks.
//
// Losses do not keep it from opening: they are alarms to Config.Log, and gaps
// to readers. LogFailed: another log has dir open. Integrity: the disk cannot
// be read.
func Open(dir string, cfg Config) (*Log, error) {
	l := &Log{
		dir: dir, cfg: cfg.withDefaults(),
		states: make(map[string]*State),
		moved:  make(chan struct{}), room: make(chan struct{}), over: make(chan struct{}),
	}
	err := makeDir(l.cfg.disk, dir)
	if err == nil {
		err = l.load()
	}
	if err != nil {
		if tail := l.tail(); tail != nil && tail.f != nil {
			_ = tail.drop()
		}
		return nil, openFault(err, dir)
	}
	l.trim(false)
	return l, nil
}

func openFault(err error, dir string) error {
	var f *fault.Fault
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(err, errLocked):
		return fault.Wrap(fault.LogFailed, err, "the outbox in %s", dir).
			WithHint("Stop the other server that uses this data directory.")
	case isFull(err):
		return errFull(err)
	}
	return fault.Wrap(fault.Integrity, err, "the outbox in %s cannot be opened", dir)
}

// makeDir makes dir and what is missing above it, and syncs each directory
// that got a new entry: without that, a power loss takes the whole log.
func makeDir(d disk, dir string) error {
	err := os.Mkdir(dir, 0o700) //nolint:gosec // the caller's own data directory
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeDir(d, filepath.Dir(dir)); err == nil {
			err = os.Mkdir(dir, 0o700) //nolint:gosec // as above
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.SyncDir(filepath.Dir(dir))
}

func (l *Log) load() (err error) {
	if l.cursors, err = readCursors(l.dir); fault.Is(err, fault.Integrity) {
		l.alarm("outbox cursors are damaged; named readers start again", "err", err)
	} else if err != nil {
		return err
	}
	if l.segs, err = listSegments(l.dir); err != nil {
		return err
	}
	head, floor, err := l.loadTail()
	if err != nil {
		return err
	}
	l.head, l.next = head, max(head, floor)+1
	l.watermark()
	return nil
}

// loadTail opens the last segment that holds a block or a snapshot. head is
// the last block, floor the highest sequence that was given to one.
func (l *Log) loadTail() (head, floor uint64, err error) {
	for len(l.segs) > 0 {
		tail := l.tail()
		if tail.f, err = l.cfg.disk.Open(tail.path, os.O_RDWR); err != nil {
			return 0, 0, err
		}
		tail.refs = 1
		if err := l.stillLast(tail); err != nil {
			return 0, 0, err
		}
		found, err := l.survey(tail)
		if err != nil {
			return 0, 0, err
		}
		head, floor = max(head, found.last, tail.first-1), max(floor, found.lost, found.top, tail.first-1)
		if found.blocks > 0 || found.whole || found.lost > 0 {
			return head, floor, l.settleTail(tail, found)
		}
		if err := l.discardTail(tail); err != nil {
			return 0, 0, err
		}
		l.rotate, head = true, 0
	}
	return 0, floor, nil
}

// discardTail removes a segment that a crash left before its snapshot was
// written: nothing in it was ever acknowledged. The one before becomes the
// last, and the next block begins a new one.
func (l *Log) discardTail(tail *segment) error {
	l.segs = l.segs[:len(l.segs)-1]
	err := l.cfg.disk.Remove(tail.path)
	if cerr := tail.drop(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return l.cfg.disk.SyncDir(l.dir)
}

// stillLast looks again when the last segment is locked: a log that is open
// elsewhere could have begun the next one since.
func (l *Log) stillLast(tail *segment) error {
	segs, err := listSegments(l.dir)
	if err == nil && len(segs) > 0 && segs[len(segs)-1].first > tail.first {
		return errLocked
	}
	return err
}

// survey is what the last segment turned out to hold.
type survey struct {
	whole  bool   // the snapshot
	blocks int    // intact ones
	last   uint64 // sequence of the last intact one
	top    uint64 // highest sequence of any intact record
	end    int64  // where the intact records end
	holes  int    // damaged places before that
	lost   uint64 // highest sequence of damaged blocks behind it; 0: none
}

// survey reads the last segment and makes the connectors' states from it, or,
// when its snapshot is damaged, from the ones before it too.
func (l *Log) survey(tail *segment) (found survey, err error) {
	snap := snapshot{states: make(map[string]*State)}
	found, err = l.replay(tail, &snap)
	if err != nil || found.blocks == 0 && !snap.whole && found.lost == 0 {
		return found, err
	}
	if found.whole = snap.whole; found.whole {
		l.states = snap.states
		return found, nil
	}
	l.alarm("outbox snapshot is damaged; the connectors' states come from earlier segments", "segment", tail.path)
	l.rotate = true
	return found, l.rebuild()
}

// rebuild makes the states from the last whole snapshot on.
func (l *Log) rebuild() error {
	var snap snapshot
	for i := len(l.segs) - 2; i >= 0; i-- {
		snap = snapshot{states: make(map[string]*State)}
		if err := l.replayClosed(l.segs[i], &snap); err != nil {
			return err
		}
		if !snap.whole && i > 0 {
			continue
		}
		for _, seg := range l.segs[i+1 : len(l.segs)-1] {
			if err := l.replayClosed(seg, &snap); err != nil {
				return err
			}
		}
		break
	}
	if !snap.whole {
		l.alarm("outbox has no snapshot left; connectors that wrote no block since are unknown to it")
	}
	snap.states = orEmpty(snap.states)
	_, err := l.replay(l.tail(), &snap)
	l.states = snap.states
	return err
}

func orEmpty(m map[string]*State) map[string]*State {
	if m == nil {
		return make(map[string]*State)
	}
	return m
}

func (l *Log) replayClosed(seg *segment, snap *snapshot) error {
	if err := seg.use(l.cfg.disk); err != nil {
		return err
	}
	_, err := l.replay(seg, snap)
	if cerr := seg.drop(); err == nil {
		err = cerr
	}
	return err
}

// replay reads a segment from front to end and applies its blocks to the
// states in snap, which its own snapshot replaces. An unreadable disk is an
// error here and no damage, because what is taken for damage at the end of
// the last segment is cut off.
func (l *Log) replay(seg *segment, snap *snapshot) (found survey, err error) {
	own := snapshot{states: make(map[string]*State)}
	s := seg.scan(mark{})
	var b Block
	for {
		at := s.off
		rec, ok, err := s.next()
		if err != nil {
			return found, err
		}
		if !ok {
			found.end, found.top = s.off, s.last
			found.lost, err = s.lost()
			return found, err
		}
		if rec.off != at {
			found.holes++
		}
		switch rec.kind {
		case kindSnapshot:
			if own.add(rec.body); own.whole {
				*snap = own
			}
			seg.front = rec.end()
		case kindBlock:
			if err := decodeBlock(rec.body, &b); err != nil {
				found.holes++
				continue
			}
			c := changeOf(&b)
			snap.states[c.place()] = c.apply(snap.states[c.place()], rec.seq)
			seg.note(rec.seq, rec.off)
			found.blocks++
			found.last = rec.seq
		case kindForget:
			if connector, lane, err := decodeForget(rec.body); err == nil {
				for _, at := range forgotten(snap.states, connector, lane) {
					delete(snap.states, at)
				}
			}
		case kindCursors:
		}
	}
}

// lost is the highest sequence of the records that are there in full length
// behind the last intact one, and damaged; 0: none. A write that a crash cut
// short leaves no such record, so that these may have been acknowledged.
func (s *scanner) lost() (uint64, error) {
	var lost uint64
	for off, want := s.off, s.last+1; off < s.limit; want++ {
		b, err := s.peek(off, headerLen)
		if err != nil {
			return 0, err
		}
		if len(b) < headerLen {
			break
		}
		h := parseHeader(b)
		if !h.plausible(s.salt, s.limit-off) || h.seq != want {
			break
		}
		lost = want
		off += headerLen + h.length
	}
	return lost, nil
}

// settleTail deals with what is behind the last intact record of the last
// segment, and makes the rest durable: what a killed process had written and
// not synced is about to be shown to readers.
func (l *Log) settleTail(tail *segment, found survey) error {
	tail.blocks = found.blocks > 0
	torn := tail.size - found.end
	switch {
	case found.lost > 0:
		l.rotate = true // keeps the file as it is
		l.alarm("outbox ends with damaged blocks; their sequences are not used again",
			"segment", tail.path, "from", found.last+1, "to", found.lost)
	case torn > 0:
		// No intact record follows: the last write was cut short, and was
		// never acknowledged.
		if err := tail.f.Truncate(found.end); err != nil {
			return err
		}
		tail.size, tail.durable = found.end, found.end
		l.stats.TornTail = torn
		l.cfg.Log.Warn("outbox ended in an unfinished write, which was cut off",
			"dir", l.dir, "segment", tail.path, "bytes", torn)
	}
	if found.holes > 0 {
		l.alarm("outbox is damaged; what is behind the damage was kept",
			"segment", tail.path, "places", found.holes)
	}
	return l.cfg.Syncs.do(func() error {
		return errors.Join(tail.f.Sync(), l.cfg.disk.SyncDir(l.dir))
	})
}

// watermark compares where the log ends with what others know of it. A log
// that ends below has lost blocks; their sequences are burnt, because a reader
// or the store already knows other blocks by them.
func (l *Log) watermark() {
	known, by := l.cfg.Known, "the store"
	for name, c := range l.cursors {
		if c.seq > known {
			known, by = c.seq, fmt.Sprintf("reader %q", name)
		}
	}
	if known > l.head {
		l.alarm("outbox ends before what was seen of it; the blocks between are lost",
			"head", l.head, "known", known, "by", by)
	}
	l.next = max(l.next, known+1)
	l.floor = l.next
}
