package api

import (
	"context"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// turns bound how many requests do something costly at once, of all tenants
// together. Who comes when every turn is taken waits for one, for a while. Use
// by several goroutines is safe.
type turns struct {
	what     string
	taken    chan struct{} // holds one for each turn that is taken
	patience time.Duration
}

func newTurns(what string, limit int, patience time.Duration) *turns {
	return &turns{what: what, taken: make(chan struct{}, limit), patience: patience}
}

// take waits for a turn, which leave gives back, once. Errors are faults:
// Exhausted when the wait was too long, Canceled and Timeout when ctx ends.
func (t *turns) take(ctx context.Context) (leave func(), err error) {
	if ctx.Err() != nil {
		return nil, fault.Of(ctx.Err())
	}
	late := time.NewTimer(t.patience)
	defer late.Stop()
	select {
	case t.taken <- struct{}{}:
		return sync.OnceFunc(func() { <-t.taken }), nil
	case <-ctx.Done():
		return nil, fault.Of(ctx.Err())
	case <-late.C:
		return nil, fault.New(fault.Exhausted, "the server is busy with %d %s", cap(t.taken), t.what).
			WithHint("Wait and try again.").WithRetryAfter(retryGate)
	}
}
