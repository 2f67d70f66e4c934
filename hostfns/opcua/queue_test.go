package opcua

import (
	"context"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
)

// Whoever's purse is empty keeps as much as every session may have; the server is not
// asked for more until that is taken, and nothing is lost.
func TestEmptyPurseHoldsTheServerUp(t *testing.T) {
	p := newPlant(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	open := abi.OPCUAOpen{Endpoint: p.endpoint(), AllowInsecure: true}
	end, err := testGroup(quick()).Open(ctx, capability.Scope{Owner: "con_1", Grants: grantsFor(open.Endpoint), Purse: hostfnstest.NewPurse(0)}, open.Append(nil))
	must(t, err)
	t.Cleanup(func() { closeSession(t, end) })
	s := end.(*Session)

	const all, fit = 8, 2
	value := abi.OPCUAValue{Item: 1, Variant: make([]byte, 30<<10)}
	delivered := make(chan int, all)
	go func() {
		defer close(delivered)
		for i := range all {
			if s.deliver(ctx, "a", []abi.OPCUAValue{value}) != nil {
				return
			}
			delivered <- i
		}
	}()
	for range fit {
		<-delivered
	}
	if s.events.HasRoom(len(value.Variant)) {
		t.Error("there is room without a purse")
	}
	got := fit
	for taken := 0; taken < all; {
		select {
		case <-s.Ready():
		case <-ctx.Done():
			t.Fatalf("%d of %d in time", taken, all)
		}
		n := len(s.Take(nil, 100, 1<<20))
		if n > fit {
			t.Errorf("%d at once", n)
		}
		s.Ack(n)
		taken += n
	}
	for range delivered {
		got++
	}
	if c := s.Condition(); got != all || c.Dropped != 0 || !c.Up {
		t.Errorf("%d of %d, %+v", got, all, c)
	}
}

// A guest is not handed more values at once than it may give back as points.
func TestTakesNoMoreValuesThanAStepMayHave(t *testing.T) {
	s := newSession(testGroup(quick()), &caller{set: &settings{}}, capability.Scope{})
	for range 3 {
		if err := s.events.Put(t.Context(), capability.Event{Type: abi.EventData}, abi.MaxBatchPoints/2); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.Take(nil, 10, 1<<20)); n != 2 {
		t.Errorf("%d events at once, want 2", n)
	}
}
