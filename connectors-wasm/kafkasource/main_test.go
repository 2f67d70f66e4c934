package main

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// example is the worked example of README.md.
func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(text)[1])
}

func opened(t *testing.T) (*guesttest.Harness, *guesttest.Topics) {
	t.Helper()
	h := guesttest.New(t, &source{})
	h.KV()
	h.Log()
	k := h.Kafka("plant.readings")
	out := h.MustOpen(example(t))
	if len(out.Devices) != 1 || out.Devices[0].ID != "plant" {
		t.Errorf("devices %+v", out.Devices)
	}
	return h, k
}

func TestWorkedExample(t *testing.T) {
	h, k := opened(t)
	args := k.Opened()[0]
	if args.Group != "snaprail" || args.Password != "secret://kafka" || args.Mechanism != "SCRAM-SHA-512" || !args.TLS {
		t.Errorf("%+v", args)
	}
	m := abi.KafkaRecord{
		Topic: "plant.readings", Partition: 3, Offset: 4711, Time: 1_700_000_000_123_000_000,
		Key: []byte("pump1"), Value: []byte(`{"bar":4.2}`), Headers: []abi.Header{{Name: "trace", Value: []byte("7")}},
	}
	out := h.MustEvents(k.Event(m))
	if len(out.Batch.Records) != 1 || len(out.Devices) != 1 || out.Devices[0].ID != "pump1" {
		t.Fatalf("%+v", out)
	}
	r := out.Batch.Records[0]
	if r.Device != "pump1" || string(r.Payload) != `{"bar":4.2}` || r.ContentType != "application/json" ||
		r.SourceKey != "plant.readings/3/4711" || r.Time != m.Time || string(r.Key) != "pump1" || len(r.Headers) != 1 {
		t.Errorf("%+v", r)
	}
	m.Offset, m.Key = 4712, nil
	if out := h.MustEvents(k.Event(m)); out.Batch.Records[0].Device != "plant" || len(out.Devices) != 0 {
		t.Errorf("without a key: %+v", out)
	}
	m.Offset, m.Value = 4713, nil
	if out := h.MustEvents(k.Event(m)); len(out.Batch.Records) != 0 || len(out.Verdicts) != 1 || out.Verdicts[0].Decision != abi.DecisionSkip {
		t.Errorf("a deletion: %+v", out)
	}
}

func TestWhatIsNoRecord(t *testing.T) {
	h, k := opened(t)
	broken := k.Event(abi.KafkaRecord{Topic: "plant.readings"})
	broken.Data = []byte{0xff}
	out := h.MustEvents(
		broken,
		abi.Event{Type: abi.EventDown, Handle: 1, Err: &abi.Error{Text: "gone"}}, abi.Event{Type: abi.EventUp, Handle: 1},
		abi.Event{Type: abi.EventGap, Handle: 1, Name: "data_loss"},
	)
	if len(out.Batch.Records) != 0 || len(out.Verdicts) != 1 || out.Verdicts[0].Decision != abi.DecisionReject {
		t.Errorf("%+v", out)
	}
}

// A test joins no group.
func TestTest(t *testing.T) {
	h := guesttest.New(t, &source{})
	h.KV()
	k := h.Kafka("plant.readings")
	result, err := h.Test(example(t))
	if err != nil || !result.Success || result.Message != "the topic is there; partitions: 1" || k.Opened()[0].Group != "" {
		t.Errorf("%+v, %v, %+v", result, err, k.Opened())
	}
	k.Refuse(errors.New("nobody is there"))
	if result, err := h.Test(example(t)); err == nil && result.Success {
		t.Errorf("%+v", result)
	}
}

// A topic that is not there fails the test, and is not made by it.
func TestTestWithoutTheTopic(t *testing.T) {
	h := guesttest.New(t, &source{})
	h.KV()
	k := h.Kafka("another")
	result, err := h.Test(example(t))
	if err != nil || result.Success || !strings.Contains(result.Message, "no topic plant.readings") || k.Stored("plant.readings") != nil {
		t.Errorf("%+v, %v", result, err)
	}
}

// What is in the outbox since before a crash comes again, and is taken once; what
// has the same place in a topic that was made anew is taken.
func TestRepeatsAfterACrash(t *testing.T) {
	h, k := opened(t)
	m := abi.KafkaRecord{Topic: "plant.readings", TopicID: "AAE", Partition: 2, Offset: 16, Value: []byte("a")}
	last := m
	last.Offset = 17
	other := m
	other.Partition, other.Offset = 0, 3
	cursor := h.MustEvents(k.Event(m), k.Event(last), k.Event(other)).Cursor
	if string(cursor) != "snaprail/AAE 0:4 2:18" {
		t.Fatalf("the cursor is %q", cursor)
	}
	if out := h.MustEvents(k.Event(last)); len(out.Batch.Records) != 1 {
		t.Errorf("what the host hands in twice to one guest is not in the outbox: %+v", out)
	}
	again := guesttest.New(t, &source{})
	again.KV()
	again.Log()
	k = again.Kafka("plant.readings")
	in := guesttest.Opening(example(t), abi.ReasonStart)
	in.Cursor = cursor
	if _, err := again.Open(in); err != nil {
		t.Fatal(err)
	}
	next := m
	next.Offset = 18
	out := again.MustEvents(k.Event(last), k.Event(next))
	if len(out.Batch.Records) != 1 || out.Batch.Records[0].SourceKey != "plant.readings/2/18/AAE" || len(out.Verdicts) != 1 || string(out.Cursor) != "snaprail/AAE 0:4 2:19" {
		t.Errorf("%+v", out)
	}
	m.TopicID, m.Offset = "AAI", 0
	if out = again.MustEvents(k.Event(m)); len(out.Batch.Records) != 1 || string(out.Cursor) != "snaprail/AAI 2:1" {
		t.Errorf("a topic made anew: %+v", out)
	}
	far := readPlace([]byte("snaprail/AAE 2:100000"), "snaprail")
	if early := (abi.KafkaRecord{TopicID: "AAE", Partition: 2, Offset: 9}); far.has(&early) || far.has(&abi.KafkaRecord{TopicID: "AAE", Partition: 2, Offset: 99_999}) {
		t.Error("a group that was moved back far reads nothing again")
	}
	if other := readPlace(cursor, "another"); other.has(&last) {
		t.Error("another group has read nothing")
	}
	m.TopicID = ""
	if out = again.MustEvents(k.Event(m)); len(out.Batch.Records) != 1 {
		t.Errorf("a topic without an ID: %+v", out)
	}
}
