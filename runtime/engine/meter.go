package engine

import (
	"context"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// meter is what a call may spend, and who is in the instance. It is the
// context that wazero and the Host see during a call: one for each instance,
// used again by each call, so that a call allocates nothing for it.
//
// What it measures is time: at the deadline, or when the caller gives up, its
// Done channel closes, and wazero's own checks (WithCloseOnContextDone) stop
// the guest at the next head of a loop. Those checks are slow, and guests
// without loops escape them. Fuel takes their place: instructions counted by
// code that wasmbin inserts, with a call back here each time a slice of it is
// used up, which then looks at Done. The option in runtime.go goes then; the
// deadline of the calls that wait in the host stays.
type meter struct {
	instance *Instance
	done     chan struct{} // closed once: the instance dies of it

	mu       sync.Mutex
	state    InstanceState
	armed    bool            // between enter and disarm
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

// instanceKey finds the meter through contexts that wrap it.
type instanceKey struct{}

// Deadline is when the call is over.
func (m *meter) Deadline() (time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.deadline, m.armed
}

// Done closes when the call is over before its time.
func (m *meter) Done() <-chan struct{} { return m.done }

// Err says why Done closed.
func (m *meter) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Value asks the caller's context.
func (m *meter) Value(key any) any {
	if _, ok := key.(instanceKey); ok {
		return m
	}
	m.mu.Lock()
	parent := m.parent
	m.mu.Unlock()
	if parent == nil {
		return nil
	}
	return parent.Value(key)
}

// enter takes the instance for one call that begins now. Two calls at a time
// are a fault of the caller; a dead instance stays dead.
func (m *meter) enter(parent context.Context, now time.Time, timeout time.Duration) error {
	if err := parent.Err(); err != nil {
		return fault.Of(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.state {
	case Idle:
	case Running:
		return fault.New(fault.Internal, "the guest was called while it was running")
	case Dead:
		return fault.New(fault.GuestTrap, "the guest is not alive any more").
			WithHint("Make a fresh instance.")
	}
	m.state, m.armed, m.parent = Running, true, parent
	m.entered, m.deadline = now, now.Add(timeout)
	if d, ok := parent.Deadline(); ok && d.Before(m.deadline) {
		m.deadline = d
	}
	m.schedule(now)
	m.follow(parent)
	return nil
}

func (m *meter) schedule(now time.Time) {
	if m.scheduled && !m.deadline.Before(m.wake) {
		return
	}
	m.scheduled, m.wake = true, m.deadline
	if m.timer == nil {
		m.timer = time.AfterFunc(m.deadline.Sub(now), m.fired)
	} else {
		m.timer.Reset(m.deadline.Sub(now))
	}
}

func (m *meter) fired() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scheduled = false
	if !m.armed {
		return
	}
	if now := time.Now(); now.Before(m.deadline) {
		m.schedule(now)
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
		if m.armed && m.followed == done {
			m.stop(parent.Err())
		}
	})
}

// stop ends the call that is under way.
func (m *meter) stop(err error) {
	if m.err == nil {
		m.err = err
		close(m.done)
	}
}

// over reports whether the call is over before its time.
func (m *meter) over() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// disarm ends the time of a call and answers why it was over before it ended
// by itself, if it was.
func (m *meter) disarm() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed = false
	return m.err
}

// leave gives the instance back after a call.
func (m *meter) leave(state InstanceState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = state
	m.parent = nil
	if m.left != nil {
		close(m.left)
		m.left = nil
	}
	if state == Dead {
		m.release()
	}
}

// release lets go of the timer and of the last caller's context.
func (m *meter) release() {
	if m.timer != nil {
		m.timer.Stop()
	}
	if m.unfollow != nil {
		m.unfollow()
		m.unfollow = nil
	}
}

// take takes an idle instance for its end. If it is in a call, that is
// cancelled, and the channel closes when it is over.
func (m *meter) take() (taken bool, over <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.state {
	case Idle:
		m.state = Running
		return true, nil
	case Running:
		if m.armed {
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
