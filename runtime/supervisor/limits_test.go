package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// limited is an echo that does something in its open, under these limits.
func (r *rig) limited(name, action string, l spec.Limits) control.ConnectorInput {
	return control.ConnectorInput{
		Name: name, Module: r.module("echo"), Limits: l,
		Config: config(r.t, map[string]any{"device": name, "on_open": action}),
	}
}

// ticking is an echo that does something every 20 ms, under these limits.
func (r *rig) ticking(name, action string, l spec.Limits) control.ConnectorInput {
	return control.ConnectorInput{
		Name: name, Module: r.module("echo"), Limits: l,
		Config: config(r.t, map[string]any{"device": name, "every_ms": 20, "on": map[string]string{"tick": action}}),
	}
}

// limit is a row of a status.
func limit(s lifecycle.Status, name string) lifecycle.Limit {
	for _, l := range s.Limits {
		if l.Name == name {
			return l
		}
	}
	return lifecycle.Limit{}
}

// said are the points of the next record.
func (s *records) said() map[string]int64 {
	s.t.Helper()
	said := map[string]int64{}
	for _, p := range s.next().Points {
		said[p.Name] = p.Value.Int()
	}
	return said
}

// TestRatesOfHostCalls: beyond each rate the guest is answered that limit's own
// error and goes on, the hits are counted, and the spec's value is what counts.
func TestRatesOfHostCalls(t *testing.T) {
	for name, tt := range map[string]struct {
		action string
		n      int64
		limits spec.Limits
		limit  string
		code   fault.Kind
		worked [2]int64 // at least, at most
	}{
		"kv":       {"kv_flood 1000", 1000, spec.Limits{KVCallsPerSecond: 100}, spec.LimitKVCalls, fault.KVRateLimit, [2]int64{200, 400}},
		"kv, more": {"kv_flood 1000", 1000, spec.Limits{KVCallsPerSecond: 1000}, "", 0, [2]int64{1000, 1000}},
		"calls":    {"kv_flood 1000", 1000, spec.Limits{HostCallsPerSecond: 50}, spec.LimitHostCalls, fault.HostCallLimit, [2]int64{90, 300}},
		"bytes":    {"kv_fill 100", 100, spec.Limits{HostBytesPerSecond: 8 << 10}, spec.LimitHostBytes, fault.HostBytesLimit, [2]int64{15, 50}},
		"default":  {"kv_flood 1000", 1000, spec.Limits{}, "", 0, [2]int64{1000, 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			v := r.connect(r.limited("c", tt.action, tt.limits))
			said := r.stream("").said()
			if said["worked"] < tt.worked[0] || said["worked"] > tt.worked[1] {
				t.Errorf("%d worked, want %v: %v", said["worked"], tt.worked, said)
			}
			if tt.limit == "" {
				return
			}
			if refused := said[tt.code.String()]; refused != tt.n-said["worked"] {
				t.Errorf("%v, want all others refused with %s", said, tt.code)
			}
			s := r.state(v.ID, lifecycle.Running)
			if l := limit(s, tt.limit); l.Hits == 0 || l.Hits < uint64(said[tt.code.String()]) {
				t.Errorf("hits: %+v", l)
			}
		})
	}
}

// TestStateIsBounded: keys and values together, whichever step wrote them, and
// still after a restart; what is there can be replaced and removed.
func TestStateIsBounded(t *testing.T) {
	r := newRig(t)
	in := r.limited("c", "kv_fill 20", spec.Limits{KVBytes: 10 << 10})
	v := r.connect(in)
	if said := r.stream("").said(); said["worked"] != 10 || said["kv_limit"] != 10 {
		t.Errorf("at first: %v", said)
	}
	full := func(s lifecycle.Status) bool { return limit(s, spec.LimitKVBytes).Used == 10<<10 }
	s := r.until(v.ID, "full", full)
	if l := limit(s, spec.LimitKVBytes); l.Hits < 10 || l.Limit != 10<<10 {
		t.Errorf("%+v", l)
	}
	r.stop()
	r.start()
	s = r.until(v.ID, "full again, and held to it", func(s lifecycle.Status) bool {
		return full(s) && s.State == lifecycle.Running && limit(s, spec.LimitKVBytes).Hits == 10
	})
	if s.Counters.Records == 0 {
		t.Errorf("%+v", s.Counters)
	}
	in.Config = config(t, map[string]any{"on_open": "kv_drain 5"})
	r.update(v.ID, in)
	r.until(v.ID, "smaller", func(s lifecycle.Status) bool { return limit(s, spec.LimitKVBytes).Used == 5<<10 })
}

// TestLinesAreBounded: the lines of the group log; TestLogFloodIsBounded has
// those of stderr.
func TestLinesAreBounded(t *testing.T) {
	r := newRig(t)
	v := r.connect(r.limited("c", "log_flood 500", spec.Limits{LogLinesPerSecond: 10}))
	s := r.state(v.ID, lifecycle.Running)
	if c := s.Counters; c.LogLines > 120 || c.LogLines < 100 || limit(s, spec.LimitLogLines).Hits < 380 {
		t.Errorf("%d lines, %+v", c.LogLines, limit(s, spec.LimitLogLines))
	}
}

// TestOutcomesAreBounded: one that holds too much is refused whole, the guest
// lives on, and a larger limit takes it.
func TestOutcomesAreBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		small, large spec.Limits
		limit        string
	}{
		"records": {spec.Limits{OutputRecords: 100}, spec.Limits{OutputRecords: 250}, spec.LimitOutputRecords},
		"bytes":   {spec.Limits{OutputBytes: 4096}, spec.Limits{OutputBytes: 64 << 10}, spec.LimitOutputBytes},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			v := r.connect(r.ticking("c", "records 240", tt.small))
			s := r.until(v.ID, "refused", func(s lifecycle.Status) bool { return limit(s, tt.limit).Hits >= 3 })
			if s.State != lifecycle.Running || s.Restarts != 0 || s.Counters.Records != 0 {
				t.Errorf("%+v", s)
			}
			r.update(v.ID, r.ticking("c", "records 240", tt.large))
			r.until(v.ID, "taken", func(s lifecycle.Status) bool { return s.Counters.Records > 240 })
		})
	}
}

// TestGuestDiesOfItsOwnLimit: of its memory, its stack, its time at one entry
// point; it is counted under that limit, and another connector of the tenant
// goes on.
func TestGuestDiesOfItsOwnLimit(t *testing.T) {
	for name, tt := range map[string]struct {
		action string
		limits spec.Limits
		limit  string
		code   fault.Kind
		says   string
	}{
		"memory": {"alloc", spec.Limits{MemoryBytes: 24 << 20}, spec.LimitMemory, fault.GuestMemory, "24576 KiB"},
		"stack":  {"recurse 3000", spec.Limits{StackWords: 4096}, spec.LimitStack, fault.GuestStack, "4096"},
		"time":   {"spin", spec.Limits{Timeouts: map[string]spec.Duration{"on_events": spec.Duration(100 * time.Millisecond)}}, spec.LimitCall, fault.GuestDeadline, "100ms"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			other := r.connect(r.ticking("other", "recurse 400", spec.Limits{}))
			v := r.connect(r.ticking("c", tt.action, tt.limits))
			s := r.until(v.ID, "restarted", func(s lifecycle.Status) bool { return s.Restarts > 0 && limit(s, tt.limit).Hits > 0 && s.Reason != "" })
			if s.Code != tt.code.String() || !strings.Contains(s.Reason, tt.says) {
				t.Errorf("%s: %s", s.Code, s.Reason)
			}
			had := r.until(other.ID, "at work", func(lifecycle.Status) bool { return true }).Counters.Records
			r.until(other.ID, "still at work", func(s lifecycle.Status) bool { return s.Counters.Records > had && s.Restarts == 0 })
		})
	}
}

// TestShareOfTheProcessor: a connector with a small share waits for it, and
// that is seen.
func TestShareOfTheProcessor(t *testing.T) {
	r := newRig(t)
	long := spec.Duration(time.Minute)
	v := r.connect(r.ticking("c", "log_flood 20000", spec.Limits{CPU: 0.05, CallTimeout: long, OpenTimeout: long}))
	s := r.until(v.ID, "throttled", func(s lifecycle.Status) bool { return s.Counters.ThrottledSeconds > 0 && s.Counters.FuelUnits > 0 })
	if s.Counters.CPUSeconds <= 0 || limit(s, spec.LimitCPU).Limit != 0.05 {
		t.Errorf("%+v", s)
	}
}

// TestMemoryOfTheTenant: what its guests may reserve together; the limits show
// it.
func TestMemoryOfTheTenant(t *testing.T) {
	r := newRig(t, func(r *rig) { r.ceiling = spec.Ceiling{MemoryBytes: 100 << 20} })
	one := r.connect(r.ticking("one", "", spec.Limits{MemoryBytes: 64 << 20}))
	two, err := r.tenant.CreateConnector(t.Context(), r.ticking("two", "", spec.Limits{MemoryBytes: 64 << 20}))
	if err != nil {
		t.Fatal(err)
	}
	test, err := r.tenant.TestConnector(t.Context(), two.ID)
	if err != nil || test.Success || test.Details["code"] != fault.TenantMemory.String() {
		t.Errorf("%+v, %v", test, err)
	}
	limits, err := r.tenant.Limits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if l := limits.Limits[0]; l.Used != 64<<20 || l.Limit != 100<<20 {
		t.Errorf("%+v", l)
	}
	r.state(one.ID, lifecycle.Running)
	r.update(two.ID, r.ticking("two", "", spec.Limits{MemoryBytes: 32 << 20}))
	if _, err := r.tenant.Activate(t.Context(), two.ID); err != nil {
		t.Error(err)
	}
}

// TestUpdateThatLacksMemoryIsTriedAgain: a swap holds two guests for a moment.
// When there is no memory for that the old one goes on, until there is.
func TestUpdateThatLacksMemoryIsTriedAgain(t *testing.T) {
	r := newRig(t, func(r *rig) { r.ceiling = spec.Ceiling{MemoryBytes: 100 << 20} })
	v := r.connect(r.ticking("one", "", spec.Limits{MemoryBytes: 32 << 20}))
	other := r.connect(r.ticking("other", "", spec.Limits{MemoryBytes: 64 << 20}))
	s := r.update(v.ID, r.ticking("one", "", spec.Limits{MemoryBytes: 33 << 20}))
	if s.State != lifecycle.Running || s.Code != fault.TenantMemory.String() || s.Generation != 1 {
		t.Fatalf("%+v; want the old guest for lack of memory", s)
	}
	if _, err := r.tenant.Deactivate(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
	s = r.until(v.ID, "the new guest", func(s lifecycle.Status) bool { return s.Generation == 2 })
	if s.Code != "" || s.Reason != "" {
		t.Errorf("%+v; want no reason any more", s)
	}
}

// TestAbuse11HostCallFlood: a guest that calls the host as often as it can is
// answered errors beyond its rates, each call costs it fuel, its log stays
// small, and its neighbour goes on.
func TestAbuse11HostCallFlood(t *testing.T) {
	for _, action := range []string{"log_flood 50000", "kv_flood 50000"} {
		t.Run(strings.Fields(action)[0], func(t *testing.T) {
			r := newRig(t)
			other := r.connect(r.ticking("other", "", spec.Limits{}))
			began := time.Now()
			v := r.connect(r.ticking("hostile", action, spec.Limits{CallTimeout: spec.Duration(time.Minute)})) // its deadline is another case
			hits := func(s lifecycle.Status) uint64 {
				return limit(s, spec.LimitLogLines).Hits + limit(s, spec.LimitKVCalls).Hits + limit(s, spec.LimitHostCalls).Hits
			}
			had := r.state(other.ID, lifecycle.Running).Counters.Records
			s := r.until(v.ID, "through", func(s lifecycle.Status) bool { return hits(s) > 200_000 })
			took := time.Since(began)
			if most := 1000 + 100*took.Seconds() + 1; float64(s.Counters.LogLines) > most {
				t.Errorf("%d lines in %s", s.Counters.LogLines, took)
			}
			if s.Counters.FuelUnits < 1000*hits(s) {
				t.Errorf("%d units for %d refused calls", s.Counters.FuelUnits, hits(s))
			}
			if s.Restarts > 0 {
				t.Errorf("refusals ended the guest: %s", s.Reason)
			}
			now := r.state(other.ID, lifecycle.Running)
			if steps := now.Counters.Records - had; float64(steps) < took.Seconds()*50/16 || now.Restarts > 0 {
				t.Errorf("the neighbour made %d records in %s", steps, took)
			}
		})
	}
}

// TestAbuse13OutputBomb: what is too much is refused whole and kept in
// quarantine with the reason, whichever bound it breaks, and the guest goes on.
// Nothing of an answer is parsed as JSON on the way, so keys and depth have no
// bound of their own: bytes have.
func TestAbuse13OutputBomb(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	on := map[string]string{"a": "many", "b": "huge", "c": "heavy", "d": "records 101"}
	in := r.echoOn(l, map[string]any{"on": on})
	in.Limits = spec.Limits{OutputRecords: 100}
	v := r.connect(in)
	for i, frame := range []string{"a", "b", "c", "d"} {
		l.send(t, frame+"\n")
		r.until(v.ID, "quarantined", func(s lifecycle.Status) bool { return s.Counters.Quarantined == uint64(i)+1 })
	}
	l.send(t, "good\n")
	r.stream("").wants("good\n")
	s := r.state(v.ID, lifecycle.Running)
	if limit(s, spec.LimitOutputRecords).Hits == 0 || s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
	for _, reason := range []string{"too many or too large", "records of one outcome"} {
		_ = r.logged(v.ID, reason)
	}
}
