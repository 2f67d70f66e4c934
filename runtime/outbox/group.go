package outbox

import (
	"context"
	"runtime"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

const (
	groupBytes = 4 * mib         // of one write and sync
	queueBytes = 2 * maxPayload  // that may wait; more appends wait outside
	keepBytes  = 64 * kib        // of a buffer that is kept while idle
	fullRetry  = 5 * time.Second // after which a full disk is worth a try
)

// request is a block, or a forgotten connector, on its way to the disk.
type request struct {
	payload []byte // its kind, then the encoded message
	change  change
	seq     uint64
	err     error
	lost    bool          // given up: the committer may have it still
	done    chan struct{} // has room for one
}

func (q *request) size() int64 { return headerLen + int64(len(q.payload)) }

func (q *request) finish(err error) {
	q.err = err
	q.done <- struct{}{}
}

func (l *Log) newRequest() *request {
	if q, ok := l.requests.Get().(*request); ok {
		return q
	}
	return &request{done: make(chan struct{}, 1)}
}

// free keeps a request that nobody waits for for the next one.
func (l *Log) free(q *request) {
	if cap(q.payload) > keepBytes {
		q.payload = nil
	}
	q.change, q.seq, q.err = change{}, 0, nil
	l.requests.Put(q)
}

// submit puts a request in the queue.
func (l *Log) submit(ctx context.Context, q *request) (Pending, error) {
	if len(q.payload) > maxPayload {
		return Pending{}, fault.New(fault.TooLarge, "a block of %d bytes; %d are allowed", len(q.payload), maxPayload)
	}
	if err := l.enqueue(ctx, q); err != nil {
		return Pending{}, err
	}
	return Pending{l, q}, nil
}

// Pending is a block on its way to the disk. Its end is waited for once.
type Pending struct {
	log *Log
	q   *request
}

// Ended reports whether Wait has nothing to wait for.
func (p Pending) Ended() bool { return len(p.q.done) > 0 }

// Wait answers when the block is on the disk, or why it never will be. The end of
// ctx ends the wait, not the write.
func (p Pending) Wait(ctx context.Context) (seq uint64, err error) {
	select {
	case <-p.q.done:
		if p.q.lost {
			return 0, p.q.err
		}
		seq, err = p.q.seq, p.q.err
		p.log.free(p.q)
		return seq, err
	case <-ctx.Done():
		return 0, fault.Of(ctx.Err()) // the committer still has the request
	}
}

// enqueue waits for room in the queue, and sees to it that there is a
// committer: a goroutine that lives as long as there is something to commit.
// That makes the end of ctx end any wait, which a caller that did the sync
// itself could not promise.
func (l *Log) enqueue(ctx context.Context, q *request) error {
	for {
		if err := ctx.Err(); err != nil {
			return fault.Of(err)
		}
		l.mu.Lock()
		switch {
		case l.closed:
			l.mu.Unlock()
			return errClosed()
		case l.failed != nil:
			defer l.mu.Unlock()
			return l.failed
		case l.queued == 0 || l.queued+q.size() <= queueBytes:
			l.queue = append(l.queue, q)
			l.queued += q.size()
			if !l.committing {
				l.committing = true
				l.work.Go(l.commit)
			}
			l.mu.Unlock()
			return nil
		}
		l.crowded = true
		room := l.room
		l.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
		}
	}
}

// group is what one write and one sync commit.
type group struct {
	requests []*request
	staged   map[string]*State // the states after it; nil: forgotten
	first    uint64            // sequence of its first block
	blocks   int
	bytes    int64
	rotate   bool          // into a new segment
	closed   bool          // the old one was
	at       int64         // where in the segment it was written
	took     time.Duration // to sync it
}

// commit writes group after group until nothing waits.
func (l *Log) commit() {
	g := group{staged: make(map[string]*State)}
	for l.take(&g) {
		if !l.settle(&g, l.write(&g)) {
			return
		}
		runtime.Gosched() // those just served may have more: that makes the next group larger
		if g.closed {
			l.trim(false)
		}
	}
}

// take moves from the queue what fits into one write and one segment. It
// reports false, and ends the committer, when nothing waits.
func (l *Log) take(g *group) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(g.requests)
	clear(g.staged)
	*g = group{requests: g.requests[:0], staged: g.staged, first: l.next}
	room := l.space(g)
	for len(l.queue) > 0 {
		q := l.queue[0]
		if len(g.requests) > 0 && g.bytes+q.size() > min(groupBytes, room) {
			break
		}
		if len(g.requests) == 0 && q.size() > room && !g.rotate {
			g.rotate, room = l.tail().blocks, l.cfg.SegmentBytes
		}
		l.queue[0] = nil
		l.queue = l.queue[1:]
		l.queued -= q.size()
		if err := l.stage(g, q); err != nil {
			q.finish(err)
		}
	}
	if l.crowded {
		close(l.room)
		l.room, l.crowded = make(chan struct{}), false
	}
	l.writing, l.asked = g.requests, time.Now()
	if len(g.requests) == 0 {
		l.committing, l.queue = false, nil
		if cap(l.buf) > keepBytes { // the next committer may run from here on
			l.buf = nil
		}
		return false
	}
	return true
}

// space is how many bytes of blocks the segment still takes. It is full before
// the write that would exceed it, not after the one that did: there is never
// a file that a crash could leave closed without a successor.
func (l *Log) space(g *group) int64 {
	tail := l.tail()
	old := tail != nil && tail.blocks && l.cfg.MaxAge > 0 && time.Since(tail.begun) > l.cfg.MaxAge/4
	if g.rotate = tail == nil || l.rotate || old; g.rotate {
		return l.cfg.SegmentBytes
	}
	return l.cfg.SegmentBytes - (tail.size - tail.front)
}

// stage gives a request its place, or says why it has none.
func (l *Log) stage(g *group, q *request) error {
	c := &q.change
	q.seq = l.next - 1
	if c.forget {
		l.stageForget(g, c)
	} else {
		old, staged := g.staged[c.place()]
		if !staged {
			old = l.states[c.place()]
		}
		if err := c.follows(old); err != nil {
			return err
		}
		if err := l.fits(g, c, old); err != nil {
			return err
		}
		q.seq = l.next
		state := c.apply(old, q.seq)
		if err := state.bounded(c.place()); err != nil {
			return err
		}
		l.next++
		g.blocks++
		g.staged[c.place()] = state
	}
	g.requests = append(g.requests, q)
	g.bytes += q.size()
	return nil
}

// stageForget ends the states that a forgetting is about, those that earlier
// blocks of the group made among them.
func (l *Log) stageForget(g *group, c *change) {
	for _, states := range [...]map[string]*State{l.states, g.staged} {
		for _, at := range forgotten(states, c.connector, c.lane) {
			g.staged[at] = nil
		}
	}
}

// settle makes a durable group visible (I1), or undoes one that failed,
// together with all that wait: they were asked for on top of it. It reports false
// when nobody waits for it any more.
func (l *Log) settle(g *group, err error) bool {
	failed := g.requests
	l.mu.Lock()
	if l.abandoned() {
		l.mu.Unlock()
		return false
	}
	l.writing = nil
	if err == nil {
		l.publish(g)
		failed = nil
	} else {
		l.next = g.first
		l.stats.Full += boolCount(fault.Is(err, fault.DiskFull))
		failed = append(failed, l.queue...)
		l.queue, l.queued = nil, 0
	}
	l.wake()
	l.mu.Unlock()
	if err == nil {
		for _, q := range g.requests {
			q.finish(nil)
		}
	}
	for _, q := range failed {
		q.finish(err)
	}
	return true
}

func (l *Log) publish(g *group) {
	tail, off := l.tail(), g.at
	for _, q := range g.requests {
		if !q.change.forget {
			tail.note(q.seq, off)
			l.head = q.seq
		}
		off += q.size()
	}
	tail.durable, tail.touched = tail.size, time.Now()
	if !tail.blocks && g.blocks > 0 {
		tail.blocks, tail.begun = true, tail.touched
	}
	for name, s := range g.staged {
		if s == nil {
			delete(l.states, name)
		} else {
			l.states[name] = s
		}
	}
	l.stats.synced(g.blocks, g.bytes, g.took)
}

func boolCount(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
