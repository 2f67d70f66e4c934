package capability_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// pouch is a purse for tests: what is in it, and how often it was asked.
type pouch struct{ left, asked int64 }

func (*pouch) Request(context.Context) (func(), error) { return func() {}, nil }

func (p *pouch) Hold(n int64) error {
	p.asked++
	if n > p.left {
		return fault.New(fault.Exhausted, "empty")
	}
	p.left -= n
	return nil
}

func TestPortion(t *testing.T) {
	const all, free = 1 << 20, 64 << 10
	purse := &pouch{left: all}
	p := capability.NewPortion(purse)
	if !p.Hold(free) || purse.left != all {
		t.Error("what every buffer has is drawn")
	}
	for size := free; size < 2*free; size += 100 {
		p.Hold(size)
	}
	if purse.asked != 1 || purse.left != all-free {
		t.Errorf("asked %d times, %d are left", purse.asked, purse.left)
	}
	if !p.Hold(all+free) || p.Hold(all+free+1) || purse.left != 0 {
		t.Error("the purse has another size")
	}
	other := capability.NewPortion(purse)
	if !other.Hold(free) || other.Hold(free+1) {
		t.Error("an empty purse gives what is free, and no more")
	}
	if p.Leave(free); purse.left != all {
		t.Errorf("%d are left of a buffer that needs nothing", purse.left)
	}
	p.Take(2 * all)
	if p.Take(all); purse.left != free {
		t.Errorf("%d are left of a buffer that is full already", purse.left)
	}
	p.End()
	p.Take(all)
	if !p.Hold(all) || purse.left != all {
		t.Error("a buffer that is over draws")
	}
	var zero capability.Portion
	if !zero.Hold(1 << 40) {
		t.Error("there is a bound without a purse")
	}
	zero.Leave(0)
	zero.End()
}

// Whoever waits for want of a purse looks again by itself, and nobody else does.
func TestAwaitRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room, done := make(chan struct{}, 1), make(chan struct{})
		began := time.Now()
		if !capability.AwaitRoom(room, done, true) || time.Since(began) > time.Second {
			t.Error("an empty purse is waited for")
		}
		waits := make(chan bool)
		go func() { waits <- capability.AwaitRoom(room, done, false) }()
		<-time.After(time.Hour)
		select {
		case <-waits:
			t.Error("somebody looks for room who would be told")
		default:
		}
		capability.Signal(room)
		if !<-waits {
			t.Error("there is room")
		}
		go func() { waits <- capability.AwaitRoom(room, done, true) }()
		if close(done); <-waits {
			t.Error("it is over")
		}
	})
}

func TestBeforeDeadline(t *testing.T) {
	within := func(ctx context.Context, most time.Duration) time.Duration {
		wait, cancel := capability.BeforeDeadline(ctx, most)
		defer cancel()
		deadline, ok := wait.Deadline()
		if !ok {
			return 0
		}
		return time.Until(deadline).Round(100 * time.Millisecond)
	}
	long, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	for name, tt := range map[string]struct {
		ctx        context.Context
		most, want time.Duration
	}{
		"no bound at all":              {t.Context(), 0, 0},
		"its own":                      {t.Context(), time.Hour, time.Hour},
		"the call's, less the answer":  {long, 0, 59800 * time.Millisecond},
		"the nearer one":               {long, 10 * time.Second, 10 * time.Second},
		"little time, most of it used": {short, time.Hour, 400 * time.Millisecond},
	} {
		if got := within(tt.ctx, tt.most); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
