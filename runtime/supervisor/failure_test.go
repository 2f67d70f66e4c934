package supervisor_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// A guest may ask for what it was not granted, if its manifest says that it
// can do without: it is refused, and lives.
func TestOptionalCapabilityIsDenied(t *testing.T) {
	r := newRig(t)
	v := r.connect(control.ConnectorInput{
		Name: "echo", Module: r.module("echo"), Config: config(t, map[string]any{"on_open": "try /dev/ttyUSB0", "every_ms": 10}),
	})
	r.logged(v.ID, "tried /dev/ttyUSB0: denied")
	if rec := r.stream("").next(); len(rec.Points) != 1 || rec.Points[0].Name != "tick" {
		t.Errorf("record %+v", rec)
	}
	if st := r.state(v.ID, lifecycle.Running); st.Restarts != 0 || len(st.Sessions) != 0 {
		t.Errorf("status %+v", st)
	}
	if n := r.service.Stats().Engine.Denied; n == 0 {
		t.Error("the refused call was not counted")
	}
}

// A right that the grant does not have is refused in the session.
func TestRightThatIsNotGrantedIsDenied(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	in := r.echoOn(l, map[string]any{"on": map[string]string{"write": "reply"}})
	in.Grants[0].Rights = []spec.Right{spec.Read}
	v, s := r.connect(in), r.stream("")
	l.send(t, "write\n")
	r.until(v.ID, "refused", func(s lifecycle.Status) bool { return s.Counters.Quarantined == 1 })
	l.send(t, "read\n")
	s.wants("read\n")
	st := r.until(v.ID, "counted", func(s lifecycle.Status) bool { return s.Counters.Denied == 1 })
	if st.State != lifecycle.Running || st.Restarts != 0 {
		t.Errorf("status %+v", st)
	}
	if rejects := r.rejects("plant"); len(rejects) != 1 || string(rejects[0].Input) != "write\n" || !strings.Contains(rejects[0].Reason, "denied") {
		t.Errorf("rejects %q", rejects)
	}
}

// rejects are the tenant's quarantine.
func (r *rig) rejects(tenant string) (all []outbox.Reject) {
	r.t.Helper()
	t, err := r.super.Tenant(tenant)
	if err != nil {
		r.t.Fatal(err)
	}
	reader := t.Outbox().Reader(1)
	defer func() { _ = reader.Close() }()
	for head := t.Outbox().Head(); ; {
		b, err := reader.Next(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for _, reject := range b.Rejects {
			reject.Input = slices.Clone(reject.Input)
			all = append(all, reject)
		}
		if b.Seq >= head {
			return all
		}
	}
}

// Without a required capability there is nothing to run: not at activation,
// and not at a later start.
func TestRequiredCapabilityIsMissing(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	granted := r.serialline(nil, l.port)
	in := granted
	in.Grants = nil
	v, err := r.tenant.CreateConnector(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.tenant.Activate(t.Context(), v.ID)
	if f := fault.Of(err); f == nil || !strings.Contains(f.Text, `"serial", which is not granted: Opens the serial ports`) ||
		!strings.Contains(f.Advice(), "snaprail grants add ") {
		t.Errorf("activated with %v (%+v)", err, f)
	}
	if _, err := r.tenant.UpdateConnector(t.Context(), v.ID, granted, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := r.tenant.Activate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r.rewrite(v.ID, func(c *spec.Connector) { c.Grants = nil })
	r.start()
	if st := r.state(v.ID, lifecycle.Failed); st.Code != fault.CapabilityNotGranted.String() ||
		!strings.Contains(st.Reason, "not granted") || st.Restarts != 0 {
		t.Errorf("status %+v", st)
	}
	if _, err := r.tenant.Reconnect(t.Context(), v.ID); !fault.Is(err, fault.WrongState) || !strings.Contains(err.Error(), "not granted") {
		t.Errorf("a connector that has failed was reconnected: %v", err)
	}
	if st := r.update(v.ID, granted); st.State != lifecycle.Running || st.Reason != "" {
		t.Errorf("granted again: %+v", st)
	}
}

// rewrite changes a spec behind the back of control.
func (r *rig) rewrite(id string, change func(*spec.Connector)) {
	r.t.Helper()
	err := r.space().Update(r.t.Context(), func(w store.Writer) error {
		e, err := w.Get(store.Connectors, id)
		if err != nil {
			return err
		}
		var c spec.Connector
		if err := json.Unmarshal(e.Value, &c); err != nil {
			return err
		}
		change(&c)
		c.Revision++
		_, err = w.Put(store.Connectors, id, config(r.t, c))
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) space() store.Space {
	r.t.Helper()
	s, err := r.store.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// A converter that dies of a record, or fails on it, does not take the others
// of its batch with it.
func TestPoisonIsFoundAndKept(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	in := r.echoOn(l, map[string]any{"always": "sleep 30ms"}) // so that the frames behind the first come together
	in.Converter = &spec.Converter{Module: r.module("poison"), Config: config(t, map[string]any{"prefix": "> "})}
	v, s := r.connect(in), r.stream("")
	l.send(t, "first\n")
	s.wants("> first\n")
	l.send(t, "1\n2\n3 poison\n4\n5 reject\n6\n7 error\n8 skip\n9 poison\n10\n")
	s.wants("> 1\n", "> 2\n", "> 4\n", "> 6\n", "> 10\n")
	l.send(t, "last\n")
	s.wants("> last\n")
	st := r.until(v.ID, "counted", func(s lifecycle.Status) bool { return s.Counters.Quarantined == 4 })
	if st.State != lifecycle.Running || st.Restarts != 0 || st.Counters.Skipped != 1 {
		t.Errorf("status %+v: the connector itself is well", st)
	}
	var got []string
	for _, reject := range r.rejects("plant") {
		got = append(got, string(reject.Input))
		if want := map[string]string{
			"3 poison\n": `died of "3 poison\n"`, "9 poison\n": `died of "9 poison\n"`,
			"7 error\n": `failed on "7 error\n"`, "5 reject\n": "told to reject",
		}[string(reject.Input)]; !strings.Contains(reject.Reason, want) || reject.Device != "echo" {
			t.Errorf("reject %q of %s: %q, want %q", reject.Input, reject.Device, reject.Reason, want)
		}
	}
	slices.Sort(got)
	if want := []string{"3 poison\n", "5 reject\n", "7 error\n", "9 poison\n"}; !slices.Equal(got, want) {
		t.Errorf("rejects %q, want %q", got, want)
	}
}

// Five crashes end in a crash loop, over pauses that grow; a change of the
// config begins anew.
func TestCrashLoop(t *testing.T) {
	r := newRig(t, func(r *rig) { r.restart = supervisor.Restart{Min: 20 * time.Millisecond, Max: time.Second} })
	l := newLine(t)
	crashing := map[string]any{"on": map[string]string{"bad": "panic"}}
	v := r.connect(r.echoOn(l, crashing))
	l.send(t, "bad\n")
	st := r.state(v.ID, lifecycle.CrashLoop)
	if st.Counters.Traps != 5 || st.Restarts != 4 || !strings.Contains(st.Reason, "crashed 5 times within 10m") || st.Sessions[0].Opens != 1 {
		t.Errorf("status %+v", st)
	}
	r.logged(v.ID, "main.(*echo).misbehave") // the log has the whole trace, with its functions
	pauses := r.pauses(v.ID)
	if len(pauses) != 4 {
		t.Fatalf("pauses %v, want 4", pauses)
	}
	for i, want := range []time.Duration{20, 40, 80, 160} {
		if least := want * time.Millisecond * 9 / 10; pauses[i] < least {
			t.Errorf("pause %d took %s, want at least %s", i, pauses[i], least)
		}
	}
	crashing["device"] = "other" // the frame is still there, and the crashes are counted anew
	r.update(v.ID, r.echoOn(l, crashing))
	st = r.until(v.ID, "a crash loop again", func(s lifecycle.Status) bool { return s.State == lifecycle.CrashLoop && s.Counters.Traps == 10 })
	if st.Restarts != 8 {
		t.Errorf("status %+v", st)
	}
	if st := r.update(v.ID, r.echoOn(l, nil)); st.State != lifecycle.Running || st.Reason != "" {
		t.Errorf("status %+v", st)
	}
	r.stream("").wants("bad\n")
}

// pauses are the times from a failure to the next start, as the log tells.
func (r *rig) pauses(id string) (all []time.Duration) {
	r.t.Helper()
	logs, err := r.tenant.Logs(r.t.Context(), id, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	var failed time.Time
	for logs.Pending() {
		line, err := logs.Next(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		switch {
		case line.Target != "state":
		case strings.HasPrefix(line.Text, string(lifecycle.BackingOff)):
			failed = line.Time
		case line.Text == string(lifecycle.Starting) && !failed.IsZero():
			all = append(all, line.Time.Sub(failed))
			failed = time.Time{}
		}
	}
	return all
}

// A stop, and a deactivation, need not wait for the end of a back-off or for a
// way out of a crash loop.
func TestWhatIsNotRunningStops(t *testing.T) {
	r := newRig(t, func(r *rig) { r.restart = supervisor.Restart{Min: time.Hour, Max: time.Hour, Crash: 2} })
	for _, want := range []lifecycle.State{lifecycle.BackingOff, lifecycle.CrashLoop} {
		l := newLine(t)
		in := r.echoOn(l, map[string]any{"on": map[string]string{"bad": "panic"}})
		in.Name = string(want)
		v := r.connect(in)
		l.send(t, "bad\n")
		r.state(v.ID, lifecycle.BackingOff)
		if want == lifecycle.CrashLoop {
			r.until(v.ID, string(want), func(s lifecycle.Status) bool {
				if s.State == lifecycle.BackingOff {
					in.Config = config(t, map[string]any{"port": l.port, "on": map[string]string{"bad": "panic"}, "device": fmt.Sprint("echo", s.Restarts)})
					r.update(v.ID, in)
				}
				return s.State == want
			})
		}
		if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
			t.Fatal(err)
		}
		r.state(v.ID, lifecycle.Stopped)
		if _, err := r.tenant.Activate(t.Context(), v.ID); err != nil { // its port is free: the test opens it
			t.Fatal(err)
		}
		// The frame was in the port's session, which is closed: a gap says so.
		if st := r.state(v.ID, lifecycle.Running); st.Counters.Gaps != 1 {
			t.Errorf("%d gaps, want 1", st.Counters.Gaps)
		}
	}
}
