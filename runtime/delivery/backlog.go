package delivery

import (
	"time"

	"github.com/snaprail/snaprail/runtime/flow"
)

// pace is how many records for the connector the blocks have that were read last.
type pace struct{ blocks, records uint64 }

// recent is after how many blocks older ones count half.
const recent = 4096

func (p *pace) add(pieces []piece) {
	if p.blocks >= recent {
		p.blocks, p.records = p.blocks/2, p.records/2
	}
	p.blocks++
	for i := range pieces {
		p.records += uint64(pieces[i].count)
	}
}

// of is about how many records are in so many blocks; one each while nothing was
// read.
func (p *pace) of(blocks uint64) uint64 {
	if p.blocks == 0 {
		return blocks
	}
	return uint64(float64(blocks) * float64(p.records) / float64(p.blocks))
}

// Backlog implements flow.Feed. What is not read yet is counted by what was read
// before it, because nobody knows what is in a block that has not been read.
func (f *Feed) Backlog() flow.Backlog {
	at, _ := f.cfg.Log.Cursor(f.place)
	head := f.cfg.Log.Head()
	f.mu.Lock()
	defer f.mu.Unlock()
	unread := head - min(f.seen, head)
	b := flow.Backlog{
		Blocks: head - min(at, head), Records: f.held, Missed: f.missed,
		Waiting: uint64(f.held) + f.pace.of(unread), About: unread > 0,
	}
	for i := range f.queue {
		if p := &f.queue[i]; p.again == nil {
			b.Oldest = time.Unix(0, p.head.Received)
			break
		}
	}
	return b
}
