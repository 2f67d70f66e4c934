package supervisor

import (
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// TestNothingFollowsTheLastBlock of a remote connector, whose code had its records
// let in before the stop began.
func TestNothingFollowsTheLastBlock(t *testing.T) {
	log, err := outbox.Open(t.TempDir(), outbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	ten := &Tenant{name: "plant", super: &Supervisor{kill: t.Context()}, log: log}
	r := &runner{Tenant: ten, id: "con_a", host: &host{Tenant: ten, id: "con_a"}}
	is := &remote{runner: r, epoch: 1}
	session := &RemoteSession{of: is}
	batch := &abi.Batch{Records: []abi.Record{{Device: "a", Kind: abi.KindEvent, Payload: []byte("{}")}}}
	if _, err := session.Emit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := is.lastBlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Emit(t.Context(), batch); !fault.Is(err, fault.NotActive) {
		t.Errorf("behind the last block: %v", err)
	}
	if s, known := log.State("con_a"); !known || s.Next != 1 || !s.Stopped {
		t.Errorf("the log ends with %+v", s)
	}
}
