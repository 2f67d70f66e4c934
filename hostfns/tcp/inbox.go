package tcp

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/queue"
)

// frame is what was received, and when.
type frame struct {
	data []byte
	time int64 // unix ns
}

// inbox holds what was received until the guest reads it. Whoever adds waits for
// room.
type inbox struct {
	ready chan struct{} // a token whenever there may be something to read
	room  chan struct{} // a token whenever there may be room again

	mu     sync.Mutex
	frames []frame
	size   int // their bytes
	most   int // bounds
	bytes  int
	share  capability.Portion
}

func newInbox(most, bytes int, purse capability.Purse) *inbox {
	return &inbox{ready: make(chan struct{}, 1), room: make(chan struct{}, 1), most: most, bytes: bytes, share: capability.NewPortion(purse)}
}

// push adds a frame of the caller's, waiting for room until ctx ends.
func (b *inbox) push(ctx context.Context, f frame) error {
	if b.tryPush(f) {
		return nil
	}
	again := time.NewTicker(purseWait)
	defer again.Stop()
	for !b.tryPush(f) {
		select {
		case <-b.room:
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// purseWait is how often whoever waits for room looks whether the purse has some
// again: what others give back they do not tell.
const purseWait = 50 * time.Millisecond

func (b *inbox) tryPush(f frame) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.frames) >= b.most || len(b.frames) > 0 && b.size+len(f.data) > b.bytes ||
		!b.share.Hold(b.cost(1, len(f.data))) {
		return false
	}
	b.frames = append(b.frames, f)
	b.size += len(f.data)
	capability.Signal(b.ready)
	return true
}

// next is the oldest frame; false: there is none.
func (b *inbox) next() (frame, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.frames) == 0 {
		return frame{}, false
	}
	f := b.frames[0]
	b.drop(1)
	return f, true
}

// piece is what there is, up to limit bytes and, with until, up to and including
// it; false: there is nothing yet. fault.TooLarge: so much came without it.
func (b *inbox) piece(until []byte, limit int) (frame, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.frames) == 0 {
		return frame{}, false, nil
	}
	b.join(limit)
	first := &b.frames[0]
	end := min(len(first.data), limit)
	if len(until) > 0 {
		at := bytes.Index(first.data[:end], until)
		switch {
		case at >= 0:
			end = at + len(until)
		case end == limit:
			return frame{}, false, fault.New(fault.TooLarge, "tcp.read: %d bytes, and the delimiter is not among them", end)
		default:
			return frame{}, false, nil
		}
	}
	f := frame{data: first.data[:end:end], time: first.time}
	if end == len(first.data) {
		b.drop(1)
		return f, true, nil
	}
	first.data = first.data[end:]
	b.size -= end
	capability.Signal(b.room)
	return f, true, nil
}

// join puts the first frames together until they have limit bytes.
func (b *inbox) join(limit int) {
	first, all := &b.frames[0], 1
	for ; all < len(b.frames) && len(first.data) < limit; all++ {
		first.data, first.time = append(first.data, b.frames[all].data...), b.frames[all].time
	}
	if all == 1 {
		return
	}
	clear(b.frames[1:all])
	b.frames = append(b.frames[:1], b.frames[all:]...)
	capability.Signal(b.room)
}

// discard drops everything and says how many frames there were.
func (b *inbox) discard() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.frames)
	b.drop(n)
	return n
}

func (b *inbox) drop(n int) {
	for i := range n {
		b.size -= len(b.frames[i].data)
		b.frames[i] = frame{}
	}
	if b.frames = b.frames[n:]; len(b.frames) == 0 {
		b.frames = nil
	}
	b.share.Leave(b.cost(0, 0))
	capability.Signal(b.room)
}

// cost is what the frames take of memory, with more of them.
func (b *inbox) cost(frames, size int) int {
	return b.size + size + (len(b.frames)+frames)*queue.Overhead
}

// end gives back what is drawn on the purse, for good.
func (b *inbox) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.share.End()
}

func (b *inbox) buffered() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.frames)
}
