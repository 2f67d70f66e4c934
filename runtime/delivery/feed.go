package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// place is the name of a connector's place in the log.
func place(connector string) string { return "deliver/" + connector }

// Forget drops the place of a connector that is gone, so that retention no
// longer waits for it.
func Forget(log *outbox.Log, connector string) { log.DropCursor(place(connector)) }

// Config is what a feed is made of.
type Config struct {
	Log       *outbox.Log
	Connector string // id of who delivers; its own records are not for it
	Settings  spec.Feed
	// Name is what a connector of the tenant is called; one that is gone, by its
	// id. It is asked for each block; after an error, again.
	Name func(ctx context.Context, id string) (string, error)
	// Tell takes a line for the connector's log.
	Tell func(text string)
	// Settled is told what was handed in again and is done with, all of a step at
	// once: on the taker's goroutine, which it must not hold up. It sees to it that
	// Noted is called of each, by somebody. Only a feed without Again needs none.
	Settled func(done []*Again)
}

// Feed implements flow.Feed.
type Feed struct {
	cfg   Config
	place string
	wake  chan struct{}
	room  chan struct{} // holds a token when the queue has become shorter

	// turning lets one at a time begin and end the reading.
	turning sync.Mutex
	begin   func() // starts it, for as long as the feed is there
	cancel  context.CancelFunc
	done    chan struct{}
	closed  bool

	mu         sync.Mutex
	queue      []piece
	held       int                 // records in the queue
	kept       int                 // the oldest of them, which are under way
	stale      int                 // records that are under way, and of no place any more
	bytes      int                 // of the queue
	again      map[Position]*Again // what is handed in once more, and what is not noted yet
	againBytes int                 // of them
	seen       uint64              // the last block that was read
	missed     uint64
	turns      uint64 // counts how often the place was set from outside
	pace       pace

	// Of the goroutine that takes.
	input []byte
	taken []taken
	lent  []piece   // the queue that taken is of
	turn  uint64    // and the turn that it is of
	whole abi.Batch // a batch that is cut
	cut   abi.Batch
	part  []byte
}

var _ flow.Feed = (*Feed)(nil)

// piece is one batch of a block, of which the first from records are settled.
type piece struct {
	head  abi.DeliverPart // without the batch
	batch []byte
	count int
	from  int
	seq   uint64 // of the block
	at    time.Time
	again *Again // what is handed in once more; nil: it comes from the log
}

// taken says which records of a piece of the queue were handed out.
type taken struct{ piece, from, to int }

// Open makes a feed that reads on at the connector's place, and makes that if
// there is none. It reads ahead until it is closed or the context ends.
// Exhausted: the log has no room for one more place.
func Open(ctx context.Context, cfg Config) (*Feed, error) {
	f := &Feed{
		cfg: cfg, place: place(cfg.Connector),
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	at, known := cfg.Log.Cursor(f.place)
	if !known {
		at = cfg.Log.Head()
		if cfg.Settings.Start == spec.FeedOldest {
			at = max(cfg.Log.First(), 1) - 1
		}
		// Durable at once: after a crash, "now" would be another one.
		if err := errors.Join(cfg.Log.SetCursor(f.place, at), cfg.Log.SaveCursors()); err != nil {
			return nil, fault.Of(err)
		}
	}
	f.seen = at
	f.begin = func() {
		reading, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		f.cancel, f.done = cancel, done
		go func() {
			defer close(done)
			f.read(reading)
		}()
	}
	f.begin()
	return f, nil
}

// Close implements flow.Feed.
func (f *Feed) Close() {
	f.turning.Lock()
	defer f.turning.Unlock()
	f.closed = true
	f.cancel()
	<-f.done
	f.mu.Lock()
	defer f.mu.Unlock()
	f.abandon()
}

// Wake implements flow.Feed.
func (f *Feed) Wake() <-chan struct{} { return f.wake }

// move notes how far everything is settled. The lock is held.
func (f *Feed) move() {
	at := f.seen
	if len(f.queue) > 0 {
		at = f.queue[0].seq - 1
	}
	// It can only be refused because the log was closed, and then the place is
	// where it was: some records come again.
	_ = f.cfg.Log.SetCursor(f.place, at)
}

// Take implements flow.Feed.
func (f *Feed) Take(now time.Time, most int) (input []byte, records int, due time.Time) {
	f.mu.Lock()
	queue := f.queue // its pieces do not change but by Settle, which is called by us
	held, skip := f.held-f.kept, f.kept
	f.turn = f.turns
	f.mu.Unlock()
	f.input, f.taken, f.lent = f.input[:0], f.taken[:0], queue
	if held == 0 {
		return nil, 0, time.Time{}
	}
	first := 0
	for n := queue[0].count - queue[0].from; skip >= n; n = queue[first].count - queue[first].from {
		skip -= n
		first++
	}
	if due = queue[first].at.Add(f.cfg.Settings.Wait()); held < most && now.Before(due) {
		return nil, 0, due
	}
	for i := first; i < len(queue); i, skip = i+1, 0 {
		p := &queue[i]
		from := p.from + skip
		n := min(p.count-from, most-records)
		if n == 0 || records > 0 && len(f.input)+len(p.batch) > abi.MaxBatch {
			break
		}
		f.taken = append(f.taken, taken{i, from, from + n})
		f.input = f.append(f.input, p, from, from+n)
		records += n
	}
	return f.input, records, time.Time{}
}

// Keep implements flow.Feed.
func (f *Feed) Keep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	under := &f.kept
	if f.turn != f.turns { // what was taken is of no place any more
		under = &f.stale
	}
	for _, t := range f.taken {
		*under += t.to - t.from
	}
	f.taken = f.taken[:0]
}

// Back implements flow.Feed.
func (f *Feed) Back() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept, f.stale, f.taken = 0, 0, f.taken[:0]
	signal(f.wake)
}

// append adds records of a piece to an encoded DeliverInput.
func (f *Feed) append(dst []byte, p *piece, from, to int) []byte {
	head := p.head
	head.First += uint64(from)
	if from == 0 && to == p.count {
		return head.AppendAround(dst, p.batch)
	}
	// What stands in the log was checked when it came in.
	_ = f.whole.Decode(p.batch)
	f.cut.Records = f.whole.Records[min(from, len(f.whole.Records)):min(to, len(f.whole.Records))]
	f.part = f.cut.Append(f.part[:0])
	return head.AppendAround(dst, f.part)
}

// Settle implements flow.Feed.
func (f *Feed) Settle(records int) {
	var again []*Again
	defer func() { f.settled(again) }()
	f.mu.Lock()
	defer f.mu.Unlock()
	old := min(records, f.stale)
	f.stale -= old
	f.taken = f.taken[:0]
	if records -= old; records == 0 || f.turn != f.turns { // what was taken is of no place any more
		return
	}
	f.kept -= min(records, f.kept)
	done := 0
	for i := range f.queue {
		p := &f.queue[i]
		n := min(records, p.count-p.from)
		p.from += n
		f.held -= n
		records -= n
		if p.from < p.count {
			break
		}
		f.bytes -= len(p.batch)
		if p.again != nil {
			again = append(again, p.again)
			f.againBytes -= p.again.bytes
		}
		done++
	}
	if done == 0 {
		return
	}
	f.lent = nil
	clear(f.queue[:done])
	if f.queue = f.queue[done:]; len(f.queue) == 0 {
		f.queue = nil
	}
	f.move()
	signal(f.room)
}

// Pick implements flow.Feed.
func (f *Feed) Pick(record int) (device string, input []byte) {
	for _, t := range f.taken {
		if n := t.to - t.from; record >= n {
			record -= n
			continue
		}
		p, at := &f.lent[t.piece], t.from+record
		if f.whole.Decode(p.batch) == nil && at < len(f.whole.Records) {
			device = f.whole.Records[at].Device
		}
		return device, f.append(nil, p, at, at+1)
	}
	return "", nil
}

func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}
