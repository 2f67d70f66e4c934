package outbox

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Log is the durable log of one tenant. All methods may be called at once.
//
// It has no goroutine of its own while nobody appends, and one open file, its
// last segment; many thousands of idle ones are cheap.
type Log struct {
	dir string
	cfg Config

	mu     sync.Mutex
	segs   []*segment // oldest first; the last one is written to
	head   uint64     // last durable block
	next   uint64     // sequence of the next block; those up to it may not be durable yet
	floor  uint64     // what next was when the log was opened
	states map[string]*State
	stats  Stats
	failed error // why no more can be written; nil: it can
	closed bool

	queue      []*request // waiting for the committer
	queued     int64      // bytes of theirs
	writing    []*request // that the committer has taken
	asked      time.Time  // when it did
	committing bool       // a committer runs
	rotate     bool       // a new segment must come before the next block

	moved   chan struct{} // closed when head moves or the log closes
	watched bool          // somebody waits for moved
	room    chan struct{} // closed when the queue has become shorter
	crowded bool          // somebody waits for room

	cursors  map[string]*cursor
	stale    bool        // the cursors' file is older than the cursors
	flush    *time.Timer // will write it; nil: none is set
	flushing sync.Mutex  // one writer of the cursors' file
	trimming sync.Mutex  // one retention

	over     chan struct{}  // closed when the log is abandoned
	work     sync.WaitGroup // the committer and the flush
	requests sync.Pool      // of *request
	buffers  sync.Pool      // of *[]byte, for readers

	buf      []byte // the committer's
	unsynced bool   // the committer's: the directory must be synced
}

// Append commits a block and sets its Seq. It returns when the block is on
// the disk. The end of ctx ends the wait, not the write: the block may then
// be committed or not, which State tells later. b may be used again as soon
// as Append has returned, whatever it returned.
//
// Within an epoch First must be the connector's State.Next, else the block is
// refused (Internal); an older epoch is refused too. DiskFull leaves the log
// usable; LogFailed does not. A block that cannot be written takes with it all
// that wait behind it, so that none ever overtakes another.
func (l *Log) Append(ctx context.Context, b *Block) (seq uint64, err error) {
	p, err := l.Begin(ctx, b, false)
	if err != nil {
		return 0, err
	}
	if seq, err = p.Wait(ctx); err == nil {
		b.Seq = seq
	}
	return seq, err
}

// Begin is Append that leaves the wait for the disk to Pending.Wait, and Seq as it
// is. It waits for room in the queue alone. Blocks that one goroutine begins are
// on the disk in their order. behind says that the lane's block before, of the same
// epoch, was begun and may still be on its way: if that one never arrives, neither
// does this one. b may be used again at once.
func (l *Log) Begin(ctx context.Context, b *Block, behind bool) (Pending, error) {
	if err := b.check(); err != nil {
		return Pending{}, err
	}
	q := l.newRequest()
	q.payload = appendBlock(append(q.payload[:0], byte(kindBlock)), b)
	q.change = changeOf(b)
	q.change.behind = behind
	return l.submit(ctx, q)
}

// Forget drops what the log knows of a deleted connector in all its lanes,
// durably. Its blocks stay until retention takes them. A connector that comes
// back under the same name must not use its old epochs again.
func (l *Log) Forget(ctx context.Context, connector string) error {
	return l.forget(ctx, connector, "")
}

// ForgetLane drops what the log knows of one lane of a connector, as of a
// device that was removed. A lane without a name cannot be forgotten alone.
func (l *Log) ForgetLane(ctx context.Context, connector, lane string) error {
	if lane == "" {
		return fault.New(fault.Internal, "%q has no lane without a name to forget", connector)
	}
	return l.forget(ctx, connector, lane)
}

func (l *Log) forget(ctx context.Context, connector, lane string) error {
	q := l.newRequest()
	q.payload = appendForget(append(q.payload[:0], byte(kindForget)), connector, lane)
	q.change = change{connector: connector, lane: lane, forget: true}
	p, err := l.submit(ctx, q)
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

// State is what the log knows of a connector's one lane; the caller may keep it.
func (l *Log) State(connector string) (State, bool) { return l.LaneState(connector, "") }

// LaneState is what the log knows of one lane of a connector; the caller may
// keep it.
func (l *Log) LaneState(connector, lane string) (State, bool) {
	l.mu.Lock()
	s := l.states[place(connector, lane)]
	l.mu.Unlock()
	if s == nil {
		return State{}, false
	}
	return s.clone(), true
}

// Lanes is LaneState of all lanes of a connector, by name.
func (l *Log) Lanes(connector string) map[string]State {
	all := map[string]State{}
	for at, s := range l.all() {
		if of, lane := placed(at); of == connector {
			all[lane] = s.clone()
		}
	}
	return all
}

// Connectors is the state of every connector by name: of the lane that wrote
// last where there are several.
func (l *Log) Connectors() map[string]State {
	all := map[string]State{}
	for at, s := range l.all() {
		connector, _ := placed(at)
		if had, ok := all[connector]; !ok || had.Last < s.Last {
			all[connector] = s.clone()
		}
	}
	return all
}

// all is every state by its place. States are never changed in place.
func (l *Log) all() map[string]*State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.states)
}

// Head is the sequence of the last durable block; 0: none.
func (l *Log) Head() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// First is the sequence of the first block that is kept; it is greater than
// Head when there is none.
func (l *Log) First() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.firstLocked()
}

func (l *Log) firstLocked() uint64 {
	if len(l.segs) == 0 {
		return max(l.head+1, l.floor) // and not next: the first block may be on its way
	}
	return l.segs[0].first
}

// tail is the segment that is written to, or nil.
func (l *Log) tail() *segment {
	if len(l.segs) == 0 {
		return nil
	}
	return l.segs[len(l.segs)-1]
}

// Close waits for the appends under way, makes the cursors durable and closes
// the log. Readers end with ShuttingDown. A second Close does nothing.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.wake()
	l.mu.Unlock()
	shut := make(chan error, 1)
	go func() { shut <- l.shut() }()
	select {
	case err := <-shut:
		return err
	case <-l.over:
		return errAbandoned(l.dir)
	}
}

// shut ends when the disk is done with what is under way.
func (l *Log) shut() (err error) {
	if !l.abandoned() {
		err = l.flushCursors()
	}
	l.work.Wait()

	l.mu.Lock()
	defer l.mu.Unlock()
	if tail := l.tail(); tail != nil {
		if cerr := tail.drop(); err == nil && cerr != nil {
			err = fault.Wrap(fault.Internal, cerr, "the outbox cannot be closed")
		}
	}
	return err
}

// wake tells all who wait. The lock is held.
func (l *Log) wake() {
	if l.watched {
		close(l.moved)
		l.moved, l.watched = make(chan struct{}), false
	}
	if l.crowded {
		close(l.room)
		l.room, l.crowded = make(chan struct{}), false
	}
}

// alarm reports what nobody is there to be told. The lock is not held.
func (l *Log) alarm(msg string, args ...any) {
	l.mu.Lock()
	l.stats.Alarms++
	l.mu.Unlock()
	l.cfg.Log.Error(msg, append([]any{"dir", l.dir}, args...)...)
}

func errClosed() error { return fault.New(fault.ShuttingDown, "the outbox is closed") }
