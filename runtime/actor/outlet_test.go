package actor

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestOutlet: whatever a sink does, its records are settled in their order, each once.
func TestOutlet(t *testing.T) {
	outletTest(t, "one that gets on goes on at once", func(r *outletRig) {
		r.deliver = func(handed []string, _ bool) ([]byte, error) {
			if handed[0] == "0" {
				return retry(3, 0), nil
			}
			return nil, nil
		}
		r.feed.put("0 1 2 3 4 5")
		r.start()
		r.called("0 1 2 3 4 5", "3 4 5")
		r.settled("0 1 2 3 4 5")
		if s := r.actor.Status(); s.Delivery.Retried != 3 || s.Delivery.Delivered != 6 || r.showed(lifecycle.Degraded) {
			t.Errorf("%+v, %v", s.Delivery, r.states)
		}
	})
	outletTest(t, "pauses grow, and begin anew", func(r *outletRig) {
		var stuck atomic.Bool
		stuck.Store(true)
		r.deliver = func([]string, bool) ([]byte, error) {
			if stuck.Load() {
				return retry(0, 0), nil
			}
			return nil, nil
		}
		r.feed.put("0 1")
		r.start()
		r.after(100 * time.Second)
		stuck.Store(false)
		r.after(time.Minute)
		r.settled("0 1")
		if !r.showed(lifecycle.Degraded) || r.actor.Status().State != lifecycle.Running {
			t.Errorf("states %v", r.states)
		}
		stuck.Store(true)
		r.feed.put("2")
		r.after(1500 * time.Millisecond)
		s := time.Second
		want := []time.Duration{0, s, 3 * s, 7 * s, 15 * s, 31 * s, 63 * s, 123 * s, 160 * s, 161 * s}
		if !slices.Equal(r.at, want) {
			t.Errorf("called at %v, want %v", r.at, want)
		}
	})
	outletTest(t, "a hold shows what to do about its cause", func(r *outletRig) {
		for _, tt := range []struct {
			kind      abi.FaultKind
			hint      string
			err       error
			code, try string
		}{
			{0, "", nil, "resource_unavailable", heldHint},
			{abi.FaultUnavailable, "Wait.", nil, "resource_unavailable", "Wait."},
			{abi.FaultDenied, "Grant it.", nil, "denied", "Grant it."},
			{abi.FaultKind(99), strings.Repeat("x", 1<<10), nil, "resource_unavailable", strings.Repeat("x", 512)},
			{0, "", fault.New(fault.Denied, "the door is shut").WithHint("Open it."), "denied", "Open it."},
		} {
			r.delivers(func([]string, bool) ([]byte, error) {
				out := abi.Outcome{Verdicts: []abi.Verdict{{Decision: abi.DecisionRetry, Reason: "not now", Kind: tt.kind, Hint: tt.hint}}}
				return out.Append(nil), tt.err
			})
			r.feed.turn("0")
			if r.stop == nil {
				r.start()
			}
			r.after(10 * time.Minute)
			if s := r.actor.Status(); s.State != lifecycle.Degraded || s.Code != tt.code || s.Try != tt.try {
				t.Errorf("%+v: %s: %q, try %q", tt, s.Code, s.Reason, s.Try)
			}
			r.delivers(nil)
			r.after(10 * time.Minute)
			r.mu.Lock()
			r.calls = nil
			r.mu.Unlock()
		}
	})
	outletTest(t, "what passes soon is not shown", func(r *outletRig) {
		var left atomic.Int32
		left.Store(1)
		r.deliver = func([]string, bool) ([]byte, error) {
			if left.Add(-1) >= 0 {
				return retry(0, 300*time.Millisecond), nil
			}
			return nil, nil
		}
		r.feed.put("0")
		r.start()
		r.after(400 * time.Millisecond)
		r.settled("0")
		if r.showed(lifecycle.Degraded) {
			t.Errorf("states %v", r.states)
		}
		left.Store(10)
		r.feed.put("1")
		r.after(600 * time.Millisecond)
		if r.showed(lifecycle.Degraded) {
			t.Errorf("held for less than a second: %v", r.states)
		}
		r.after(600 * time.Millisecond)
		if !r.showed(lifecycle.Degraded) {
			t.Errorf("held for longer: %v", r.states)
		}
		r.after(5 * time.Second)
		r.settled("0 1")
	})
	outletTest(t, "what is wrong for good is sought and put aside", func(r *outletRig) {
		r.deliver = func(handed []string, _ bool) ([]byte, error) {
			if slices.Contains(handed, "bad") {
				return nil, fault.New(fault.Invalid, "one is wrong")
			}
			return nil, nil
		}
		r.feed.put("0 1 bad 3 4 5 6 7")
		r.start()
		r.called("0 1 bad 3 4 5 6 7", "0 1 bad 3!", "0 1!", "bad 3 4 5!", "bad 3!", "bad!", "3!", "4 5!", "6 7!")
		r.settled("0 1 bad 3 4 5 6 7")
		r.quarantined("bad")
		if s := r.actor.Status(); s.Delivery.Delivered != 7 || s.Counters.Quarantined != 1 {
			t.Errorf("%+v %+v", s.Delivery, s.Counters)
		}
	})
	outletTest(t, "what kills the guest is, too", func(r *outletRig) {
		r.deliver = func(handed []string, _ bool) ([]byte, error) {
			if slices.Contains(handed, "bad") {
				return nil, errTrap
			}
			return nil, nil
		}
		r.feed.put("0 bad 2 3")
		r.start()
		r.settled("0 bad 2 3")
		r.quarantined("bad")
	})
	outletTest(t, "a feed that is set to another place blames nobody there", func(r *outletRig) {
		r.deliver = func(handed []string, _ bool) ([]byte, error) {
			if handed[0] == "bad" {
				if len(handed) == 1 {
					r.feed.turn("0 1")
				}
				return nil, errTrap
			}
			return nil, nil
		}
		r.feed.put("bad 2")
		r.start()
		r.settled("0 1")
		r.quarantined()
	})
	outletTest(t, "a guest that dies of its events is not followed at once", func(r *outletRig) {
		r.deliver = func(handed []string, _ bool) ([]byte, error) {
			if len(handed) > 2 {
				return nil, fault.New(fault.Invalid, "too many")
			}
			r.happens(1)
			return retry(0, time.Hour), nil
		}
		r.receive = func(int) error { return errTrap }
		r.feed.put("0 1 2 3")
		r.start()
		err := <-r.ended
		if err == nil {
			t.Error("the actor goes on")
		}
		r.called("0 1 2 3", "0 1!", "events")
		r.settled("")
		r.deliver, r.receive = nil, nil
		r.actor.Move(lifecycle.Crash, err)
		r.start()
		r.settled("0 1 2 3")
		r.quarantined()
	})
	outletTest(t, "a swap while one is sought keeps all", func(r *outletRig) {
		swapped := make(chan error, 1)
		r.deliver = func(handed []string, _ bool) ([]byte, error) {
			if slices.Contains(handed, "bad") {
				if len(handed) == 1 {
					go func() { swapped <- r.actor.Swap(context.WithoutCancel(r.Context()), r.version) }()
				}
				return nil, errTrap
			}
			return nil, nil
		}
		r.feed.put("0 1 bad 3")
		r.start()
		if err := <-swapped; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		r.settled("0 1 bad 3")
		r.quarantined("bad")
	})
	outletTest(t, "a sink that takes too long is handed fewer", func(r *outletRig) {
		r.version.Limits.CallTimeout = spec.Duration(5 * time.Second)
		pace := time.Second
		r.deliver = func(handed []string, _ bool) ([]byte, error) {
			<-time.After(time.Duration(len(handed)) * pace)
			if handed[0] == "8" {
				pace = time.Millisecond
			}
			return nil, nil
		}
		r.feed.put("0 1 2 3 4 5 6 7 8 9 a b c d e f g h")
		r.version.Connector.Feed.MaxRecords = 8
		r.start()
		r.after(time.Minute)
		r.called("0 1 2 3 4 5 6 7", "0 1 2 3!", "4 5 6 7!", "8 9 a b!", "c d e f!", "g h")
		r.settled("0 1 2 3 4 5 6 7 8 9 a b c d e f g h")
		r.quarantined()
		if s := r.actor.Status(); s.State != lifecycle.Running || s.Counters.Traps != 1 {
			t.Errorf("%+v", s)
		}
	})
	outletTest(t, "one record alone that takes too long is a crash", func(r *outletRig) {
		r.version.Limits.CallTimeout = spec.Duration(5 * time.Second)
		r.deliver = func(handed []string, _ bool) ([]byte, error) {
			if slices.Contains(handed, "slow") {
				<-time.After(time.Minute)
			}
			return nil, nil
		}
		r.feed.put("0 slow 2 3")
		r.start()
		if err := <-r.ended; !fault.Is(err, fault.GuestDeadline) {
			t.Errorf("ended with %v", err)
		}
		r.stop = nil
		r.called("0 slow 2 3", "0 slow!", "0!", "slow 2!", "slow!")
		r.settled("0")
		r.quarantined()
	})
	outletTest(t, "so are events", func(r *outletRig) {
		r.version.Limits.CallTimeout = spec.Duration(5 * time.Second)
		pace := 900 * time.Millisecond
		r.receive = func(n int) error {
			<-time.After(min(time.Duration(n)*pace, 6*time.Second))
			return nil
		}
		r.burst = 20
		r.happens(20)
		r.start()
		r.after(time.Minute)
		pace = time.Millisecond
		r.happens(18)
		r.after(time.Minute)
		r.called("20 events", "10 events", "5 events", "5 events", "5 events", "5 events", "5 events", "10 events", "3 events")
		if s := r.actor.Status(); s.State != lifecycle.Running || s.Counters.Traps != 2 || s.Counters.Retried != 30 || r.events != 0 {
			t.Errorf("%+v, %d left", s, r.events)
		}
	})
	outletTest(t, "one event alone that takes too long is a crash", func(r *outletRig) {
		r.version.Limits.CallTimeout = spec.Duration(5 * time.Second)
		r.receive = func(int) error {
			<-time.After(time.Minute)
			return nil
		}
		r.burst = 4
		r.happens(4)
		r.start()
		if err := <-r.ended; !fault.Is(err, fault.GuestDeadline) {
			t.Errorf("ended with %v", err)
		}
		r.stop = nil
		r.called("4 events", "2 events", "events")
	})
	outletTest(t, "events and records take turns", func(r *outletRig) {
		r.version.Connector.Feed.MaxRecords = 1
		r.feed.put("0 1 2 3")
		r.happens(4)
		r.start()
		r.settled("0 1 2 3")
		if got := strings.Join(r.calls, " "); got != "events 0 events 1 events 2 events 3" {
			t.Errorf("called %s", got)
		}
	})
	outletTest(t, "a record that is refused is not delivered", func(r *outletRig) {
		r.deliver = func([]string, bool) ([]byte, error) { return reject(1), nil }
		r.feed.put("0 1 2")
		r.start()
		r.settled("0 1 2")
		r.quarantined("1")
		if s := r.actor.Status(); s.Delivery.Delivered != 2 {
			t.Errorf("%+v", s.Delivery)
		}
	})
	outletTest(t, "what a converter rejects of the sink's own records was delivered", func(r *outletRig) {
		r.version.Converters = NewChoice(Conversions{Default: NewChain(rejecting{})}, nil, &Captured{})
		r.deliver = func([]string, bool) ([]byte, error) {
			out := abi.Outcome{Batch: abi.Batch{Records: []abi.Record{{Device: "d", Payload: []byte("own")}}}}
			return out.Append(nil), nil
		}
		r.feed.put("0 1 2")
		r.start()
		r.settled("0 1 2")
		if s := r.actor.Status(); s.Delivery.Delivered != 3 || s.Counters.Quarantined != 1 {
			t.Errorf("%+v %+v", s.Delivery, s.Counters)
		}
	})
}

// rejecting is a converter that rejects what it is given first.
type rejecting struct{}

func (rejecting) Convert(context.Context, []byte) ([]byte, error) { return reject(0), nil }
