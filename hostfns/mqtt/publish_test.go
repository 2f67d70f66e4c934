package mqtt

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	broker "github.com/mochi-mqtt/server/v2"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestPublish(t *testing.T) {
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		r := mochi(t)
		c := open(t, group(), scope(r.at), args(r.at, version))
		for qos := range uint32(3) {
			c.mustPublish(qos, string('0'+byte(qos)))
		}
		want := []string{"out=0", "out=1", "out=2"}
		eventually(t, "all came", func() bool { return slices.Equal(r.published("out"), want) })
		var many []string
		for i := range 256 {
			many = append(many, string(rune('a'+i%26)))
		}
		c.mustPublish(1, many...)
		for _, payload := range many {
			want = append(want, "out="+payload)
		}
		eventually(t, "all came, in order", func() bool { return slices.Equal(r.published("out"), want) })
		if cond := c.Condition(); cond.Counts["published"] != 259 || cond.Counts["under_way"] != 0 {
			t.Errorf("%+v", cond)
		}
	})
}

func TestPublishWithProperties(t *testing.T) {
	r := mochi(t)
	c := open(t, group(), scope(r.at), args(r.at))
	m := abi.MQTTMessage{
		Topic: "in/p", Payload: []byte("x"), QoS: 1, Retain: true, ContentType: "text/plain", ResponseTopic: "in/r", CorrelationData: []byte{0, 1},
		ExpiryS: 60, UserProperties: []abi.Header{{Name: "a", Value: []byte("1")}, {Name: "a", Value: []byte("2")}},
	}
	if results, err := c.publish(abi.MQTTPublish{Messages: []abi.MQTTMessage{m}}); err != nil || results[0].Code != "" {
		t.Fatalf("%+v, %v", results, err)
	}
	<-c.Ready()
	events := c.Take(nil, 1, 1)
	var got abi.MQTTReceived
	if err := got.Decode(events[0].Data); err != nil {
		t.Fatal(err)
	}
	m.Retain, m.ExpiryS = false, got.Messages[0].ExpiryS
	if !bytes.Equal(got.Messages[0].Append(nil), m.Append(nil)) || m.ExpiryS == 0 || m.ExpiryS > 60 {
		t.Errorf("%+v", got.Messages[0])
	}
	if p, ok := r.server.Topics.Retained.Get("in/p"); !ok || string(p.Payload) != "x" {
		t.Error("it was not retained")
	}
}

func TestResultsOfEachMessage(t *testing.T) {
	r := mochi(t, func(s *broker.Server) { s.Options.Capabilities.MaximumQos = 1 })
	s := scope(r.at)
	s.Grants = []spec.Grant{
		{Resources: []string{"broker:" + r.at, "cidr:127.0.0.0/8"}, Rights: []spec.Right{spec.Read, spec.Write}},
		{Resources: []string{"topic:out/#", "topic:forbidden/#", "topic:locked"}, Rights: []spec.Right{spec.Write}},
		{Resources: []string{"topic:in/#"}},
		{Resources: []string{"topic:locked"}, Rights: []spec.Right{spec.Write}, Interlock: &spec.Interlock{}},
	}
	c := open(t, group(), s, args(r.at, func(a *abi.MQTTOpen) { a.Subscriptions[0].QoS = 1 }))
	m := func(topic string, qos uint32) abi.MQTTMessage {
		return abi.MQTTMessage{Topic: topic, QoS: qos, Payload: []byte("x")}
	}
	results, err := c.publish(abi.MQTTPublish{Messages: []abi.MQTTMessage{
		m("out/1", 1), m("out/+", 0), m("in/x", 1), m("other", 0), m("forbidden/x", 1), m("out/2", 2), m("locked", 1),
		{Topic: "out/p", UserProperties: []abi.Header{{Name: "n", Value: []byte{0xff}}}},
		m("out/3", 3), m("out/4", 0),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, result := range results {
		codes = append(codes, result.Code)
	}
	want := []string{"", "invalid", "denied", "denied", "not_authorized", "qos_not_supported", "interlocked", "invalid", "invalid", ""}
	if !slices.Equal(codes, want) {
		t.Errorf("got %q\nwant %q", codes, want)
	}
	if results[4].Reason != 0x87 || results[4].Retry {
		t.Errorf("%+v", results[4])
	}
	eventually(t, "two came", func() bool { return slices.Equal(r.published("#"), []string{"out/1=x", "out/4=x"}) })
}

// Messages with names stay under way through losses of the connection, and come
// once each.
func TestPublishThroughLosses(t *testing.T) {
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		stub := listen(t)
		c := stub.open(t, group(), version)
		q := abi.MQTTPublish{TimeoutMS: 30, Messages: []abi.MQTTMessage{{Topic: "out", Payload: []byte("1"), QoS: 1, ID: "a"}, {Topic: "out", Payload: []byte("2"), QoS: 2, ID: "b"}, {Topic: "out", Payload: []byte("3"), QoS: 1, ID: "c"}}}
		if results, err := c.publish(q); err != nil || results[0].Code != "not_acknowledged" || !results[2].Retry {
			t.Fatalf("%+v, %v", results, err)
		}
		first := stub.expect(wire.Publish, 3)
		stub.write(wire.AppendAck(nil, stub.version, wire.PubAck, first[0].ID, 0))
		stub.write(wire.AppendAck(nil, stub.version, wire.PubRec, first[1].ID, 0))
		stub.expect(wire.PubRel, 1)
		stub.accept(true, true)
		if rel := stub.expect(wire.PubRel, 1); rel[0].ID != first[1].ID {
			t.Errorf("released: %+v", rel)
		}
		again := stub.expect(wire.Publish, 1)
		if again[0].ID != first[2].ID || !again[0].Dup || string(again[0].Payload) != "3" {
			t.Errorf("sent again: %+v", again[0])
		}
		stub.write(wire.AppendAck(nil, stub.version, wire.PubComp, first[1].ID, 0))
		stub.accept(true, false) // the broker forgot all of it
		fresh := stub.expect(wire.Publish, 1)
		if fresh[0].Dup || string(fresh[0].Payload) != "3" {
			t.Errorf("sent anew: %+v", fresh[0])
		}
		stub.write(wire.AppendAck(nil, stub.version, wire.PubAck, fresh[0].ID, 0))
		q.TimeoutMS = 0
		eventually(t, "all have ended", func() bool { return c.Condition().Counts["under_way"] == 0 })
		results, err := c.publish(q)
		if err != nil || len(results) != 3 || results[0].Code+results[1].Code+results[2].Code != "" {
			t.Errorf("%+v, %v", results, err)
		}
	})
}

func TestPublishWithoutAnAnswer(t *testing.T) {
	stub := listen(t)
	c := stub.open(t, group(func(cfg *Config) { cfg.Messages = 4 }))
	q := abi.MQTTPublish{TimeoutMS: 30, Messages: []abi.MQTTMessage{{Topic: "out", QoS: 1}, {Topic: "out", QoS: 0}, {Topic: "out", QoS: 1}}}
	results, err := c.publish(q)
	if err != nil || results[0].Code != "not_acknowledged" || !results[0].Retry || results[1].Code != "" {
		t.Fatalf("%+v, %v", results, err)
	}
	_, err = c.publish(q)
	wantKind(t, "without room", err, fault.Exhausted)
	if f := fault.Of(err); f.RetryAfter == 0 {
		t.Error("it does not say when to try again")
	}
	stub.drop()
	c.want("down")
	_, err = c.publish(q)
	wantKind(t, "away", err, fault.ResourceUnavailable)
	if n := strings.Count(err.Error(), stub.at); n != 1 {
		t.Errorf("the broker's name stands there %d times: %v", n, err)
	}
	stub.accept(true, true)
	for _, p := range stub.expect(wire.Publish, 2) {
		stub.write(wire.AppendAck(nil, stub.version, wire.PubAck, p.ID, 0))
	}
	eventually(t, "nothing is under way", func() bool { return c.Condition().Counts["under_way"] == 0 })
}

// The broker says how many messages may be under way.
func TestReceiveMaximumOfTheBroker(t *testing.T) {
	stub := listen(t)
	stub.receiveMaximum = 2
	c := stub.open(t, group())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.mustPublish(1, "0", "1", "2", "3", "4")
	}()
	first := stub.expect(wire.Publish, 2)
	c.out.mu.Lock()
	if c.out.flying != 2 || len(c.out.items) != 5 {
		t.Errorf("%d of %d are under way", c.out.flying, len(c.out.items))
	}
	c.out.mu.Unlock()
	order := string(first[0].Payload) + string(first[1].Payload)
	for _, p := range first {
		stub.write(wire.AppendAck(nil, stub.version, wire.PubAck, p.ID, 0))
	}
	for range 3 {
		p := stub.expect(wire.Publish, 1)[0]
		order += string(p.Payload)
		stub.write(wire.AppendAck(nil, stub.version, wire.PubAck, p.ID, 0))
	}
	if <-done; order != "01234" {
		t.Errorf("the order was %s", order)
	}
}

// A broker that keeps the session of an earlier process may have identifiers in use
// that this one knows nothing of.
func TestIdentifiersOfAnEarlierProcess(t *testing.T) {
	stub := listen(t)
	stub.present = true
	c := stub.open(t, group())
	go func() { c.mustPublish(2, "1") }()
	if p := stub.next(); p.Type != wire.PubRel || p.ID == 0 {
		t.Fatalf("not settled first: %+v", p)
	}
	p := stub.next()
	stub.write(wire.AppendAck(nil, stub.version, wire.PubComp, p.ID, 0x92))
	stub.write(wire.AppendAck(nil, stub.version, wire.PubRec, p.ID, 0))
	stub.expect(wire.PubRel, 1)
	if c.Condition().Counts["published"] != 0 {
		t.Error("the answer to what was settled was taken for that to the message")
	}
	stub.write(wire.AppendAck(nil, stub.version, wire.PubComp, p.ID, 0))
	eventually(t, "it was published", func() bool { return c.Condition().Counts["published"] == 1 })
}
