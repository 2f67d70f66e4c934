package outbox

import (
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Writing is for how long the disk has been at what it was asked to write last; 0: it
// is at nothing.
func (l *Log) Writing() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.writing) == 0 {
		return 0
	}
	return time.Since(l.asked)
}

// Abandon gives up a log whose disk does not end what it was asked for, as one that is
// gone and does not say so: a write that hangs can be waited for, but not called off.
// Every wait for it ends with LogFailed, of appends, of Close, and of those that come;
// no other write is begun. What is under way may be on the disk in the end or not, as
// after a crash: the next Open finds out. The files are let go when the disk answers, or
// with the process; nobody can open the log before.
func (l *Log) Abandon() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.abandoned() {
		return
	}
	close(l.over)
	l.failed = errAbandoned(l.dir)
	for _, list := range [...][]*request{l.writing, l.queue} {
		for _, q := range list {
			q.lost = true
			q.finish(l.failed)
		}
	}
	l.writing, l.queue, l.queued = nil, nil, 0
	l.wake()
}

func (l *Log) abandoned() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}

func errAbandoned(dir string) error {
	return fault.New(fault.LogFailed, "the outbox in %s was given up: its disk does not end what it was asked to write", dir).
		WithHint("Look at the disk. What was acknowledged is safe, and what was not comes again at the next start, as after a crash.")
}
