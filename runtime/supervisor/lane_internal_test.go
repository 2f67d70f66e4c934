package supervisor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/spec"
)

// A lane that waits is not begun anew by a word that something may have changed, when
// nothing has: the runner gives one with each of its rounds, and one that came before
// the crash may still lie there. What has changed ends the wait at once.
func TestWaitsEndWithAChangeAlone(t *testing.T) {
	goalOf := func(revision, anew uint64, devices ...abi.Device) *goal {
		return &goal{spec: &spec.Connector{Revision: revision}, anew: anew, devices: devices}
	}
	was := abi.Device{ID: "a", Hash: "1"}
	for name, now := range map[string]*goal{
		"nothing":    goalOf(1, 0, was),
		"revision":   goalOf(2, 0, was),
		"reconnect":  goalOf(1, 1, was),
		"device":     goalOf(1, 0, abi.Device{ID: "a", Hash: "2"}),
		"converters": {spec: &spec.Connector{Revision: 1}, devices: []abi.Device{was}, own: &ownPlans{}},
		"gone":       nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ending, end := context.WithCancel(t.Context())
				defer end()
				seen := goalOf(1, 0, was)
				l := &lane{
					Tenant: &Tenant{super: &Supervisor{ending: ending}}, of: &runner{},
					changed: make(chan struct{}, 1), want: seen,
				}
				l.poke() // of before
				began := time.Now()
				time.AfterFunc(time.Minute, func() {
					l.of.mu.Lock()
					l.want = now
					l.of.mu.Unlock()
					l.poke()
				})
				time.AfterFunc(2*time.Hour, end)
				want := time.Minute
				if name == "nothing" {
					want = time.Hour
				}
				if l.sleep(time.Hour, seen); time.Since(began) != want {
					t.Errorf("a back-off of an hour ended after %s, not %s", time.Since(began), want)
				}
				if name != "nothing" {
					return
				}
				l.poke()
				life := &life{lane: l, seen: seen}
				l.crashes, l.backoff = []time.Time{began}, time.Second
				if life.untilChanged(); time.Since(began) != 2*time.Hour || l.crashes != nil || l.backoff != 0 {
					t.Errorf("a crash loop ended after %s, with %v and %s", time.Since(began), l.crashes, l.backoff)
				}
			})
		})
	}
}
