package mqtt

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/fault"
)

// oversized is a PUBLISH of little more than 1 KiB that no guest can take: it has
// one user property more than there may be.
func oversized(qos byte, id uint16) []byte {
	m := wire.Message{Topic: "in/x", QoS: qos}
	for range abi.MaxHeaders + 1 {
		m.Properties.User = append(m.Properties.User, wire.User{})
	}
	return wire.AppendMessage(nil, wire.V5, &m, id, false)
}

// small are the bounds of a session that takes little.
func small(a *abi.MQTTOpen) { a.QueueMessages, a.QueueBytes = 16, 64<<10 }

// Whoever may publish what somebody subscribes to fills no memory with what is too
// large.
func TestTooLargeIsBounded(t *testing.T) {
	stub := listen(t)
	c := stub.open(t, group(), small)
	const n = 2000
	stub.write(bytes.Repeat(oversized(0, 0), n))
	eventually(t, "all are dropped", func() bool { return c.Condition().Dropped == n })
	if b := c.Condition().Buffered; b != 1 {
		t.Errorf("%d events of one gap", b)
	}
	c.want("gap:message_too_large")
	stub.write(oversized(0, 0))
	c.want("gap:message_too_large")
	c.none()
}

// What is to be acknowledged waits for room at the broker, too large or not.
func TestTooLargeWaitsForRoom(t *testing.T) {
	pace := calm()
	pace.stall = time.Minute
	stub := listen(t)
	c := stub.open(t, group(paced(pace)), small)
	for id := range uint16(17) {
		stub.write(oversized(1, id+1))
	}
	eventually(t, "it waits", c.last.stalled.Load)
	if b := c.Condition().Buffered; b != 16 {
		t.Errorf("%d events, want 16", b)
	}
	c.next(16)
	c.none()
	c.Ack(16)
	stub.expect(wire.PubAck, 16)
	c.want("gap:message_too_large")
	c.Ack(1)
	stub.expect(wire.PubAck, 1)
}

// Everything that a message holds is counted: a guest with a broker that never
// acknowledges fills no memory with what is not payload.
func TestPropertiesCount(t *testing.T) {
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		stub := listen(t)
		stub.receiveMaximum = 65535
		c := stub.open(t, group(paced(calm()), func(c *Config) { c.Bytes = 1 << 20 }), version)
		value := bytes.Repeat([]byte{'v'}, 60000)
		heavy := []abi.MQTTMessage{
			{Topic: "out", QoS: 1, UserProperties: []abi.Header{{Name: "n", Value: value}}},
			{Topic: "out", QoS: 1, CorrelationData: value},
			{Topic: "out", QoS: 1, ContentType: string(value)},
			{Topic: "out", QoS: 1, ResponseTopic: string(value)},
		}
		var err error
		n := 0
		for ; err == nil && n < 40; n++ {
			_, err = c.publish(abi.MQTTPublish{TimeoutMS: 1, Messages: heavy[n%len(heavy) : n%len(heavy)+1]})
		}
		wantKind(t, "what is too much", err, fault.Exhausted)
		if n > 18 {
			t.Errorf("%d messages of 60 KB in 1 MiB", n)
		}
	})
}

// What the sessions of a tenant keep is drawn on its purse, and given back.
func TestSessionsDrawOnThePurse(t *testing.T) {
	r := mochi(t)
	const all = 200 << 10
	p := hostfnstest.NewPurse(all)
	s := scope(r.at)
	s.Purse = p
	c := open(t, group(), s, args(r.at))
	payload := strings.Repeat("x", 60<<10)
	for range 10 {
		r.send("in/x", payload, 0)
	}
	eventually(t, "what is too much is dropped", func() bool {
		return c.Condition().Dropped > 0 && c.Condition().Dropped+c.Condition().Counts["received"] == 10
	})
	if n := c.Condition().Counts["received"]; n != 4 {
		t.Errorf("%d messages of 60 KiB in a purse of 200 KiB and 64 KiB beside", n)
	}
	if _, err := c.publish(abi.MQTTPublish{Messages: []abi.MQTTMessage{{Topic: "out", Payload: bytes.Repeat([]byte("y"), 150<<10)}}}); !fault.Is(err, fault.Exhausted) {
		t.Errorf("published beyond the purse: %v", err)
	}
	c.next(5)
	c.Ack(5)
	if left := p.Left(); left != all {
		t.Errorf("%d bytes are left of %d", left, all)
	}
	c.mustPublish(1, strings.Repeat("y", 150<<10))
	r.send("in/x", payload, 0)
	r.send("in/x", payload, 0)
	eventually(t, "they come", func() bool { return c.Condition().Counts["received"] == 6 })
	if p.Left() == all {
		t.Error("nothing is drawn")
	}
	c.close()
	if left := p.Left(); left != all {
		t.Errorf("after the end, %d bytes are left of %d", left, all)
	}
}

// A broker keeps what the purse has no room for, and nothing of it is lost.
func TestEmptyPurseHoldsTheBrokerUp(t *testing.T) {
	pace := calm()
	pace.stall = time.Minute
	r := mochi(t)
	s := scope(r.at)
	s.Purse = hostfnstest.NewPurse(0)
	c := open(t, group(paced(pace)), s, args(r.at))
	for _, topic := range []string{"in/1", "in/2", "in/3"} {
		r.send(topic, strings.Repeat("x", 60<<10), 1)
	}
	eventually(t, "it waits", c.last.stalled.Load)
	if b := c.Condition().Buffered; b != 1 {
		t.Errorf("%d messages without a purse", b)
	}
	for _, topic := range []string{"in/1", "in/2", "in/3"} {
		if got := c.next(1); !strings.HasPrefix(got[0], topic) {
			t.Errorf("got %.20q, want %s", got[0], topic)
		}
		c.Ack(1)
	}
	if cond := c.Condition(); cond.Opens != 1 || cond.Dropped != 0 {
		t.Errorf("%+v", cond)
	}
}
