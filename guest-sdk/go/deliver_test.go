package snaprail_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

type carrier func(in *abi.DeliverInput, step *snaprail.Step) error

func (c carrier) Deliver(in *abi.DeliverInput, step *snaprail.Step) error { return c(in, step) }

func TestDeliverGetsTheParts(t *testing.T) {
	var keys []string
	h := guesttest.New(t, carrier(func(in *abi.DeliverInput, step *snaprail.Step) error {
		for p := range in.Parts {
			part := &in.Parts[p]
			for i := range part.Batch.Records {
				keys = append(keys, part.Key(i)+"="+string(part.Batch.Records[i].Payload))
			}
		}
		step.Retry(in.Count()-1, time.Second, "the other side is full")
		return nil
	}))
	out := h.MustDeliver(
		guesttest.Delivery("hall", 7, abi.Record{Device: "m", Payload: []byte("a")}, abi.Record{Device: "n", Payload: []byte("b")}),
		guesttest.Delivery("roof", 0, abi.Record{Device: "m", Payload: []byte("c")}),
	)
	if want := []string{"hall/1/7=a", "hall/1/8=b", "roof/1/0=c"}; !slices.Equal(keys, want) {
		t.Errorf("delivered %v, want %v", keys, want)
	}
	if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 2 || out.Verdicts[0].Decision != abi.DecisionRetry {
		t.Errorf("verdicts are %+v", out.Verdicts)
	}
}

func TestDeliverThatFails(t *testing.T) {
	h := guesttest.New(t, carrier(func(*abi.DeliverInput, *snaprail.Step) error {
		return &abi.Error{Kind: abi.FaultUnavailable, Text: "the broker is away", RetryAfterMS: 100}
	}))
	_, err := h.Deliver(guesttest.Delivery("hall", 1, abi.Record{Device: "m"}))
	if fault, ok := errors.AsType[*abi.Error](err); !ok || fault.RetryAfterMS != 100 {
		t.Errorf("it failed with %v", err)
	}
}
