package actor

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestBucketHoldsItsRate: over any stretch of time no more than a burst and the
// rate comes through, and all of the rate does.
func TestBucketHoldsItsRate(t *testing.T) {
	const rate, burst, seconds = 100, 10 * time.Second, 60
	var b bucket
	b.at(rate, burst)
	passed := 0
	for now := time.Duration(0); now < seconds*time.Second; now += time.Millisecond {
		for range 3 {
			if b.take(now, 1) {
				passed++
			}
		}
	}
	if most := rate*seconds + rate*10; passed > most+1 || passed < most-rate {
		t.Errorf("%d passed, want about %d", passed, most)
	}
	if got := b.rate(seconds * time.Second); got < rate*0.9 || got > rate*1.1 {
		t.Errorf("the rate is %g", got)
	}
}

// TestBucketTakesWhatIsLargerThanItsBurst, once nothing is owed, and then
// lets it be paid for.
func TestBucketTakesWhatIsLargerThanItsBurst(t *testing.T) {
	var b bucket
	b.at(1000, 2*time.Second)
	if !b.take(0, 10_000) {
		t.Fatal("what is larger than the burst can never pass")
	}
	if b.take(7*time.Second, 1) {
		t.Error("the debt was forgiven")
	}
	if !b.take(9*time.Second, 1) {
		t.Error("the debt is still held against it")
	}
	b.owe(20*time.Second, 5_000)
	if b.take(21*time.Second, 1) || !b.take(24*time.Second, 1) {
		t.Error("what came already is not paid for")
	}
}

// TestEveryLimitHasItsOwnFault: none is told as another, and the text names the
// field to raise.
func TestEveryLimitHasItsOwnFault(t *testing.T) {
	q := newQuota()
	for _, d := range spec.LimitTable() {
		f := q.reached(d.Name)
		if f.Kind == fault.Internal || (d.Name != spec.LimitCPU && f.Kind == fault.TenantCPU) {
			t.Errorf("%s is told as %s", d.Name, f.Kind)
		}
		if got := limitOf(q, d.Name); got.Hits != 1 || got.Limit != d.Default {
			t.Errorf("%s: %+v", d.Name, got)
		}
	}
}

func limitOf(q *quota, name string) lifecycle.Limit {
	for _, row := range q.status() {
		if row.Name == name {
			return row
		}
	}
	return lifecycle.Limit{}
}

// TestHostCallsCostNoAllocation, let through and refused alike.
func TestHostCallsCostNoAllocation(t *testing.T) {
	q := newQuota()
	q.hold(spec.Limits{KVCallsPerSecond: 1, HostCallsPerSecond: 1_000_000})
	kv := q.named[spec.LimitKVCalls]
	refused := 0
	got := testing.AllocsPerRun(1000, func() {
		if q.call(kv, 100) != nil {
			refused++
		}
		q.replied(100)
	})
	if got != 0 || refused < 900 {
		t.Errorf("%g allocations a call, %d refused", got, refused)
	}
}

// TestLimitsChangeWithoutForgivingWhatWasUsed: a connector cannot refill its
// buckets by an update of its spec.
func TestLimitsChangeWithoutForgivingWhatWasUsed(t *testing.T) {
	q := newQuota()
	q.hold(spec.Limits{LogLinesPerSecond: 1})
	for q.line() {
		continue
	}
	q.hold(spec.Limits{LogLinesPerSecond: 1})
	if q.line() {
		t.Error("the bucket was filled by an update")
	}
	if n := q.lostLines(); n != 2 || q.lostLines() != 0 {
		t.Errorf("%d lines are told as lost, want 2, once", n)
	}
	if q.holdFirst(spec.Limits{}) || q.most(spec.LimitLogLines) != 1 {
		t.Error("a test's guest has changed the limits of the one that runs")
	}
}

// TestRoomForState: the limit counts what would be there after the step.
func TestRoomForState(t *testing.T) {
	kept := map[string]string{"a": "1234567", "b": "1234567"} // 16 bytes
	q := newQuota()
	q.hold(spec.Limits{KVBytes: 1 << 10})
	lookups := 0
	s := stage{quota: q, kept: func() uint64 { return 16 }, lookup: func(_ context.Context, key string) ([]byte, bool, error) {
		lookups++
		v, ok := kept[key]
		return []byte(v), ok, nil
	}}
	put := func(key string, n int) error { return s.Put(t.Context(), key, make([]byte, n)) }
	must(t, put("c", 999))
	if lookups != 0 {
		t.Errorf("%d values were looked up although there was room for all", lookups)
	}
	must(t, put("d", 7)) // 1,024: full to the byte
	if err := put("e", 0); !fault.Is(err, fault.KVLimit) {
		t.Fatalf("one byte more: %v", err)
	}
	must(t, put("d", 7)) // in the place of its own
	must(t, s.Delete(t.Context(), "a"))
	must(t, put("e", 7)) // in the place of the one that goes
	if err := put("d", 8); !fault.Is(err, fault.KVLimit) {
		t.Errorf("a larger one in the place of a smaller: %v", err)
	}
	s.take()
	q.hold(spec.Limits{KVBytes: 1 << 10})
	s.kept = func() uint64 { return 1 << 20 }
	must(t, put("b", 3)) // less than was there, although the limit was lowered
	if hits := limitOf(q, spec.LimitKVBytes).Hits; hits != 2 {
		t.Errorf("%d hits", hits)
	}
}

func TestTiredConverters(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		opened, now, limit uint64
		tired              bool
	}{
		{1 * mib, 4 * mib, 64 * mib, false},   // little memory, though four times as much
		{1 * mib, 9 * mib, 64 * mib, true},    // and now much
		{4 * mib, 16 * mib, 64 * mib, false},  // four times, and not more
		{20 * mib, 50 * mib, 64 * mib, true},  // near its limit
		{50 * mib, 50 * mib, 64 * mib, false}, // was so from the start
		{50 * mib, 52 * mib, 64 * mib, false}, // and would be again
		{48 * mib, 62 * mib, 64 * mib, true},  // has grown by more than a quarter
		{30 * mib, 100 * mib, 1 << 30, false},
	} {
		if got := tired(tt.opened, tt.now, tt.limit); got != tt.tired {
			t.Errorf("%d MiB after open, %d now, of %d: %v", tt.opened/mib, tt.now/mib, tt.limit/mib, got)
		}
	}
}

// A limit that is no rate bounds the calls under way, of all guests together.
func TestCallsUnderWay(t *testing.T) {
	q := newQuota()
	q.hold(spec.Limits{HTTPInFlight: 2})
	http := q.named[spec.LimitHTTP]
	for range 2 {
		if err := q.call(http, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.call(http, 1); !fault.Is(err, fault.HTTPLimit) {
		t.Errorf("a third call at once: %v", err)
	}
	q.ended(http)
	if err := q.call(http, 1); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
	q.ended(http)
	q.ended(http)
	q.ended(nil)
	q.ended(q.lines) // a rate has no calls under way
	for _, l := range q.status() {
		if l.Name == spec.LimitHTTP && (l.Used != 0 || l.Peak != 2 || l.Hits != 1) {
			t.Errorf("%+v", l)
		}
		if l.Name == spec.LimitLogLines && l.Used < 0 {
			t.Errorf("%+v", l)
		}
	}
}

// counting is a session that keeps how many calls are in it at once.
type counting struct {
	capability.Session

	in      chan struct{} // has room for as many as may be
	proceed chan struct{}
}

func (c counting) Call(_ context.Context, _ string, _, out []byte) ([]byte, error) {
	c.in <- struct{}{}
	<-c.proceed
	<-c.in
	return out, nil
}

// All guests of a connector share what may be under way, and give it back.
func TestGuestsShareCallsUnderWay(t *testing.T) {
	q := newQuota()
	q.hold(spec.Limits{HTTPInFlight: 2})
	c := counting{in: make(chan struct{}, 10), proceed: make(chan struct{})}
	call := func() error {
		g := &guest{surroundings: &surroundings{quota: q}, own: map[string]end{"http": {c, q.named[spec.LimitHTTP]}}}
		_, err := g.HostCall(t.Context(), "http", "request", nil, nil)
		return err
	}
	for range 3 {
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- call() }()
		}
		for len(c.in) < 2 {
			runtime.Gosched()
		}
		if err := call(); !fault.Is(err, fault.HTTPLimit) {
			t.Errorf("a third at once: %v", err)
		}
		for range 2 {
			c.proceed <- struct{}{}
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
}
