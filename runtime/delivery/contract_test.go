package delivery_test

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/flow/flowtest"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestContract: the feed keeps the contract that the lane is tested with.
func TestContract(t *testing.T) {
	flowtest.Run(t, func(t *testing.T, wait time.Duration) flowtest.Subject {
		t.Helper()
		r := newRig(t, outbox.Config{})
		f := r.open(spec.Feed{MaxWaitMS: int(wait.Milliseconds())})
		return flowtest.Subject{
			Feed: f,
			Put:  r.records,
			Turn: func() {
				if err := f.Rewind(r.log.Head()); err != nil {
					t.Error(err)
				}
			},
		}
	})
}

// records appends a block of one batch of the connector "a".
func (r *rig) records(payloads ...string) {
	r.Helper()
	var in abi.Batch
	for _, p := range payloads {
		in.Records = append(in.Records, abi.Record{Device: "d-" + p[:min(2, len(p))], Payload: []byte(p)})
	}
	b := outbox.Block{
		Connector: "a", Epoch: 1, First: r.next["a"], Received: 1,
		Count: len(payloads), Records: outbox.AppendBatch(nil, in.Append(nil)),
	}
	r.next["a"] += uint64(b.Count)
	if _, err := r.log.Append(r.Context(), &b); err != nil {
		r.Fatal(err)
	}
}
