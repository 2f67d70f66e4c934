package guesttest_test

import (
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/kafka"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// mirror reads one topic and produces to another.
type mirror struct {
	out     kafka.Topic
	results []abi.KafkaResult
}

func (m *mirror) Open(*abi.OpenInput, *snaprail.Step) error {
	_, err := kafka.Open(abi.KafkaOpen{Brokers: []string{"k1:9092"}, Topic: "in", Group: "g"})
	if err != nil {
		return err
	}
	m.out, err = kafka.Open(abi.KafkaOpen{Brokers: []string{"k1:9092"}, Topic: "out"})
	return err
}

func (m *mirror) OnEvents(events []abi.Event, step *snaprail.Step) error {
	for _, e := range events {
		from, err := kafka.Read(e)
		if err != nil {
			return err
		}
		kafka.Fill(step.Payload("pump1", from.Time, "text/plain", from.Value), from)
		if m.results, err = m.out.Produce(kafka.SourceKey(from), abi.KafkaRecord{Key: from.Key, Value: from.Value}); err != nil {
			return err
		}
		if m.results[0].Code != "" {
			if _, err := m.out.Ensure(1, 1, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestKafka(t *testing.T) {
	m := &mirror{}
	h := guesttest.New(t, m)
	k := h.Kafka("in")
	h.MustOpen("{}")
	if opened := k.Opened(); len(opened) != 2 || opened[0].Group != "g" {
		t.Fatalf("%+v", opened)
	}
	read := abi.KafkaRecord{Topic: "in", Partition: 3, Offset: 4711, Time: 5, Key: []byte("k"), Value: []byte("v"), Headers: []abi.Header{{Name: "h", Value: []byte("1")}}}
	out := h.MustEvents(k.Event(read))
	if len(out.Batch.Records) != 1 {
		t.Fatalf("%+v", out)
	}
	if r := out.Batch.Records[0]; r.SourceKey != "in/3/4711" || string(r.Payload) != "v" || string(r.Key) != "k" || r.Time != 5 || len(r.Headers) != 1 {
		t.Errorf("%+v", r)
	}
	if m.results[0].Code != "UNKNOWN_TOPIC_OR_PARTITION" || !m.results[0].Retry {
		t.Errorf("a topic that is not there: %+v", m.results)
	}
	read.Offset++
	h.MustEvents(k.Event(read))
	h.MustEvents(k.Event(read)) // the same batch again sends nothing
	if stored := k.Stored("out"); len(stored) != 1 || string(stored[0].Value) != "v" || string(stored[0].Key) != "k" {
		t.Errorf("%+v", stored)
	}
	k.Refuse(&abi.Error{Kind: abi.FaultTimeout, Code: "timeout", Text: "nobody is there"})
	if _, err := h.OnEvents(k.Event(read)); kindOf(err) != abi.FaultTimeout {
		t.Errorf("got %v", err)
	}
}
