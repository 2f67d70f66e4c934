package supervisor_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// A port that is missing is no crash: it is waited for, however long.
func TestPortThatComesLater(t *testing.T) {
	r := newRig(t)
	l := newLinkedLine(t)
	v := r.connect(r.serialline(nil, l.port))
	r.stop()
	l.unplug(t)
	r.start()
	st := r.until(v.ID, "tried often", func(s lifecycle.Status) bool { return s.Restarts > 7 })
	if st.State == lifecycle.CrashLoop || st.Counters.Traps != 0 {
		t.Errorf("status %+v", st)
	}
	st = r.state(v.ID, lifecycle.BackingOff)
	if st.Code != fault.Guest.String() || !strings.Contains(st.Reason, "device-1: port "+l.port) {
		t.Errorf("status %+v", st)
	}
	r.logged(v.ID, "Connection refused per timeout for device "+l.port)
	l.plug(t)
	if st := r.state(v.ID, lifecycle.Running); st.Reason != "" {
		t.Errorf("status %+v", st)
	}
	s := r.stream("now")
	l.send(t, "frame\n")
	s.wants("frame\n")
}

// A port that goes away while the connector runs makes it degraded; when the
// port is back the connector is well, and one gap says what is missing.
func TestUnpluggedWhileRunning(t *testing.T) {
	r := newRig(t)
	l := newLinkedLine(t)
	v, s := r.connect(r.serialline(nil, l.port)), r.stream("")
	l.send(t, "before\n")
	s.wants("before\n")
	out := time.Now()
	l.unplug(t)
	st := r.state(v.ID, lifecycle.Degraded)
	if !strings.Contains(st.Reason, l.port) || len(st.Sessions) != 1 || st.Sessions[0].Up || st.Counters.Gaps != 0 {
		t.Errorf("status %+v", st)
	}
	l.plug(t)
	in := time.Now()
	st = r.until(v.ID, "well", func(s lifecycle.Status) bool { return s.State == lifecycle.Running && s.Counters.Gaps > 0 })
	if st.Reason != "" || st.Restarts != 0 || st.Generation != 1 || !st.Sessions[0].Up || st.Sessions[0].Opens != 2 {
		t.Errorf("status %+v", st)
	}
	s.wantsGap(out, in, "serial port "+l.port)
	l.send(t, "after\n")
	if rec := s.next(); string(rec.Payload) != "after\n" {
		t.Errorf("record %+v: want one gap alone", rec)
	}
}

// wantsGap reads a gap that covers the time from out to in, about.
func (s *records) wantsGap(out, in time.Time, reason string) {
	s.t.Helper()
	rec := s.next()
	var gap struct {
		From, To time.Time
		Reason   string
	}
	if rec.Kind != "gap" {
		s.t.Fatalf("record %+v, want a gap", rec)
	}
	if err := json.Unmarshal(rec.Payload, &gap); err != nil {
		s.t.Fatal(err)
	}
	if gap.From.Before(out) || gap.From.After(in) || gap.To.Before(in) || !strings.Contains(gap.Reason, reason) {
		s.t.Errorf("gap %s, want from %s to %s at least, and %q", rec.Payload, out, in, reason)
	}
}

// The port is still away when another guest comes: the connector stays
// degraded, and the gap is still one.
func TestOutageGoesOnOverGuests(t *testing.T) {
	for name, change := range map[string]func(r *rig, id string, l *line){
		"swap": func(r *rig, id string, l *line) {
			if st := r.update(id, r.echoOn(l, map[string]any{"device": "new", "kv": "n"})); st.Swaps != 1 {
				r.t.Errorf("status %+v", st)
			}
		},
		"failed swap": func(r *rig, id string, l *line) {
			if st := r.update(id, r.echoOn(l, map[string]any{"on_open": "error"})); !strings.Contains(st.Reason, "could not take over") {
				r.t.Errorf("status %+v", st)
			}
		},
		"crash": func(r *rig, id string, l *line) {
			r.update(id, r.echoOn(l, map[string]any{"every_ms": 10, "on": map[string]string{"tick": "panic"}}))
			r.until(id, "down", func(s lifecycle.Status) bool { return s.Counters.Traps > 0 && s.State != lifecycle.Degraded })
			r.update(id, r.echoOn(l, nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			l := newLinkedLine(t)
			v := r.connect(r.echoOn(l, nil))
			r.state(v.ID, lifecycle.Running)
			out := time.Now()
			l.unplug(t)
			r.state(v.ID, lifecycle.Degraded)
			change(r, v.ID, l)
			r.until(v.ID, "degraded still", func(s lifecycle.Status) bool {
				return s.State == lifecycle.Degraded && len(s.Sessions) == 1 && !s.Sessions[0].Up
			})
			l.plug(t)
			in := time.Now()
			st := r.until(v.ID, "well", func(s lifecycle.Status) bool { return s.State == lifecycle.Running && s.Counters.Gaps > 0 })
			if st.Counters.Gaps != 1 {
				t.Errorf("%d gaps, want 1", st.Counters.Gaps)
			}
			s := r.stream("")
			rec := s.next()
			for ; rec.Kind != "gap"; rec = s.next() {
				continue
			}
			var gap struct{ From, To time.Time }
			if err := json.Unmarshal(rec.Payload, &gap); err != nil {
				t.Fatal(err)
			}
			if gap.From.Before(out) || gap.From.After(in) || gap.To.Before(in) {
				t.Errorf("gap %s, want from %s to %s at least", rec.Payload, out, in)
			}
		})
	}
}

// A swap that leaves a port which is away ends its outage: nobody waits for it.
func TestSwapLeavesAPortThatIsAway(t *testing.T) {
	r := newRig(t)
	l, other := newLinkedLine(t), newLine(t)
	v, s := r.connect(r.serialline(nil, l.port)), r.stream("")
	out := time.Now()
	l.unplug(t)
	r.state(v.ID, lifecycle.Degraded)
	in := time.Now()
	if st := r.update(v.ID, r.serialline(nil, other.port)); st.State != lifecycle.Running || st.Swaps != 1 || st.Reason != "" {
		t.Errorf("status %+v", st)
	}
	s.wantsGap(out, in, l.port)
	other.send(t, "frame\n")
	s.wants("frame\n")
}

// A stop in order while the port is away leaves no silent hole.
func TestStopWhileUnpluggedLeavesAGap(t *testing.T) {
	r := newRig(t)
	l := newLinkedLine(t)
	v, s := r.connect(r.serialline(nil, l.port)), r.stream("")
	l.send(t, "before\n")
	s.wants("before\n")
	out := time.Now()
	l.unplug(t)
	r.state(v.ID, lifecycle.Degraded)
	in := time.Now()
	r.stop()
	l.plug(t)
	r.start()
	s = r.stream("")
	s.wants("before\n")
	s.wantsGap(out, in, "")
	l.send(t, "after\n")
	s.wants("after\n")
}

// Two devices on two ports: one that is away does not disturb the other.
func TestOneDeviceIsAway(t *testing.T) {
	r := newRig(t)
	a, b := newLinkedLine(t), newLine(t)
	v := r.connect(r.serialline(nil, a.port, b.port))
	s := r.stream("")
	a.unplug(t)
	st := r.state(v.ID, lifecycle.Degraded)
	if len(st.Sessions) != 2 || st.Sessions[0].Up || !st.Sessions[1].Up {
		t.Errorf("sessions %+v", st.Sessions)
	}
	b.send(t, "still here\n")
	if rec := s.next(); string(rec.Payload) != "still here\n" || rec.Device != "device-2" {
		t.Errorf("record %+v", rec)
	}
	a.plug(t)
	r.state(v.ID, lifecycle.Running)
	a.send(t, "back\n")
	if got := string(s.payload()); got != "back\n" {
		t.Errorf("payload %q", got)
	}
	devices, _, err := r.tenant.Devices(t.Context(), v.ID, control.Page{})
	if err != nil || len(devices) != 2 {
		t.Errorf("devices %+v, %v", devices, err)
	}
}
