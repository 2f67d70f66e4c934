package outbox

import (
	"errors"
	"io/fs"
	"math"
	"time"
)

// Trim applies retention now. Rotation, Open and the writing of cursors do so
// by themselves; a log that nobody writes to needs the call for its age limit.
func (l *Log) Trim() { l.trim(false) }

// trim deletes whole segments, oldest first, each one for good before the
// next, so that a crash in between leaves no hole. With pressure it deletes
// one, if need be history that has not reached its limit but that nobody
// needs. It reports whether it deleted any.
func (l *Log) trim(pressure bool) (deleted bool) {
	l.trimming.Lock()
	defer l.trimming.Unlock()
	for !deleted || !pressure {
		seg := l.takeOldest(pressure)
		if seg == nil {
			break
		}
		err := l.cfg.disk.Remove(seg.path)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = l.cfg.Syncs.do(func() error { return l.cfg.disk.SyncDir(l.dir) })
		}
		if err != nil {
			l.alarm("outbox segment cannot be deleted; it is tried again at the next start", "segment", seg.path, "err", err)
			break
		}
		deleted = true
	}
	return deleted
}

// takeOldest removes the oldest segment from the log when it is due: beyond a
// limit, whoever still needs it, or when every named reader is done with all
// of it. Readers that are in it may finish it; those that come too late get a
// Gap. The last segment is never due.
func (l *Log) takeOldest(pressure bool) *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segs) < 2 {
		return nil
	}
	done, named := l.slowest()
	var closed, consumed int64
	for i, seg := range l.segs[:len(l.segs)-1] {
		closed += seg.durable
		if named && l.segs[i+1].first-1 <= done {
			consumed += seg.durable
		}
	}
	over := l.cfg.MaxBytes >= 0 && closed > l.cfg.MaxBytes ||
		l.cfg.MaxAge >= 0 && time.Since(l.segs[0].touched) > l.cfg.MaxAge
	spare := consumed > 0 && (pressure || consumed > max(l.cfg.Keep, 0))
	if !over && !spare {
		return nil
	}
	if named && consumed == 0 {
		l.stats.Overrun++
	}
	l.stats.Deleted++
	seg := l.segs[0]
	l.segs[0] = nil
	l.segs = l.segs[1:]
	return seg
}

// slowest is the least durable position of the named readers: one that a crash
// could set back must find its blocks again.
func (l *Log) slowest() (seq uint64, named bool) {
	seq = math.MaxUint64
	for _, c := range l.cursors {
		seq = min(seq, c.saved)
	}
	return seq, len(l.cursors) > 0
}
