package actor

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/flow/flowtest"
)

// texts is a flow.Feed of texts: see TestTexts.
type texts struct {
	wake chan struct{}
	wait time.Duration // of records for others

	mu          sync.Mutex
	list        []text // not settled
	kept, taken int
	stale       int // under way, and of no place any more
	turns, of   int // that there were, and when the last ones were taken
	finished    []string
	outOfBounds bool // more was settled than was handed out
}

type text struct {
	payload string
	at      time.Time
}

func (f *texts) put(list string) { f.add(strings.Fields(list)...) }

func (f *texts) add(payloads ...string) {
	f.mu.Lock()
	for _, p := range payloads {
		f.list = append(f.list, text{p, time.Now()})
	}
	f.mu.Unlock()
	f.signal()
}

// turn puts others in the place of all that is there.
func (f *texts) turn(list string) {
	f.mu.Lock()
	f.stale += f.kept
	f.list, f.kept = nil, 0
	f.turns++
	f.mu.Unlock()
	f.put(list)
}

func (f *texts) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *texts) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.finished)
}

func (f *texts) Wake() <-chan struct{} { return f.wake }

func (f *texts) Take(now time.Time, most int) ([]byte, int, time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken, f.of = 0, f.turns
	held := f.list[f.kept:]
	if len(held) == 0 {
		return nil, 0, time.Time{}
	}
	if due := held[0].at.Add(f.wait); len(held) < most && now.Before(due) {
		return nil, 0, due
	}
	for size := 0; f.taken < min(most, len(held)); f.taken++ {
		if size += len(held[f.taken].payload); f.taken > 0 && size > abi.MaxBatch {
			break
		}
	}
	return f.input(held[:f.taken]), f.taken, time.Time{}
}

func (*texts) input(list []text) []byte {
	part := abi.DeliverPart{Connector: "c", ID: "c", Epoch: 1, Received: 1}
	for _, s := range list {
		part.Batch.Records = append(part.Batch.Records, abi.Record{Device: "d", Payload: []byte(s.payload)})
	}
	in := abi.DeliverInput{Parts: []abi.DeliverPart{part}}
	return in.Append(nil)
}

// payloads are those of an encoded abi.DeliverInput; of one that cannot be read, itself.
func payloads(input []byte) (list []string) {
	var in abi.DeliverInput
	if in.Decode(input) != nil {
		return []string{string(input)}
	}
	for p := range in.Parts {
		for i := range in.Parts[p].Batch.Records {
			list = append(list, string(in.Parts[p].Batch.Records[i].Payload))
		}
	}
	return list
}

func (f *texts) Keep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of != f.turns {
		f.stale += f.taken
	} else {
		f.kept += f.taken
	}
	f.taken = 0
}

func (f *texts) Back() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept, f.stale, f.taken = 0, 0, 0
	f.signal()
}

func (f *texts) Settle(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outOfBounds = f.outOfBounds || n > f.stale+f.kept+f.taken
	old := min(n, f.stale)
	f.stale, n = f.stale-old, n-old
	if f.of != f.turns {
		f.taken = 0
		return
	}
	f.taken -= min(max(n-f.kept, 0), f.taken)
	n = min(n, len(f.list))
	for _, s := range f.list[:n] {
		f.finished = append(f.finished, s.payload)
	}
	f.list = f.list[n:]
	f.kept -= min(n, f.kept)
}

func (f *texts) Pick(record int) (string, []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.list[f.kept+record]
	return "d-" + s.payload[:min(2, len(s.payload))], f.input([]text{s})
}

func (f *texts) Backlog() flow.Backlog {
	f.mu.Lock()
	defer f.mu.Unlock()
	return flow.Backlog{Records: len(f.list), Waiting: uint64(len(f.list))}
}

func (f *texts) Close() {}

// TestTexts: the lane is tested with a feed that keeps the contract of the real one.
func TestTexts(t *testing.T) {
	flowtest.Run(t, func(_ *testing.T, wait time.Duration) flowtest.Subject {
		f := &texts{wake: make(chan struct{}, 1), wait: wait}
		return flowtest.Subject{Feed: f, Put: f.add, Turn: func() { f.turn("") }}
	})
}
