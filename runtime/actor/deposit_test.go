package actor

import (
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// What a job staged goes with what it emits: when that is refused, nothing of it
// becomes durable with the next.
func TestRefusedDepositLeavesNothing(t *testing.T) {
	t.Parallel()
	l := converting(nil)
	g := &guest{surroundings: l.env}
	g.stage = stage{quota: l.env.quota}
	if err := g.stage.Put(t.Context(), "half", []byte("done")); err != nil {
		t.Fatal(err)
	}
	refused := abi.Outcome{Jobs: []abi.Job{{Name: "another"}}}
	d := &deposit{guest: g, out: refused.Append(nil), done: make(chan error, 1)}
	if err := l.settleDeposit(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := <-d.done; !fault.Is(err, fault.Guest) {
		t.Errorf("it was answered %v", err)
	}
	if left := g.stage.take(); len(left) != 0 {
		t.Errorf("%v is left for the next emit", left)
	}
}
