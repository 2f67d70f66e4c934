package supervisor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// TestPlacesAreWaitedFor, as long as the caller does, and no longer than half a
// minute.
func TestPlacesAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := make(places, testsAtOnce)
		free, err := p.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.take(ctx); !fault.Is(err, fault.Timeout) {
			t.Errorf("with a second: %v", err)
		}
		began := time.Now()
		_, err = p.take(t.Context())
		if f := fault.Of(err); f == nil || f.Kind != fault.Exhausted || f.RetryAfter <= 0 || time.Since(began) != testPatience {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		time.AfterFunc(5*time.Second, free)
		if _, err := p.take(t.Context()); err != nil {
			t.Errorf("when there is a place again: %v", err)
		}
	})
}
