package supervisor_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// told are the reasons that guests were opened and closed with, in order.
func (r *rig) told(id string) (all []string) {
	r.t.Helper()
	logs, err := r.tenant.Logs(r.t.Context(), id, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	for logs.Pending() {
		line, err := logs.Next(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		if line.Source == "guest" && (strings.HasPrefix(line.Text, "opened: ") || strings.HasPrefix(line.Text, "closed: ")) {
			all = append(all, line.Text)
		}
	}
	return all
}

func (r *rig) wantTold(id string, want ...string) {
	r.t.Helper()
	var got []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); r.tick() {
		if got = r.told(id); slices.Equal(got, want) {
			return
		}
	}
	r.t.Errorf("the guests were told %q, want %q", got, want)
}

func one(m *abi.Manifest) { m.Lanes = "connector" }

// Asked to reconnect, the guest closes and then another opens, in that order,
// with the reason and a state of its own; so it does for another config where
// the connector says so. Someone who stops it is told apart from a stop of the
// server.
func TestReconnectIsCloseThenOpen(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{
		Name: "field", Module: r.census(one), Poll: spec.Poll{Interval: spec.Duration(10 * time.Millisecond)}, OnChange: spec.ChangeReconnect,
	}
	v := r.connect(in)
	r.until(v.ID, "polled", func(s lifecycle.Status) bool { return s.Counters.Records > 2 })
	after, err := r.tenant.Reconnect(t.Context(), v.ID)
	if err != nil || after.Runtime.State != lifecycle.Running || after.Runtime.Generation != 2 || after.Runtime.Restarts != 0 {
		t.Errorf("reconnected, it is %+v, %v", after.Runtime, err)
	}
	in.Config = config(t, map[string]int{"next_ms": 10})
	if s := r.update(v.ID, in); s.Generation != 3 || s.Swaps != 0 {
		t.Errorf("with another config it is %+v", s)
	}
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.state(v.ID, lifecycle.Stopped)
	if _, err := r.tenant.Reconnect(t.Context(), v.ID); !fault.Is(err, fault.WrongState) {
		t.Errorf("one that does not run: %v", err)
	}
	r.wantTold(v.ID,
		"opened: test", "closed: test", "opened: start", "closed: reconnect", "opened: reconnect",
		"closed: config_changed", "opened: config_changed", "closed: requested")
	st := r.stream("")
	for _, want := range []string{"start", "reconnect", "config_changed"} {
		if o := st.opening(); o.Reason != want {
			t.Errorf("opened with %+v, want the reason %s", o, want)
		}
	}
}

// A reconnect opens the port itself anew, where a swap keeps it.
func TestReconnectOpensThePortAnew(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, nil))
	before := r.state(v.ID, lifecycle.Running).Sessions[0].Opened
	if _, err := r.tenant.Reconnect(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	s := r.state(v.ID, lifecycle.Running)
	if len(s.Sessions) != 1 || !s.Sessions[0].Opened.After(before) {
		t.Errorf("the sessions are %+v", s.Sessions)
	}
	l.send(t, "hello\n")
	r.stream("").wants("hello\n")
}

// A connection that worked and was lost is made anew at once, without a
// back-off; the guest that lost it is closed with the reason.
func TestLostConnectionIsMadeAnewAtOnce(t *testing.T) {
	r := newRig(t, func(r *rig) { r.restart.Min, r.restart.Max = 100*time.Millisecond, time.Minute })
	v := r.connect(control.ConnectorInput{
		Name: "field", Config: config(t, map[string]int{"lose_ms": 300}),
		Module: r.census(func(m *abi.Manifest) { m.Lanes, m.Mode = "connector", abi.ModeRun }),
	})
	began := time.Now()
	s := r.until(v.ID, "back three times", func(s lifecycle.Status) bool { return s.Restarts >= 3 && s.State == lifecycle.Running })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("three losses took %s: the back-off is not for these", took)
	}
	if s.Counters.Traps != 0 {
		t.Errorf("a lost connection is no crash: %+v", s.Counters)
	}
	want := []string{"opened: test", "closed: test", "opened: start", "closed: lost", "opened: lost", "closed: lost", "opened: lost"}
	if got := r.told(v.ID); len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("the guests were told %q", got)
	}
}

// Each device is polled at its own interval, never twice at once, and the ticks
// that pass meanwhile are counted and not made up for.
func TestEachDeviceIsPolledAtItsInterval(t *testing.T) {
	r := newRig(t)
	v := r.connect(control.ConnectorInput{
		Name: "field", Module: r.census(func(m *abi.Manifest) { m.Lanes, m.Polls = "connector", abi.PollsDevice }),
		Poll: spec.Poll{Interval: spec.Duration(time.Hour)},
	})
	began := time.Now()
	r.put(v.ID, spec.Device{ID: "fast", Poll: spec.Poll{Interval: spec.Duration(20 * time.Millisecond)}}, spec.Device{ID: "usual"})
	st, polled := r.stream(""), map[string]int{}
	for polled["fast"] < 15 || polled["usual"] < 1 {
		if rec := st.next(); rec.Kind == "telemetry" {
			polled[rec.Device]++
		}
	}
	if most := int(time.Since(began)/(20*time.Millisecond)) + 1; polled["fast"] > most || polled["usual"] != 1 || polled[""] > 0 {
		t.Errorf("of a device polled each 20 ms, %d times at most, and one polled each hour there were %v", most, polled)
	}
	// Another interval needs no other guest.
	generation := r.state(v.ID, lifecycle.Running).Generation
	r.put(v.ID,
		spec.Device{ID: "fast", Poll: spec.Poll{Interval: spec.Duration(time.Hour)}},
		spec.Device{ID: "usual", Poll: spec.Poll{Interval: spec.Duration(20 * time.Millisecond)}})
	for n := 0; n < 5; {
		if rec := st.next(); rec.Kind == "telemetry" && rec.Device == "usual" {
			n++
		}
	}
	if s := r.state(v.ID, lifecycle.Running); s.Generation != generation || s.Lanes != nil {
		t.Errorf("for another interval it became %+v", s)
	}
}

// A poll that takes longer than its interval does not overlap with the next.
func TestMissedPollsAreCounted(t *testing.T) {
	r := newRig(t)
	began := time.Now()
	v := r.connect(control.ConnectorInput{
		Name: "field", Module: r.census(one), Config: config(t, map[string]int{"slow_ms": 65}),
		Poll: spec.Poll{Interval: spec.Duration(20 * time.Millisecond)},
	})
	s := r.until(v.ID, "late", func(s lifecycle.Status) bool { return s.Counters.Records >= 10 })
	if most := uint64(time.Since(began)/(20*time.Millisecond)) + 1; s.Counters.MissedPolls < 20 || s.Counters.MissedPolls+s.Counters.Records > most {
		t.Errorf("of at most %d polls of 65 ms each 20 ms, %d were missed after %d records", most, s.Counters.MissedPolls, s.Counters.Records)
	}
}
