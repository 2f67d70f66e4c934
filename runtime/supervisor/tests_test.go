package supervisor_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestTestsTakeTurns: two of a tenant are made at once, however many are asked
// for, on the tenant's account; one that cannot wait is told so.
func TestTestsTakeTurns(t *testing.T) {
	r := newRig(t)
	const asked = 8
	ids := make([]string, asked)
	for n := range ids {
		v, err := r.tenant.CreateConnector(t.Context(), r.limited(string(rune('a'+n)), "", spec.Limits{}))
		if err != nil {
			t.Fatal(err)
		}
		ids[n] = v.ID
	}
	before := r.engine.Usage("plant")
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			result, err := r.tenant.TestConnector(t.Context(), id)
			if err != nil || !result.Success {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	most, hurried := 0, false
	for look := time.NewTicker(time.Millisecond); ; {
		select {
		case <-look.C:
			now := r.engine.Usage("plant").Instances - before.Instances
			if most = max(most, now); now == 2 && !hurried {
				hurried = true
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				if _, err := r.tenant.TestConnector(ctx, ids[0]); !fault.Is(err, fault.Timeout) {
					t.Errorf("with no time to wait: %v", err)
				}
				cancel()
			}
			continue
		case <-done:
			look.Stop()
		}
		break
	}
	if most != 2 || !hurried {
		t.Errorf("%d tests were made at once, want 2", most)
	}
	if used := r.engine.Usage("plant").CPU - before.CPU; used < asked*time.Millisecond {
		t.Errorf("%d tests have cost the tenant %v", asked, used)
	}
}
