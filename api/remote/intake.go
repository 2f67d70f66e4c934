package remote

import (
	"context"
	"net/http"
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxIntake bounds the bytes of notifications that are on their way into the
// log; one that is larger goes alone.
const maxIntake = 256 << 10

// perRecord is what a notification takes beside its payload.
const perRecord = 200

func sizeOf(r *abi.Record) int { return len(r.Payload) + perRecord }

// intake is the notifications that have come and are not durable yet. Whoever
// sends more than that waits.
type intake struct {
	mu      sync.Mutex
	records []abi.Record
	bytes   int
	flying  int // bytes that are being written
	closed  bool
	news    chan struct{} // holds a token when there is something to write
	room    chan struct{} // holds a token when there may be room
}

func newIntake() *intake {
	return &intake{news: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// add takes a notification, once there is room. One goroutine adds.
func (in *intake) add(ctx context.Context, r abi.Record) error {
	for {
		in.mu.Lock()
		if in.closed {
			in.mu.Unlock()
			return goneError{fault.New(fault.ShuttingDown, "the session ends")}
		}
		waiting := in.bytes + in.flying
		if size := sizeOf(&r); waiting == 0 || waiting+size <= maxIntake {
			in.records, in.bytes = append(in.records, r), in.bytes+size
			in.mu.Unlock()
			tell(in.news)
			return nil
		}
		in.mu.Unlock()
		select {
		case <-in.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take is what has come since, as many as one block holds; none: it is over.
func (in *intake) take(ctx context.Context) []abi.Record {
	for {
		in.mu.Lock()
		n := min(len(in.records), abi.MaxItems)
		batch := in.records[:n:n]
		if in.records = in.records[n:]; len(in.records) == 0 {
			in.records = nil // which lets go of what was written
		}
		for i := range batch {
			in.flying += sizeOf(&batch[i])
		}
		in.bytes -= in.flying
		closed := in.closed
		in.mu.Unlock()
		if n > 0 || closed {
			return batch
		}
		select {
		case <-in.news:
		case <-ctx.Done():
			return nil
		}
	}
}

// done says that what was taken is written, or lost.
func (in *intake) done() {
	in.mu.Lock()
	in.flying = 0
	in.mu.Unlock()
	tell(in.room)
}

// close says that nothing more comes.
func (in *intake) close() {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	tell(in.news)
	tell(in.room)
}

// keep writes what has come, block after block, and says so when it is durable.
// It ends when nothing more comes.
func (x *session) keep(ctx context.Context) error {
	for {
		batch := x.intake.take(ctx)
		if len(batch) == 0 {
			return nil
		}
		sequence, err := x.attached.Emit(ctx, &abi.Batch{Records: batch})
		x.intake.done()
		if err != nil {
			return fault.Of(err)
		}
		_ = x.write(ctx, answer{Status: http.StatusOK, Body: accepted{len(batch), sequence}}) // who has gone does not hear it
	}
}
