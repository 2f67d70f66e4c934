package mqtt

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// both runs a test with each version of the protocol.
func both(t *testing.T, test func(t *testing.T, version func(*abi.MQTTOpen))) {
	t.Helper()
	t.Run("5", func(t *testing.T) { test(t, func(*abi.MQTTOpen) {}) })
	t.Run("3.1.1", func(t *testing.T) { test(t, v311) })
}

// holds waits until the broker holds so many messages that are not acknowledged.
func (r *rig) holds(n int) {
	r.t.Helper()
	eventually(r.t, "acknowledgements", func() bool {
		c, ok := r.server.Clients.Get("rail")
		return ok && c.State.Inflight.Len() == n
	})
}

func TestReceive(t *testing.T) {
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		r := mochi(t)
		r.send("in/kept", "r", 1, true)
		c := open(t, group(), scope(r.at), args(r.at, version))
		c.want("in/kept=r")
		for qos := range byte(3) {
			r.send("in/x", string('0'+qos), qos)
		}
		c.want("in/x=0", "in/x=1", "in/x=2")
		c.Ack(4)
		r.holds(0)
		if cond := c.Condition(); !cond.Up || cond.Opens != 1 || cond.Counts["received"] != 4 || cond.Buffered != 0 {
			t.Errorf("%+v", cond)
		}
	})
}

// What is not acknowledged is sent again: not to this session, which has it, but to
// the next one, as after a restart of the host.
func TestWhatIsNotAcknowledgedComesAgain(t *testing.T) {
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		r := mochi(t)
		c := open(t, group(), scope(r.at), args(r.at, version))
		r.send("in/x", "1", 1)
		r.send("in/x", "2", 2)
		r.send("in/x", "3", 1)
		c.want("in/x=1", "in/x=2", "in/x=3")
		c.Ack(1)
		r.holds(2)
		r.cut("rail")
		c.want("down", "up")
		c.Rewind()
		c.want("in/x=2", "in/x=3", "down", "up")
		c.Ack(1)
		r.holds(1)
		c.none()
		c.close()
		again := open(t, group(), scope(r.at), args(r.at, version))
		again.want("in/x=3")
		if !again.infoNow().SessionPresent {
			t.Error("the session was not kept")
		}
		again.Ack(1)
		r.send("in/x", "4", 1)
		again.want("in/x=4")
	})
}

// What became safe while the broker was away is acknowledged when it asks again.
func TestAcknowledgedWhileAway(t *testing.T) {
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		r := mochi(t)
		c := open(t, group(), scope(r.at), args(r.at, version))
		r.send("in/x", "1", 1)
		r.send("in/x", "2", 2)
		c.want("in/x=1", "in/x=2")
		l := c.last
		l.fail(errors.New("broken")) // nothing can be sent any more
		c.Ack(2)
		c.want("down", "up")
		r.holds(0)
		r.send("in/x", "3", 1)
		c.want("in/x=3")
	})
}

func TestSessionThatTheBrokerLost(t *testing.T) {
	r := mochi(t)
	c := open(t, group(), scope(r.at), args(r.at))
	r.send("in/x", "1", 1)
	c.want("in/x=1")
	r.down()
	c.want("down")
	r.up()
	if got := c.next(2); !slices.Equal(got, []string{"gap:session_lost", "up"}) {
		t.Errorf("%v", got)
	}
	c.Ack(4) // the identifier of a message that the broker does not know
	r.send("in/x", "2", 1)
	c.want("in/x=2")
}

// memory is what a connector keeps beyond a process.
type memory struct{ kept map[string][]byte }

func (m memory) Kept(_ context.Context, name string) ([]byte, bool, error) {
	value, found := m.kept[name]
	return value, found, nil
}

func (m memory) Keep(_ context.Context, name string, value []byte) error {
	m.kept[name] = value
	return nil
}

// A session that the broker was to keep while the host was away, and has not, is a
// gap, and the first one is none.
func TestSessionLostBetweenProcesses(t *testing.T) {
	r := mochi(t)
	s := scope(r.at)
	s.Sealed = memory{map[string][]byte{}}
	first := open(t, group(), s, args(r.at))
	r.send("in/x", "1", 1)
	first.want("in/x=1")
	first.Ack(1)
	first.close()
	kept := open(t, group(), s, args(r.at))
	r.send("in/x", "2", 1)
	kept.want("in/x=2")
	kept.Ack(1)
	kept.close()
	r.down()
	r.up()
	lost := open(t, group(), s, args(r.at))
	lost.want("gap:session_lost")
}
