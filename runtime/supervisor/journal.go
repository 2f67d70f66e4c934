package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/secret"
)

// The bounds of a connector's log in memory.
const (
	maxLines = 1000
	maxText  = 4096 // bytes of one line
)

// Line is one line of a connector's log.
type Line struct {
	Sequence uint64 // from 1
	Time     time.Time
	Level    abi.LogLevel
	Source   string // actor.FromGuest or actor.FromHost
	Target   string
	Text     string
}

// Journal is the end of a connector's log: a ring of lines that readers
// follow. It is safe for use by several goroutines.
type Journal struct {
	mask *secret.Mask
	mu   sync.Mutex
	ring []Line
	last uint64
	more chan struct{} // closed and replaced when a line comes
}

func newJournal(mask *secret.Mask) *Journal { return &Journal{mask: mask, more: make(chan struct{})} }

func (j *Journal) add(level abi.LogLevel, source, target, text string) {
	text, target = fault.Clip(j.mask.Text(text), maxText), j.mask.Text(target)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	line := Line{j.last, time.Now(), level, source, target, text}
	if len(j.ring) < maxLines {
		j.ring = append(j.ring, line)
	} else {
		j.ring[(j.last-1)%maxLines] = line
	}
	close(j.more)
	j.more = make(chan struct{})
}

// Next waits for the oldest line behind the sequence.
func (j *Journal) Next(ctx context.Context, after uint64) (Line, error) {
	for {
		line, ok, more := j.behind(after)
		if ok {
			return line, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Line{}, ctx.Err()
		}
	}
}

// Has reports whether there is a line behind the sequence.
func (j *Journal) Has(after uint64) bool {
	_, ok, _ := j.behind(after)
	return ok
}

func (j *Journal) behind(after uint64) (Line, bool, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if after > j.last {
		after = 0 // a place of a server process before this one: its lines are gone
	}
	oldest := j.last - uint64(len(j.ring)) + 1
	next := max(after+1, oldest)
	if next > j.last {
		return Line{}, false, j.more
	}
	return j.ring[(next-1)%maxLines], true, nil
}
