package supervisor

import (
	"context"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// closingFeed is a feed that reads a block while it is closed, for as long as it is
// let: until it is closed, to begin with.
type closingFeed struct {
	log    *outbox.Log
	feeds  feeds
	closes chan struct{} // closed when the closing has begun
	let    chan struct{} // to be closed
	closed chan struct{} // closed when it is over
}

func newClosingFeed(t *testing.T) *closingFeed {
	t.Helper()
	log, err := outbox.Open(t.TempDir(), outbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	c := &closingFeed{log: log, closes: make(chan struct{}), let: make(chan struct{}), closed: make(chan struct{})}
	reads := make(chan struct{})
	f, err := c.feeds.open(context.WithoutCancel(t.Context()), delivery.Config{
		Log: log, Connector: "me", Tell: func(string) {},
		Settings: spec.Feed{From: []string{"another"}}, // the place moves with each block then
		Name: func(ctx context.Context, id string) (string, error) {
			close(reads)
			<-ctx.Done()
			close(c.closes)
			<-c.let
			return id, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	batch := abi.Batch{Records: []abi.Record{{Device: "d"}}}
	if _, err := log.Append(t.Context(), &outbox.Block{Connector: "a", Epoch: 1, Count: 1, Records: outbox.AppendBatch(nil, batch.Append(nil))}); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(t.Context(), &outbox.Block{Connector: "me", Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	<-reads
	go func() {
		defer close(c.closed)
		f.Close()
	}()
	<-c.closes
	return c
}

// TestRewindWhileAFeedCloses: the feed that goes does not move the place that was
// set meanwhile.
func TestRewindWhileAFeedCloses(t *testing.T) {
	c := newClosingFeed(t)
	rewound := make(chan error, 1)
	go func() { rewound <- c.feeds.rewind(c.log, "me", 2) }()
	select { // it may wait for the closing, or be done before it
	case err := <-rewound:
		rewound <- err
	case <-time.After(50 * time.Millisecond):
	}
	close(c.let)
	<-c.closed
	if err := <-rewound; err != nil {
		t.Fatal(err)
	}
	if at, _ := delivery.Place(c.log, "me"); at != 2 {
		t.Errorf("the place is %d, and was set to 2", at)
	}
	if len(c.feeds.slots) != 0 {
		t.Errorf("%d slots are kept of connectors that have no feed", len(c.feeds.slots))
	}
}

// TestAFeedThatClosesHoldsUpNoOther: what one connector's feed does until it has
// ended is not what others wait for.
func TestAFeedThatClosesHoldsUpNoOther(t *testing.T) {
	c := newClosingFeed(t)
	done := make(chan error, 1)
	go func() { done <- c.feeds.rewind(c.log, "other", 1) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for the feed of another connector")
	}
	close(c.let)
	<-c.closed
}
