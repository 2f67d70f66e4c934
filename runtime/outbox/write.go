package outbox

import (
	"os"
	"path/filepath"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// write brings a group to the disk: one write, one sync. After an error
// nothing of the group is left in the segment.
func (l *Log) write(g *group) error {
	if err := l.gate(g.bytes); err != nil {
		return err
	}
	if l.abandoned() {
		return errAbandoned(l.dir)
	}
	if g.rotate {
		if err := l.rotateTo(g.first); err != nil {
			return err
		}
		g.closed = true
	}
	l.mu.Lock()
	tail := l.tail()
	l.mu.Unlock()
	l.buf = l.buf[:0]
	for _, q := range g.requests {
		l.buf = appendRecord(l.buf, tail.salt, q.seq, q.payload)
	}
	g.at = tail.size
	if _, err := tail.f.WriteAt(l.buf, g.at); err != nil {
		return l.undo(tail, err)
	}
	start := time.Now()
	if err := l.cfg.Syncs.do(func() error { return l.sync(tail) }); err != nil {
		return l.fail(tail, err)
	}
	g.took = time.Since(start)
	tail.size += int64(len(l.buf))
	return nil
}

// sync makes what was written durable, with one call for the whole group. In
// a new segment the directory comes with it: a file without a name is lost.
func (l *Log) sync(tail *segment) error {
	if err := tail.f.Sync(); err != nil {
		return err
	}
	if !l.unsynced {
		return nil
	}
	if err := l.cfg.disk.SyncDir(l.dir); err != nil {
		return err
	}
	l.unsynced = false
	return nil
}

// undo cuts off a write that did not succeed, so that the log stays usable
// and the next write starts behind the last good block. A full disk is a
// state that passes; anything else is not trusted further.
func (l *Log) undo(tail *segment, cause error) error {
	if err := tail.f.Truncate(tail.size); err != nil || !isFull(cause) {
		return l.fail(tail, cause)
	}
	return errFull(cause)
}

// fail ends the writing. After a failed sync nobody knows what is on the disk,
// and asking again would only hide it: the kernel has dropped the pages. So
// nothing is retried until the log is opened again and read. What was not
// acknowledged is cut off, lest that reading find it in memory and believe it.
func (l *Log) fail(tail *segment, cause error) error {
	_ = tail.f.Truncate(tail.size)
	err := fault.Wrap(fault.LogFailed, cause, "the outbox in %s cannot be written", l.dir)
	l.mu.Lock()
	l.failed = err
	l.mu.Unlock()
	l.alarm("outbox failed; nothing is committed until it is opened again", "err", cause)
	return err
}

// rotateTo begins the segment of the block first, with a snapshot in front.
// Its sync is that of the group which follows.
func (l *Log) rotateTo(first uint64) error {
	seg := &segment{first: first, salt: newSalt()}
	seg.path = filepath.Join(l.dir, segmentName(first, seg.salt))
	f, err := l.cfg.disk.Open(seg.path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err == nil {
		l.buf = appendSnapshot(l.buf[:0], seg.salt, first-1, l.states) // only the committer changes states
		if _, err = f.WriteAt(l.buf, 0); err != nil {
			_ = f.Close()
			_ = l.cfg.disk.Remove(seg.path)
		}
	}
	switch {
	case err == nil:
	case isFull(err):
		return errFull(err)
	default: // nothing was lost, so that it can be tried again
		return fault.Wrap(fault.ResourceUnavailable, err, "the outbox in %s cannot begin a new segment", l.dir).
			WithHint("Check the data directory and the limit of open files; work goes on by itself.")
	}
	seg.f, seg.refs, seg.touched = f, 1, time.Now()
	seg.size = int64(len(l.buf))
	seg.front = seg.size
	l.unsynced = true

	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.tail(); old != nil {
		_ = old.drop() // synced with its last group: closing has nothing to say
	}
	l.segs = append(l.segs, seg)
	l.rotate = false
	return nil
}

// gate keeps the reserve of free space: a disk that is filled to the last byte
// takes down more than the log. What every named reader is done with goes
// first.
func (l *Log) gate(need int64) error {
	if l.cfg.Reserve < 0 {
		return nil
	}
	free, ok := l.hasRoom(need)
	for !ok && l.trim(true) {
		free, ok = l.hasRoom(need)
	}
	if ok {
		return nil
	}
	return fault.New(fault.DiskFull, "%s has %d MiB free, and %d MiB are kept in reserve",
		l.dir, free/mib, l.cfg.Reserve/mib).WithRetryAfter(fullRetry)
}

// hasRoom: a disk that does not tell is tried.
func (l *Log) hasRoom(need int64) (free int64, ok bool) {
	free, err := l.cfg.Free(l.dir)
	return free, err != nil || free-need >= l.cfg.Reserve
}

func errFull(cause error) error {
	return fault.Wrap(fault.DiskFull, cause, "the outbox cannot grow").WithRetryAfter(fullRetry)
}
