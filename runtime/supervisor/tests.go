package supervisor

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The tests of one tenant: each is a guest of its own beside those that run,
// and an open that may take half a minute.
const (
	testsAtOnce  = 2
	testPatience = 30 * time.Second // of those that wait for their turn
)

// places are the tests that a tenant may make at once.
type places chan struct{}

// take waits for a place until ctx ends or nobody would wait any longer, and
// gives it back with free.
func (p places) take(ctx context.Context) (free func(), err error) {
	patience := time.NewTimer(testPatience)
	defer patience.Stop()
	select {
	case p <- struct{}{}:
		return func() { <-p }, nil
	case <-ctx.Done():
		return nil, fault.Of(ctx.Err())
	case <-patience.C:
		return nil, fault.New(fault.Exhausted, "%d tests of the tenant, or previews, are under way, and this one has waited for its turn for %v", cap(p), testPatience).
			WithRetryAfter(time.Second).WithHint("Make one after the other.")
	}
}
