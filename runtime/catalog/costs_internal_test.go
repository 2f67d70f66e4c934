package catalog

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// TestCostsComeInAgain: a tenant can use at once what it has saved up, and then
// as much as comes in.
func TestCostsComeInAgain(t *testing.T) {
	start := time.Now()
	after := func(d time.Duration) time.Time { return start.Add(d) }
	c := costs{saved: 10 * time.Second, paid: make(map[string]time.Time)}
	c.charge("plant", start, 10*time.Second)
	if err := c.allow("plant", start); err != nil {
		t.Errorf("what was saved up: %v", err)
	}
	c.charge("plant", start, 2*time.Second)
	for at, want := range map[time.Duration]time.Duration{
		0: 8 * time.Second, 3 * time.Second: 5 * time.Second, 7*time.Second + 900*time.Millisecond: time.Second, 8 * time.Second: 0,
	} {
		err := c.allow("plant", after(at))
		if f := fault.Of(err); (f != nil) != (want > 0) || f != nil && (f.Kind != fault.RateLimited || f.RetryAfter != want) {
			t.Errorf("after %v: %v, want a wait of %v", at, err, want)
		}
	}
	if err := c.allow("other", start); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	// An hour of rest saves up no more than there may be.
	c.charge("plant", after(time.Hour), 13*time.Second)
	if err := c.allow("plant", after(time.Hour)); err == nil {
		t.Error("more was saved up than there may be")
	}
	if c.charge("other", after(2*time.Hour), 0); len(c.paid) != 0 {
		t.Errorf("%d tenants that owe nothing are remembered", len(c.paid))
	}
}
