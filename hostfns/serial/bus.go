package serial

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// buses are the ports that lanes share. The line of a bus is a session of its
// own, which no guest has: it is opened for the first lane, and closed after the
// last one.
type buses struct {
	mu  sync.Mutex
	all map[busKey]*bus
}

type busKey struct{ owner, port string }

type bus struct {
	key    busKey
	opened chan struct{} // closed when line and err are there
	line   *Session
	err    error

	users int // those that wait for it among them; guarded by buses.mu

	mu      sync.Mutex
	members []*member
}

// join is a session of a shared port.
func (g *Group) join(ctx context.Context, scope capability.Scope, set settings) (capability.Session, error) {
	key := busKey{scope.Owner, set.port}
	g.buses.mu.Lock()
	b := g.buses.all[key]
	first := b == nil
	if first {
		b = &bus{key: key, opened: make(chan struct{})}
		if g.buses.all == nil {
			g.buses.all = map[busKey]*bus{}
		}
		g.buses.all[key] = b
	}
	b.users++
	g.buses.mu.Unlock()
	if first {
		b.line, b.err = g.openSession(ctx, scope, set, b)
		if b.err != nil {
			g.buses.forget(b)
		}
		close(b.opened)
	}
	select {
	case <-b.opened:
	case <-ctx.Done():
		g.leaveLate(ctx, b)
		return nil, fault.Wrap(fault.Timeout, ctx.Err(), "serial port %s was not opened: another lane is opening it", set.port)
	}
	if b.err != nil {
		g.buses.leave(b)
		return nil, b.err
	}
	m := &member{group: g, bus: b, set: set, source: source{newQueue(memberEvents, memberBytes, nil)}}
	b.mu.Lock()
	b.members = append(b.members, m)
	b.mu.Unlock()
	return m, nil
}

// leaveLate gives up a bus that was still being opened. Whoever opens it is one of
// its users: this is the last one only if the bus is open by now and the others have
// gone since.
func (g *Group) leaveLate(ctx context.Context, b *bus) {
	if g.buses.leave(b) && b.err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), capability.CloseTimeout)
		defer cancel()
		_ = b.line.Close(ctx) // its own goroutine ends it, whatever comes of this
	}
}

// forget makes room for a new bus.
func (t *buses) forget(b *bus) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all[b.key] == b {
		delete(t.all, b.key)
	}
}

// leave reports whether that was the last one.
func (t *buses) leave(b *bus) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	b.users--
	if b.users == 0 && t.all[b.key] == b {
		delete(t.all, b.key)
	}
	return b.users == 0
}

// tell tells all members what happened to the port.
func (b *bus) tell(e capability.Event) {
	if e.Type == abi.EventData || e.Type == abi.EventGap {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.members {
		if m.events.tryPush(e, nil) { // one without room has much of this to read already
			capability.Signal(m.events.ready)
		}
	}
}

// The bounds of what a member keeps: going and coming, and nothing else.
const (
	memberEvents = 64
	memberBytes  = 64
)

// member is a lane's session of a shared port.
type member struct {
	source // what happened to the port

	group   *Group
	bus     *bus
	set     settings
	starved atomic.Uint64 // waits of this lane that ended without a turn
	closing sync.Once
	closed  error

	ending sync.Mutex
	ended  bool
	cancel context.CancelFunc // ends the transact that is under way, if there is one
}

var (
	_ capability.Source   = (*member)(nil)
	_ capability.Reporter = (*member)(nil)
)

// Call serves transact, and what does not disturb the turn of another.
func (m *member) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	if m.isEnded() {
		return nil, m.gone()
	}
	switch function {
	case functionTransact:
		return m.transact(ctx, in, out)
	case functionSignals:
		return m.bus.line.Call(ctx, function, in, out)
	case functionWrite, functionDrain, functionFlush, functionRead, functionReadUntil, functionSetSignals, functionBreak:
		return nil, fault.New(fault.Invalid, "serial.%s: serial port %s is shared: only transact may use it", function, m.set.port).
			WithHint("Use transact, which holds the line until the answer is there, or open the port without shared.")
	}
	return nil, fault.New(fault.Unsupported, "serial has no function %q", function)
}

// transact ends with the session as well.
func (m *member) transact(ctx context.Context, in, out []byte) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m.ending.Lock()
	if m.cancel = cancel; m.ended {
		cancel()
	}
	m.ending.Unlock()
	reply, err := m.bus.line.callTransact(ctx, m.set, &m.starved, in, out)
	if err != nil && m.isEnded() {
		return nil, m.gone()
	}
	return reply, err
}

func (m *member) isEnded() bool {
	m.ending.Lock()
	defer m.ending.Unlock()
	return m.ended
}

func (m *member) end() {
	m.ending.Lock()
	defer m.ending.Unlock()
	m.ended = true
	if m.cancel != nil {
		m.cancel()
	}
}

func (m *member) gone() error {
	return fault.New(fault.SessionClosed, "the session of serial port %s is closed", m.set.port)
}

// Close closes the port when nobody shares it any more.
func (m *member) Close(ctx context.Context) error {
	m.closing.Do(func() {
		m.end()
		b := m.bus
		b.mu.Lock()
		b.members = slices.DeleteFunc(b.members, func(o *member) bool { return o == m })
		b.mu.Unlock()
		if m.group.buses.leave(b) {
			m.closed = b.line.Close(ctx)
		}
	})
	return m.closed
}

// Condition is how the port is doing. What it received and nobody had asked for
// is counted as dropped. How often the lane got no turn is its own.
func (m *member) Condition() capability.Condition {
	c := m.bus.line.Condition()
	c.Buffered, c.Counts = m.events.buffered(), countsOf(&m.starved)
	return c
}
