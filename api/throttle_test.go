package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestFramesAreTakenAtAPace: a burst at once, then so many a second, by number
// and by size; a quiet client has its burst again, and a wait ends with its
// context.
func TestFramesAreTakenAtAPace(t *testing.T) {
	for name, test := range map[string]struct {
		size, atOnce int
		then         time.Duration // for ten more
	}{
		"small": {size: 10, atOnce: 400, then: 50 * time.Millisecond},
		"large": {size: 1 << 20, atOnce: 16, then: 1250 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newThrottle(time.Now())
				for range 2 {
					began := time.Now()
					for range test.atOnce {
						if err := p.wait(t.Context(), test.size); err != nil {
							t.Fatal(err)
						}
					}
					if took := time.Since(began); took != 0 {
						t.Errorf("a burst took %v", took)
					}
					for range 10 {
						_ = p.wait(t.Context(), test.size)
					}
					if took := time.Since(began); took < test.then-time.Millisecond || took > test.then+time.Millisecond {
						t.Errorf("ten more took %v, want %v", took, test.then)
					}
					time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				for range test.atOnce {
					_ = p.wait(t.Context(), test.size)
				}
				if err := p.wait(ctx, test.size); !errors.Is(err, context.Canceled) {
					t.Errorf("a wait that nobody waits for: %v", err)
				}
			})
		})
	}
}
