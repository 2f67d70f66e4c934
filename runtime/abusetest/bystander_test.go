package abusetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/abusetest"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

func TestQuantiles(t *testing.T) {
	var all []time.Duration
	for n := range 200 {
		all = append(all, time.Duration(199-n)*time.Millisecond)
	}
	l := abusetest.Sorted(all)
	for q, want := range map[float64]int{0: 0, 0.5: 99, 0.95: 189, 0.99: 197, 1: 199} {
		if got := l.At(q); got != time.Duration(want)*time.Millisecond {
			t.Errorf("quantile %v is %v, want %d ms", q, got, want)
		}
	}
	if got := abusetest.Latencies(nil).P99(); got != 0 {
		t.Errorf("none have %v", got)
	}
}

// TestBystanderCountsFromWhenARecordWasDue: what was held up makes all behind
// it late, and none is left out.
func TestBystanderCountsFromWhenARecordWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		begun := time.Now()
		var b *abusetest.Bystander
		b = abusetest.NewBystander(2*time.Millisecond, func(n int) error {
			if n == 10 {
				pause(ctx, 20*time.Millisecond) // the machine stands still
			}
			b.Saw(n)
			return nil
		})
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		pause(t.Context(), 59*time.Millisecond)
		end()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if sent, seen := b.Counts(); sent != 30 || seen != 30 || b.Err() != nil {
			t.Errorf("%d sent, %d seen, %v", sent, seen, b.Err())
		}
		l, complete := b.Between(begun.Add(10*time.Millisecond), begun.Add(50*time.Millisecond))
		if len(l) != 20 || !complete || l.Max() != 20*time.Millisecond || l.P99() != 20*time.Millisecond || l.At(0.5) != 0 {
			t.Errorf("%v, complete: %v", l, complete)
		}
		if _, complete := b.Between(begun, begun.Add(time.Minute)); complete {
			t.Error("a window that is not over is complete")
		}
	})
}

func TestBystanderNoticesWhatIsLost(t *testing.T) {
	for name, seen := range map[string][]int{"lost": {0, 2}, "twice": {0, 0}} {
		b := abusetest.NewBystander(time.Second, nil)
		for _, n := range seen {
			b.Saw(n)
		}
		if b.Err() == nil {
			t.Error(name)
		}
	}
	broken := errors.New("broken")
	b := abusetest.NewBystander(time.Second, func(int) error { return broken })
	if err := b.Run(t.Context()); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestWindowsAreJudged(t *testing.T) {
	ms := func(n int) abusetest.Latencies { return abusetest.Latencies{time.Duration(n) * time.Millisecond} }
	var w abusetest.Windows
	w.Add(ms(10), ms(30))
	w.Add(ms(15), ms(90))
	w.Add(ms(20), ms(40))
	if quiet, attack := w.P99(); quiet != 15*time.Millisecond || attack != 40*time.Millisecond || w.Most() != 23*time.Millisecond {
		t.Errorf("%v, %v, at most %v", quiet, attack, w.Most())
	}
	if w.Unsteady(time.Second) || !w.Unsteady(19*time.Millisecond) {
		t.Error("twofold is steady, and a latency that is too long by itself is not")
	}
	w.Add(ms(21), ms(1))
	if !w.Unsteady(time.Second) {
		t.Error("more than twofold is not steady")
	}
}

// TestHostileGuestsAreAdmitted: what they do is not to be seen from outside, so
// it is the engine that has to hold them.
func TestHostileGuestsAreAdmitted(t *testing.T) {
	all := append(abusetest.Spinners(), abusetest.Recursions()...)
	all = append(all, abusetest.Grower(1<<20), abusetest.Hoarder(1<<20), abusetest.TableGrower(), abusetest.Trapper(),
		abusetest.TrapsInOpen(), abusetest.SpinsInOpen(), abusetest.Laborious(2, 0))
	for _, g := range all {
		if _, err := wasmbin.Read(g.Module); err != nil {
			t.Errorf("%s: %v", g.Name, err)
		}
	}
}
