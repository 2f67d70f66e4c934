package supervisor

import (
	"context"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// TestALaneDoesNotWaitForNotes: what it settles is noted beside it, and together
// when the store is behind.
func TestALaneDoesNotWaitForNotes(t *testing.T) {
	log, err := outbox.Open(t.TempDir(), outbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	tenant := &Tenant{super: &Supervisor{kill: t.Context()}, log: log}
	f, err := tenant.feeds.open(context.WithoutCancel(t.Context()), delivery.Config{
		Log: log, Connector: "out", Tell: func(string) {}, Name: func(_ context.Context, id string) (string, error) { return id, nil },
		Settled: func(done []*delivery.Again) { tenant.settled("out", done) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := abi.DeliverInput{Parts: []abi.DeliverPart{{ID: "a", Batch: abi.Batch{Records: []abi.Record{{Device: "d"}}}}}}
	r := outbox.Reject{Input: in.Append(nil)}
	began, let := make(chan []delivery.Position, 10), make(chan struct{})
	note := func(_ context.Context, id string, at []delivery.Position) {
		if id != "out" {
			t.Errorf("of %s", id)
		}
		began <- at
		<-let
	}
	const records = 100
	var all []*delivery.Again
	for i := range records {
		a, err := tenant.Again("out", delivery.Position{Block: 1, Index: i}, &r, note)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	settled := make(chan struct{})
	go func() { // as a lane: one, while that is being noted all others
		defer close(settled)
		for range records {
			f.Take(time.Now().Add(time.Hour), 1)
			f.Settle(1)
		}
	}()
	select {
	case <-settled:
	case <-time.After(10 * time.Second):
		t.Error("the lane waits until it is noted")
	}
	close(let)
	for _, a := range all {
		<-a.Done()
	}
	tenant.super.runners.Wait()
	close(began)
	calls, noted := 0, 0
	for at := range began {
		calls, noted = calls+1, noted+len(at)
	}
	if calls > 2 || noted != records {
		t.Errorf("%d records noted in %d calls", noted, calls)
	}
}
