package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// meter says who is in an instance and until when. It is the context that the
// Host sees during a call: one for each instance, used again by each call, so
// that a call allocates nothing for it.
//
// It does not stop the guest by itself: the guest looks here whenever a slice
// of its fuel is used up and after each host call, and is ended then. For the
// host calls that wait there is the Done channel. It closes at the deadline,
// or when the caller gives up or the instance is closed; the timer and the
// watch of the caller's context are set up only when somebody asks for it.
type meter struct {
	instance *Instance
	done     chan struct{} // closed once: the instance dies of it
	stopped  atomic.Bool   // done is closed

	mu       sync.Mutex
	state    InstanceState
	phase    phase
	closing  bool            // Close has it
	parent   context.Context //nolint:containedctx // this is a context, and that one is its parent
	entered  time.Time
	deadline time.Time
	err      error         // why done is closed
	left     chan struct{} // closed when the call is over; made by who waits

	// timer runs on between calls and is not set again as long as it fires
	// soon enough: fired looks at the deadline of its day.
	timer     *time.Timer
	scheduled bool
	wake      time.Time

	// followed is the Done channel of the last parent. Following it is kept up
	// between calls, because most calls come with the same one.
	followed <-chan struct{}
	unfollow func() bool
}

// phase is what a running instance is at.
type phase uint8

// The phases of a call.
const (
	settling phase = iota // before the guest has begun, and when it is over
	queued                // waiting for the account's share of the processor
	armed                 // in the guest, or in a host call
)

// Deadline is when the call is over.
func (m *meter) Deadline() (time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.deadline, m.phase == armed
}

// Done closes when the call is over before its time.
func (m *meter) Done() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watch()
	return m.done
}

// Err says why Done closed.
func (m *meter) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watch()
	return m.err
}

// Value asks the caller's context.
func (m *meter) Value(key any) any {
	m.mu.Lock()
	parent := m.parent
	m.mu.Unlock()
	if parent == nil {
		return nil
	}
	return parent.Value(key)
}

// enter takes the instance for one call that begins now, or has to wait for
// the account's share of the processor first. Two calls at a time are a fault
// of the caller; a dead instance stays dead.
func (m *meter) enter(parent context.Context, now time.Time, timeout time.Duration) (waits bool, err error) {
	if err := parent.Err(); err != nil {
		return false, fault.Of(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.state == Dead || m.closing:
		return false, fault.New(fault.GuestTrap, "the guest is not alive any more").
			WithHint("Make a fresh instance.")
	case m.state == Running:
		return false, fault.New(fault.Internal, "the guest was called while it was running")
	}
	m.state, m.phase, m.parent = Running, queued, parent
	m.entered, m.deadline = now, now.Add(timeout)
	if d, ok := parent.Deadline(); ok && d.Before(m.deadline) {
		m.deadline = d
	}
	if m.instance.account.owes() {
		return true, nil
	}
	m.phase = armed
	return false, nil
}

// watch makes Done close in time. The caller holds mu.
func (m *meter) watch() {
	if m.phase != armed || m.err != nil {
		return
	}
	m.schedule()
	m.follow(m.parent)
}

func (m *meter) schedule() {
	if m.scheduled && !m.deadline.Before(m.wake) {
		return
	}
	m.scheduled, m.wake = true, m.deadline
	if m.timer == nil {
		m.timer = time.AfterFunc(time.Until(m.deadline), m.fired)
	} else {
		m.timer.Reset(time.Until(m.deadline))
	}
}

func (m *meter) fired() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scheduled = false
	if m.phase != armed {
		return
	}
	if time.Now().Before(m.deadline) {
		m.schedule()
		return
	}
	m.stop(context.DeadlineExceeded)
}

func (m *meter) follow(parent context.Context) {
	done := parent.Done()
	if done == m.followed {
		return
	}
	if m.unfollow != nil {
		m.unfollow()
		m.unfollow = nil
	}
	m.followed = done
	if done == nil {
		return
	}
	m.unfollow = context.AfterFunc(parent, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		// By now another call may be under way, which nobody had to follow.
		if m.phase == armed && m.parent.Done() == done {
			m.stop(parent.Err())
		}
	})
}

// stop ends the call that is under way. The caller holds mu.
func (m *meter) stop(err error) {
	if m.err == nil {
		m.err = err
		m.stopped.Store(true)
		close(m.done)
	}
}

// end is stop for the goroutine that is in the call.
func (m *meter) end(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stop(err)
}

// verdict is why the call was ended before its time; nil: it was not.
func (m *meter) verdict() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// leave gives the instance back after a call, unless it is dying or the call
// was ended before its time: then it answers why, and the instance has to be
// buried.
func (m *meter) leave(dying bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase = settling
	if m.err == nil && !dying {
		m.rest(Idle)
	}
	return m.err
}

// died gives up a dead instance.
func (m *meter) died() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase = settling
	m.rest(Dead)
	if m.timer != nil {
		m.timer.Stop()
	}
	if m.unfollow != nil {
		m.unfollow()
		m.unfollow = nil
	}
}

// rest ends the running of an instance. The caller holds mu.
func (m *meter) rest(state InstanceState) {
	m.state, m.parent = state, nil
	if m.left != nil {
		close(m.left)
		m.left = nil
	}
}

// take takes an idle instance for its end. If it is in a call, that is
// cancelled, and the channel closes when it is over.
func (m *meter) take() (taken bool, over <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.state {
	case Idle:
		m.state, m.closing = Running, true
		return true, nil
	case Running:
		if m.phase != settling {
			m.stop(context.Canceled)
		}
		if m.left == nil {
			m.left = make(chan struct{})
		}
		return false, m.left
	case Dead:
	}
	return false, nil
}

// allowed is how long the call may take.
func (m *meter) allowed() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.deadline.Sub(m.entered).Round(time.Millisecond)
}

func (m *meter) current() InstanceState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// inside is the context that wazero sees: it holds the instance and nothing
// else, because wazero asks it for values of its own at each call.
type inside struct{ instance *Instance }

// instanceKey finds the instance through contexts that wrap inside.
type instanceKey struct{}

// Deadline is none: wazero does not look at the time.
func (*inside) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done never closes.
func (*inside) Done() <-chan struct{} { return nil }

// Err is none.
func (*inside) Err() error { return nil }

// Value is the instance.
func (c *inside) Value(key any) any {
	if _, ok := key.(instanceKey); ok {
		return c.instance
	}
	return nil
}
