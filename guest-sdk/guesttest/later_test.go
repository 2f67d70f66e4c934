package guesttest_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/kafka"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// hasty is a sink that does not wait unless it is told to.
type hasty struct {
	topic kafka.Topic
	calls []string
}

func (s *hasty) Open(*abi.OpenInput, *snaprail.Step) (err error) {
	s.topic, err = kafka.Open(abi.KafkaOpen{Brokers: []string{"k1:9092"}, Topic: "out"})
	return err
}

func (s *hasty) Deliver(in *abi.DeliverInput, step *snaprail.Step) error {
	s.calls = append(s.calls, fmt.Sprint(in.Count(), in.Wait))
	var d kafka.Draft
	for p := range in.Parts {
		for i := range in.Parts[p].Batch.Records {
			d.Add(&abi.KafkaRecord{Value: in.Parts[p].Batch.Records[i].Payload}, []byte(in.Parts[p].Key(i)))
		}
	}
	if in.Wait {
		results, err := s.topic.ProduceDraft(0, &d)
		for i := range results {
			if results[i].Code != "" {
				step.Reject(i, results[i].Code)
			}
		}
		return err
	}
	ticket, err := s.topic.ProduceLater(&d)
	if err == nil {
		step.Await(ticket)
	}
	return err
}

// TestTickets: a guest that does not wait is handed records again, and told to wait,
// unless all of them arrive; what is in the topic by then is not sent twice.
func TestTickets(t *testing.T) {
	s := &hasty{}
	h := guesttest.New(t, s)
	k := h.Kafka("out")
	h.MustOpen("{}")
	records := []abi.Record{{Device: "d", Payload: []byte("1")}, {Device: "d", Payload: []byte("2")}}
	if out := h.MustDeliver(guesttest.Delivery("hall", 1, records...)); len(out.Tickets) != 1 || len(k.Stored("out")) != 2 {
		t.Errorf("%+v, stored %+v", out, k.Stored("out"))
	}
	k.Answer(func(r abi.KafkaRecord) *abi.KafkaResult {
		if string(r.Value) == "2" {
			return &abi.KafkaResult{Code: "MESSAGE_TOO_LARGE"}
		}
		return nil
	})
	out := h.MustDeliver(guesttest.Delivery("hall", 3, records...))
	if len(out.Tickets) != 0 || len(out.Verdicts) != 1 || out.Verdicts[0].Input != 1 || len(k.Stored("out")) != 3 {
		t.Errorf("%+v, stored %+v", out, k.Stored("out"))
	}
	if want := []string{"2 false", "2 false", "2 true"}; !slices.Equal(s.calls, want) {
		t.Errorf("handed %v, want %v", s.calls, want)
	}
}
