package mqtt

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestBrokerAwayAndBack(t *testing.T) {
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		r := mochi(t)
		c := open(t, group(), scope(r.at), args(r.at, version))
		for range 3 {
			r.down()
			c.want("down")
			if cond := c.Condition(); cond.Up || cond.Reason == "" {
				t.Errorf("%+v", cond)
			}
			r.up()
			c.want("gap:session_lost", "up")
			r.send("in/x", "1", 1)
			c.want("in/x=1")
			c.Ack(4)
			c.mustPublish(2, "1")
		}
		if cond := c.Condition(); !cond.Up || cond.Opens != 4 {
			t.Errorf("%+v", cond)
		}
	})
}

// A broker that is there and says nothing is lost.
func TestHalfOpen(t *testing.T) {
	stub := listen(t)
	c := stub.open(t, group(paced(testPace())))
	stub.silent.Store(true)
	c.want("down")
	if cond := c.Condition(); !strings.Contains(cond.Reason, "does not answer") {
		t.Errorf("%+v", cond)
	}
	stub.silent.Store(false)
	stub.accept(true, true)
	c.want("up")
	if got := c.infoNow(); got.Connections != 2 || !got.SessionPresent {
		t.Errorf("%+v", got)
	}
}

func TestMessageThatIsNeverAcknowledged(t *testing.T) {
	p := testPace()
	p.stuck = 50 * time.Millisecond
	stub := listen(t)
	c := stub.open(t, group(paced(p)))
	if _, err := c.publish(abi.MQTTPublish{TimeoutMS: 20, Messages: []abi.MQTTMessage{{Topic: "out", QoS: 1}}}); err != nil {
		t.Error(err)
	}
	stub.expect(wire.Publish, 1)
	c.want("down")
	stub.accept(true, true)
	if again := stub.expect(wire.Publish, 1); !again[0].Dup {
		t.Errorf("%+v", again)
	}
}

func TestWill(t *testing.T) {
	r := mochi(t)
	r.at = strings.Clone(r.at)
	will := func(text string) *abi.MQTTMessage {
		return &abi.MQTTMessage{Topic: "out/dead", Payload: []byte(text), QoS: 1}
	}
	c := open(t, group(), scope(r.at), args(r.at, func(a *abi.MQTTOpen) { a.Will = will("1") }))
	r.cut("rail")
	c.want("down", "up")
	eventually(t, "the will is published", func() bool { return slices.Equal(r.published("out/dead"), []string{"out/dead=1"}) })
	if _, err := c.Call(t.Context(), "will", (&abi.MQTTWill{Handle: 1, Will: will("2")}).Append(nil), nil); err != nil {
		t.Fatal(err)
	}
	if got := c.infoNow(); string(got.Will.Payload) != "1" {
		t.Errorf("it has changed before the connection: %+v", got)
	}
	reply, err := c.Call(t.Context(), "reconnect", abi.Handle{Handle: 1}.Append(nil), nil)
	var info abi.MQTTInfo
	if err != nil || info.Decode(reply) != nil || info.Connections != 3 || string(info.Will.Payload) != "2" || !info.SessionPresent {
		t.Errorf("%+v, %v", info, err)
	}
	c.want("down", "up")
	c.mustPublish(1, "the broker reads")
	r.cut("rail")
	c.want("down", "up")
	want := []string{"out/dead=1", "out/dead=2"}
	eventually(t, "the new will is published", func() bool { return slices.Equal(r.published("out/dead"), want) })
	c.sayGoodbye()
	c.close()
	if got := r.published("out/dead"); !slices.Equal(got, want) {
		t.Errorf("after a goodbye: %v", got)
	}
}

func (c client) sayGoodbye() {
	c.t.Helper()
	if _, err := c.Call(c.t.Context(), "close", abi.Handle{Handle: 1}.Append(nil), nil); err != nil {
		c.t.Error(err)
	}
}

// A session that ends lets the broker publish its will, unless its guest has said
// goodbye, or it was only a candidate's, or another session goes on with the client
// id.
func TestWillAtTheEnd(t *testing.T) {
	for name, end := range map[string]struct {
		do   func(client)
		dead bool
	}{
		"its guest is gone":          {client.Own, true},
		"it has published":           {func(c client) { c.mustPublish(1, "x") }, true},
		"a candidate":                {func(client) {}, false},
		"it has said goodbye":        {func(c client) { c.Own(); c.sayGoodbye() }, false},
		"it goes on after a goodbye": {func(c client) { c.sayGoodbye(); c.mustPublish(1, "x") }, true},
		"another guest goes on":      {func(c client) { c.sayGoodbye(); c.Own() }, true},
	} {
		for version, of := range map[string]func(*abi.MQTTOpen){"5": func(*abi.MQTTOpen) {}, "3.1.1": v311} {
			t.Run(name+", "+version, func(t *testing.T) {
				r := mochi(t)
				c := open(t, group(), scope(r.at), args(r.at, of, func(a *abi.MQTTOpen) {
					a.Will = &abi.MQTTMessage{Topic: "out/dead", Payload: []byte("gone"), QoS: 1}
				}))
				end.do(c)
				began := time.Now()
				c.close()
				if took := time.Since(began); took > goodbyeFor {
					t.Errorf("the broker does not hang up: it took %v", took)
				}
				if end.dead {
					eventually(t, "the will", func() bool { return len(r.published("out/dead")) == 1 })
					return
				}
				eventually(t, "the broker has read the goodbye", func() bool { cl, ok := r.server.Clients.Get("rail"); return !ok || cl.Closed() })
				if got := r.published("out/dead"); len(got) > 0 {
					t.Errorf("got %v", got)
				}
			})
		}
	}
	t.Run("another session has the client id", func(t *testing.T) {
		r := mochi(t)
		g := group()
		will := func(topic string) func(*abi.MQTTOpen) {
			return func(a *abi.MQTTOpen) { a.Will = &abi.MQTTMessage{Topic: topic, Payload: []byte("gone"), QoS: 1} }
		}
		older := open(t, g, scope(r.at), args(r.at, will("out/older")))
		older.Own()
		newer := open(t, g, scope(r.at), args(r.at, will("out/newer")))
		newer.Own()
		older.want("down")
		newer.want("down", "up") // under its client id
		newer.close()
		older.want("up")
		if got := r.published("out/newer"); len(got) > 0 {
			t.Errorf("got %v", got)
		}
	})
}

// MQTT 5 has a word for it, MQTT 3.1.1 none.
func TestTheWordForTheWill(t *testing.T) {
	for _, of := range []func(*abi.MQTTOpen){func(*abi.MQTTOpen) {}, v311} {
		stub := listen(t)
		c := stub.open(t, group(), of, func(a *abi.MQTTOpen) { a.Will = &abi.MQTTMessage{Topic: "out/dead", QoS: 1} })
		c.Own()
		over := make(chan struct{})
		go func() { defer close(over); c.close() }()
		if c.set.version == wire.V5 {
			if p := stub.expect(wire.Disconnect, 1)[0]; p.Reason != reasonWithWill {
				t.Errorf("the reason is %#x", p.Reason)
			}
		} else if p, more := <-stub.packets; more {
			t.Errorf("it says %+v", p)
		}
		stub.drop()
		<-over
	}
}

// Another client with the same id is not fought.
func TestTakenOver(t *testing.T) {
	r := mochi(t)
	p := calm()
	p.contest = time.Minute
	c := open(t, group(paced(p)), scope(r.at), args(r.at))
	other := open(t, group(), scope(r.at), args(r.at)) // another process
	c.want("down")
	if cond := c.Condition(); cond.Up || !strings.Contains(cond.Reason, "session_taken_over") {
		t.Errorf("%+v", cond)
	}
	other.mustPublish(1, "mine")
	if other.Condition().Opens != 1 {
		t.Error("they fight")
	}
}

func TestBackoff(t *testing.T) {
	b := backoff{pace: defaultPace()}
	within := func(what string, got, want time.Duration) {
		t.Helper()
		if got < want*3/4 || got > want*5/4+1 {
			t.Errorf("%s: %v, want about %v", what, got, want)
		}
	}
	away := fault.New(fault.ResourceUnavailable, "away")
	taken := takenOver{away}
	within("the first", b.after(time.Millisecond, away), 100*time.Millisecond)
	within("the second", b.after(time.Millisecond, away), 200*time.Millisecond)
	for range 20 {
		b.failed(away)
	}
	within("the last", b.failed(away), b.pace.retry)
	within("a login", b.failed(fault.New(fault.ConfigInvalid, "no")), b.pace.again)
	within("after a good one", b.after(time.Minute, away), 100*time.Millisecond)
	within("taken over", b.after(time.Second, taken), 5*time.Second)
	within("taken over again", b.after(time.Second, taken), 10*time.Second)
	for range 20 {
		b.after(time.Second, taken)
	}
	within("for ever", b.after(time.Second, taken), maxContest)
	if b.after(time.Hour, errRequested) != 0 {
		t.Error("what is asked for waits")
	}
}

// A connector that opens another session with its client id, as when its config
// changes, does not fight itself: the new one takes over when its guest runs.
func TestTwoSessionsOfAConnector(t *testing.T) {
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		r := mochi(t)
		g := group()
		old := open(t, g, scope(r.at), args(r.at, version))
		r.send("in/x", "1", 1)
		old.want("in/x=1")
		fresh := open(t, g, scope(r.at), args(r.at, version, func(a *abi.MQTTOpen) {
			a.Subscriptions = append(a.Subscriptions, abi.MQTTSubscription{Filter: "more/#", QoS: 1})
		}))
		old.none()
		fresh.Own()
		old.want("down")
		eventually(t, "it waits", func() bool { return strings.Contains(old.Condition().Reason, "another session of this connector") })
		fresh.want("down")
		if got := fresh.next(2); !slices.Contains(got, "up") || !slices.Contains(got, "in/x=1") {
			t.Fatalf("got %v", got)
		}
		r.send("more/x", "2", 1)
		fresh.want("more/x=2")
		fresh.Ack(4)
		fresh.mustPublish(2, "it works")
		fresh.close()
		old.want("up")
		old.Ack(3)
		old.mustPublish(1, "still there")
	})
}

// A candidate, a test or a job takes nothing away from the session that runs: not its
// connection, not its will, and nothing that the broker keeps for it.
func TestTrialLeavesTheSession(t *testing.T) {
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		r := mochi(t)
		g := group()
		will := func(a *abi.MQTTOpen) { a.Will = &abi.MQTTMessage{Topic: "out/dead", Payload: []byte("x"), QoS: 1} }
		running := open(t, g, scope(r.at), args(r.at, version, will))
		running.Own()
		r.send("in/x", "1", 1)
		running.want("in/x=1")
		trial := open(t, g, scope(r.at), args(r.at, version, will, func(a *abi.MQTTOpen) { a.SessionExpiryS, a.CleanStart = 0, a.Version == 0 }))
		if cond := trial.Condition(); !cond.Up {
			t.Errorf("it was not tried: %+v", cond)
		}
		trial.mustPublish(1, "a job's")
		r.send("in/x", "2", 1)
		running.want("in/x=2")
		trial.none()
		r.cut(trial.alias)
		trial.want("down", "up") // as itself
		trial.close()
		r.send("in/x", "3", 1)
		running.want("in/x=3")
		running.Ack(3)
		if cond := running.Condition(); !cond.Up || cond.Opens != 1 {
			t.Errorf("%+v", cond)
		}
		if got := r.published("out/dead"); len(got) > 0 {
			t.Errorf("a will: %v", got)
		}
	})
}

// Nor does the test of a connector that is stopped: what the broker keeps for it is
// there when it starts.
func TestTestsLeaveWhatIsKept(t *testing.T) {
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		r := mochi(t)
		g := group()
		keeps := func(a *abi.MQTTOpen) { a.SessionExpiryS = 600 }
		will := func(a *abi.MQTTOpen) { a.Will = &abi.MQTTMessage{Topic: "out/dead", Payload: []byte("x"), QoS: 1} }
		stopped := open(t, g, scope(r.at), args(r.at, version, keeps))
		stopped.Own()
		stopped.close()
		r.send("in/x", "1", 1)
		tested := scope(r.at)
		runs := false
		tested.Tried = func() bool { return !runs }
		for _, id := range []string{"", stopped.set.args.ClientID} {
			test := open(t, g, tested, args(r.at, version, will, func(a *abi.MQTTOpen) { a.ClientID, a.SessionExpiryS, a.CleanStart = id, 0, a.Version == 0 }))
			if cond := test.Condition(); !cond.Up {
				t.Errorf("it was not tested: %+v", cond)
			}
			r.cutAll()
			test.want("down", "up")
			test.none()
			test.close()
		}
		candidate := open(t, g, tested, args(r.at, version, keeps))
		candidate.none()
		runs = true
		candidate.Own()
		candidate.want("down")
		if got := candidate.next(2); !slices.Contains(got, "up") || !slices.Contains(got, "in/x=1") {
			t.Errorf("got %v", got)
		}
		candidate.Ack(3)
		candidate.close()
		if got := r.published("out/dead"); len(got) > 0 {
			t.Errorf("a will: %v", got)
		}
	})
}

// A broker that knows its clients by name lets nobody else in: the session waits for
// the client id. A wrong password is an error all the same.
func TestTrialOfAKnownClient(t *testing.T) {
	stub := listen(t)
	g := group()
	refuse := func(reason byte) {
		conn := stub.conn
		defer func() { stub.conn = conn }()
		stub.conn = nil
		stub.accept(false, false)
		stub.write(stub.connAck(false, reason))
		stub.drop()
	}
	for _, reason := range []byte{reasonClientID, reasonNotAuthorized} {
		running := stub.open(t, g)
		over := make(chan struct{})
		go func() { defer close(over); refuse(reason) }()
		trial := open(t, g, scope(stub.at), args(stub.at, small))
		<-over
		if cond := trial.Condition(); cond.Up || !strings.Contains(cond.Reason, "has the client id") || !running.Condition().Up {
			t.Errorf("%+v, %+v", cond, running.Condition())
		}
		over = make(chan struct{})
		go func() { defer close(over); stub.accept(true, true) }()
		trial.Own()
		trial.want("down", "up")
		<-over
		go func() { trial.close(); running.close() }()
		eventually(t, "both are closed", func() bool { return g.places.free(trial.place) })
	}
	stub.open(t, g)
	over := make(chan struct{})
	go func() { defer close(over); refuse(reasonLogin) }()
	_, err := tryOpen(t, g, scope(stub.at), args(stub.at, small))
	<-over
	wantKind(t, "a wrong password", err, fault.ConfigInvalid)
}

func (p *places) free(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.by[key]) == 0
}

func TestReferenceToAnotherBroker(t *testing.T) {
	trap := listen(t)
	reached := make(chan struct{})
	go func() {
		if conn, err := trap.listener.Accept(); err == nil {
			_ = conn.Close()
			close(reached)
		}
	}()
	stub := listen(t)
	property := append([]byte{28, 0, byte(len(trap.at))}, trap.at...)
	go func() {
		stub.accept(false, false)
		stub.write(stub.connAck(false, 0x9c, property...))
	}()
	_, err := tryOpen(t, group(), scope(stub.at), args(stub.at))
	wantKind(t, "referred to another", err, fault.ConfigInvalid)
	if f := fault.Of(err); f == nil || !strings.Contains(f.Text, trap.at) {
		t.Errorf("it does not say where to: %v", err)
	}
	select {
	case <-reached:
		t.Error("it was followed")
	default:
	}
}

func TestQueueFull(t *testing.T) {
	stub := listen(t)
	c := stub.open(t, group(func(cfg *Config) { cfg.Messages = 3 }))
	for i := range 9 {
		stub.publish("in/x", string(rune('0'+i)), 0, 0, false)
	}
	stub.publish("in/x", "last", 1, 1, false)
	eventually(t, "the rest is dropped", func() bool { return c.Condition().Dropped == 6 })
	c.want("in/x=0", "in/x=1", "in/x=2", "gap:queue_full")
	c.Ack(4)
	c.want("in/x=last")
	if cond := c.Condition(); cond.Dropped != 6 || cond.Counts["dropped_queue_full"] != 6 {
		t.Errorf("%+v", cond)
	}
}

// Messages of QoS 1 are never dropped: who sends more than is taken is not read.
func TestSlowGuest(t *testing.T) {
	stub := listen(t)
	p := calm()
	p.stall = 50 * time.Millisecond
	c := stub.open(t, group(paced(p), func(cfg *Config) { cfg.Messages = 2 }))
	const n = 8 // as many as may lie there in the worst case
	for i := range n {
		stub.publish("in/x", string(rune('0'+i)), 1, uint16(i+1), false)
	}
	eventually(t, "all came, late", func() bool { return c.Condition().Buffered == n })
	stub.publish("in/x", "8", 1, n+1, false)
	stub.accept(true, true) // the connection was ended
	for i := range n + 1 {
		stub.publish("in/x", string(rune('0'+i)), 1, uint16(i+1), true)
	}
	c.want("in/x=0", "in/x=1", "in/x=2", "in/x=3", "in/x=4", "in/x=5", "in/x=6", "in/x=7")
	c.Ack(n)
	c.want("down", "up", "in/x=8")
	for i := range n {
		if p := stub.expect(wire.PubAck, 1); p[0].ID != uint16(i+1) {
			t.Errorf("acknowledged %d", p[0].ID)
		}
	}
	if cond := c.Condition(); cond.Dropped != 0 {
		t.Errorf("%+v", cond)
	}
}

func TestMessageThatIsTooLarge(t *testing.T) {
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		stub := listen(t)
		c := stub.open(t, group(), version)
		for i, size := range []int{abi.MaxRecord, maxPacket + 1} {
			stub.publish("in/x", strings.Repeat("x", size), 1, uint16(i+1), false)
		}
		stub.publish("in/x", "1", 1, 3, false)
		c.want("gap:message_too_large", "gap:message_too_large", "in/x=1")
		if cond := c.Condition(); cond.Dropped != 2 || cond.Counts["dropped_message_too_large"] != 2 {
			t.Errorf("%+v", cond)
		}
		c.Ack(3)
		if got := stub.expect(wire.PubAck, 3); got[0].ID != 1 || got[2].ID != 3 {
			t.Errorf("%+v", got)
		}
		if cond := c.Condition(); cond.Dropped != 2 || !cond.Up {
			t.Errorf("%+v", cond)
		}
	})
}

// What was not asked for does not reach the guest, whatever a broker sends.
func TestUnwanted(t *testing.T) {
	stub := listen(t)
	c := stub.open(t, group())
	for i, topic := range []string{"other", "in", "in/x", "$SYS/in/x"} {
		stub.publish(topic, "1", 1, uint16(i+1), false)
	}
	c.want("in=1", "in/x=1")
	c.none()
	if got := c.Condition().Counts["unwanted"]; got != 2 {
		t.Errorf("%d unwanted", got)
	}
	if got := stub.expect(wire.PubAck, 2); got[0].ID != 1 || got[1].ID != 4 {
		t.Errorf("%+v", got)
	}
}

func TestExactlyOnce(t *testing.T) {
	stub := listen(t)
	c := stub.open(t, group())
	stub.publish("in/x", "1", 2, 7, false)
	c.want("in/x=1")
	c.Ack(1)
	stub.expect(wire.PubRec, 1)
	stub.accept(true, true)
	stub.publish("in/x", "1", 2, 7, true) // the PUBREC was lost
	stub.expect(wire.PubRec, 1)
	stub.write(wire.AppendAck(nil, stub.version, wire.PubRel, 7, 0))
	if p := stub.expect(wire.PubComp, 1); p[0].Reason != 0 {
		t.Errorf("%+v", p)
	}
	stub.publish("in/x", "2", 2, 7, false)
	c.want("down", "up", "in/x=2")
	stub.write(wire.AppendAck(nil, stub.version, wire.PubRel, 99, 0))
	if p := stub.expect(wire.PubComp, 1); p[0].Reason != reasonUnknownID {
		t.Errorf("%+v", p)
	}
}

func TestHostileBrokers(t *testing.T) {
	for name, bytes := range map[string][]byte{
		"a length that has no end": {0x30, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"an endless message":       {0x30, 0xff, 0xff, 0xff, 0x7f, 0, 4, 'i', 'n', '/', 'x'},
		"a topic that has no end":  {0x30, 4, 0xff, 0xff, 'a', 'b'},
		"no topic":                 {0x30, 3, 0, 0, 0},
		"a topic with a wildcard":  {0x30, 6, 0, 1, '#', 0, 'x', 'x'},
		"QoS 3":                    {0x36, 6, 0, 1, 'a', 0, 1, 0},
		"the identifier 0":         {0x32, 6, 0, 1, 'a', 0, 0, 0},
		"a client's packet":        {0x82, 2, 0, 1},
		"another CONNACK":          {0x20, 3, 0, 0, 0},
		"an AUTH":                  {0xf0, 0},
		"flags":                    {0xd1, 0},
		"a property twice":         {0x20, 9, 0, 0, 6, 33, 0, 1, 33, 0, 1},
		"an unknown property":      {0x40, 6, 0, 1, 0, 2, 99, 0},
		"a disconnect":             {0xe0, 1, 0x8b},
	} {
		t.Run(name, func(t *testing.T) {
			stub := listen(t)
			c := stub.open(t, group())
			stub.write(bytes)
			if name == "an endless message" {
				stub.drop()
			}
			c.want("down")
			stub.accept(true, true)
			c.want("up")
		})
	}
}

func TestOpenGivesUp(t *testing.T) {
	stub := listen(t)
	_ = stub.listener.Close()
	_, err := tryOpen(t, group(), scope(stub.at), args(stub.at, func(a *abi.MQTTOpen) { a.OpenTimeoutMS = 100 }))
	wantKind(t, "nobody is there", err, fault.ResourceUnavailable)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = group().Open(ctx, scope(stub.at), args(stub.at).Append(nil))
	wantKind(t, "cancelled", err, fault.Canceled)
}
