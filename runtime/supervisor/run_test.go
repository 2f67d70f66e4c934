package supervisor_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// echoOn is an echo connector on a line.
func (r *rig) echoOn(l *line, more map[string]any) control.ConnectorInput {
	r.t.Helper()
	c := map[string]any{"port": l.port}
	maps.Copy(c, more)
	return control.ConnectorInput{
		Name: "echo", Module: r.module("echo"), Config: config(r.t, c), Grants: port(l.port),
	}
}

func TestFramesBecomeRecords(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, nil))
	s := r.stream("")
	for i := range 10 {
		l.send(t, fmt.Sprintf("frame %d\n", i))
		rec := s.next()
		if got, want := string(rec.Payload), fmt.Sprintf("frame %d\n", i); got != want {
			t.Fatalf("payload %q, want %q", got, want)
		}
		if want := fmt.Sprintf("%s/1/%d", v.ID, i); rec.Key != want {
			t.Errorf("key %s, want %s", rec.Key, want)
		}
	}
	st := r.until(v.ID, "counted", func(s lifecycle.Status) bool { return s.Counters.Records == 10 })
	if st.State != lifecycle.Running || len(st.Sessions) != 1 || st.Sessions[0].Resource != l.port {
		t.Errorf("status %+v", st)
	}
	devices, _, err := r.tenant.Devices(t.Context(), v.ID, control.Page{})
	if err != nil || len(devices) != 1 || devices[0].ID != "echo" {
		t.Errorf("devices %+v, %v", devices, err)
	}
}

func TestKeyValueStateIsStagedWithTheStep(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, map[string]any{"kv": "frames", "on": map[string]string{"bad": "panic"}}))
	s := r.stream("")
	count := func() int64 {
		for {
			if rec := s.next(); len(rec.Points) == 1 && rec.Points[0].Name == "frames" {
				return rec.Points[0].Value.Int()
			}
		}
	}
	l.send(t, "one\n")
	if n := count(); n != 1 {
		t.Fatalf("count %d, want 1", n)
	}
	l.send(t, "two\n")
	if n := count(); n != 2 {
		t.Fatalf("count %d, want 2", n)
	}
	// What survives is what was committed, also over a restart of the node.
	r.stop()
	r.start()
	r.state(v.ID, lifecycle.Running)
	s = r.stream("now")
	l.send(t, "three\n")
	if n := count(); n != 3 {
		t.Fatalf("count %d after a restart, want 3", n)
	}
}

func TestCrashIsRestartedAndLosesNothing(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, map[string]any{"kv": "n", "on": map[string]string{"poison": "panic"}}))
	s := r.stream("")
	l.send(t, "before\n")
	if got := string(s.next().Payload); got != "before\n" {
		t.Fatal(got)
	}
	l.send(t, "poison\nbehind\n")
	st := r.state(v.ID, lifecycle.CrashLoop)
	if !strings.Contains(st.Reason, "echo was told to panic") || st.Code != fault.GuestTrap.String() {
		t.Errorf("reason %q, code %s: want the panic's text", st.Reason, st.Code)
	}
	if st.Counters.Traps == 0 {
		t.Error("no trap counted")
	}
	// A new config that can live with the frame gets it, and what is behind it.
	in := r.echoOn(l, map[string]any{"kv": "n", "on": map[string]string{"poison": "skip"}})
	if _, err := r.tenant.UpdateConnector(t.Context(), v.ID, in, 0); err != nil {
		t.Fatal(err)
	}
	r.state(v.ID, lifecycle.Running)
	for {
		rec := s.next()
		if len(rec.Payload) == 0 {
			continue
		}
		if got := string(rec.Payload); got != "behind\n" {
			t.Fatalf("payload %q, want the frame behind the poison", got)
		}
		break
	}
}

func TestDeadlineKillsASpinningGuest(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	in := r.echoOn(l, map[string]any{"on": map[string]string{"spin": "spin"}})
	in.Limits.CallTimeout = 1e8 // 100 ms
	v := r.connect(in)
	l.send(t, "spin\n")
	st := r.state(v.ID, lifecycle.CrashLoop)
	if st.Code != fault.GuestDeadline.String() {
		t.Errorf("code %s: %s", st.Code, st.Reason)
	}
}

func TestRejectedFramesAreKept(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, map[string]any{"on": map[string]string{"bad": "reject", "worse": "gap"}}))
	s := r.stream("")
	l.send(t, "bad\n")
	r.until(v.ID, "quarantined", func(s lifecycle.Status) bool { return s.Counters.Quarantined == 1 })
	l.send(t, "worse\n") // a batch that the host refuses: the guest lives, the input is kept
	r.until(v.ID, "quarantined", func(s lifecycle.Status) bool { return s.Counters.Quarantined == 2 })
	l.send(t, "good\n")
	if got := string(s.next().Payload); got != "good\n" {
		t.Errorf("payload %q", got)
	}
	if st := r.state(v.ID, lifecycle.Running); st.Restarts != 0 {
		t.Errorf("%d restarts", st.Restarts)
	}
}

func TestRetriedFrameComesAgain(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, map[string]any{"on": map[string]string{"later": "retry 5ms"}}))
	l.send(t, "later\nnow\n")
	s := r.stream("")
	if got := string(s.next().Payload); got != "now\n" {
		t.Errorf("payload %q: a frame that is held must not hold the others", got)
	}
	r.until(v.ID, "retrying", func(s lifecycle.Status) bool { return s.Counters.Retried >= 3 })
	// The new version takes it.
	if _, err := r.tenant.UpdateConnector(t.Context(), v.ID, r.echoOn(l, nil), 0); err != nil {
		t.Fatal(err)
	}
	for {
		if got := string(s.next().Payload); got == "later\n" {
			break
		} else if got != "now\n" { // at least once: the frame behind may come twice
			t.Fatalf("payload %q", got)
		}
	}
}

func TestTimersFireAcrossGuests(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, map[string]any{"every_ms": 20}))
	s := r.stream("")
	for range 3 {
		if rec := s.next(); len(rec.Points) != 1 || rec.Points[0].Name != "tick" {
			t.Fatalf("record %+v", rec)
		}
	}
	r.stop()
	r.start()
	r.state(v.ID, lifecycle.Running)
	s = r.stream("now")
	for rec := s.next(); len(rec.Points) != 1 || rec.Points[0].Name != "tick"; rec = s.next() {
		continue
	}
}

func TestPollModeReadsOnFromItsCursor(t *testing.T) {
	r := newRig(t)
	f := newTextFile(t)
	f.append(t, 1, 600)
	in := control.ConnectorInput{
		Name: "tail", Module: r.module("filetail"), Config: config(t, map[string]any{"path": f.path}),
		Grants: fileGrant(f.path), Poll: pollEvery(10),
	}
	v := r.connect(in)
	s := r.stream("")
	f.expect(t, s, 1, 600)
	r.stop()
	f.append(t, 601, 700)
	r.start()
	r.state(v.ID, lifecycle.Running)
	f.expect(t, s.from(r, v), 601, 700)
}

func TestRunModeEmitsAndStops(t *testing.T) {
	r := newRig(t)
	v := r.connect(control.ConnectorInput{Name: "ticker", Module: r.module("ticker"), Config: config(t, map[string]any{"interval_ms": 5})})
	s := r.stream("")
	for i := range 20 {
		rec := s.next()
		if len(rec.Points) != 1 || rec.Points[0].Value.Int() != int64(i+1) {
			t.Fatalf("record %d: %+v", i, rec.Points)
		}
	}
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.state(v.ID, lifecycle.Stopped)
	// It goes on from its cursor.
	if _, err := r.tenant.Activate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	last := int64(20)
	for range 20 {
		rec := s.next()
		if n := rec.Points[0].Value.Int(); n != last+1 {
			t.Fatalf("count %d behind %d", n, last)
		}
		last++
	}
}
