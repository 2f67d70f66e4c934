package supervisor_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// serialline is the shipped connector on ports; more replaces its parameters.
func (r *rig) serialline(more map[string]any, ports ...string) control.ConnectorInput {
	r.t.Helper()
	c := map[string]any{"open_timeout": 0.05, "open_retry_delay": 0.01}
	var devices []map[string]any
	for i, p := range ports {
		devices = append(devices, map[string]any{"name": fmt.Sprintf("device-%d", i+1), "port": p})
	}
	c["devices"] = devices
	maps.Copy(c, more)
	return control.ConnectorInput{Name: "line", Module: r.module("serialline"), Config: config(r.t, c), Grants: port(ports...)}
}

// playing sends numbered frames until it is stopped; then it tells how many.
func (l *line) playing(t *testing.T) (stop func() int) {
	t.Helper()
	end, sent := make(chan struct{}), make(chan int, 1)
	go func() {
		every := time.NewTicker(2 * time.Millisecond)
		defer every.Stop()
		for n := 0; ; n++ {
			select {
			case <-end:
				sent <- n
				return
			case <-t.Context().Done(): // the test failed
				return
			case <-every.C:
			}
			if _, err := fmt.Fprintf(l.near, "%06d\n", n); err != nil && t.Context().Err() == nil {
				t.Error(err)
			}
		}
	}()
	return func() int { close(end); return <-sent }
}

// A swap keeps the port open: the new guest gets the session of the old one,
// with what it holds.
func TestSwapAdoptsTheSession(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, nil))
	before := r.state(v.ID, lifecycle.Running)
	s, stop := r.stream(""), l.playing(t)
	for i := range uint64(10) {
		st := r.update(v.ID, r.echoOn(l, map[string]any{"device": fmt.Sprint("echo-", i)}))
		if st.State != lifecycle.Running || st.Swaps != i+1 || st.Generation != i+2 || st.Reason != "" {
			t.Fatalf("swap %d: %+v", i, st)
		}
	}
	for i := range stop() {
		s.wants(fmt.Sprintf("%06d\n", i))
	}
	after := r.state(v.ID, lifecycle.Running)
	if len(after.Sessions) != 1 || after.Sessions[0].Opens != 1 || !after.Sessions[0].Opened.Equal(before.Sessions[0].Opened) {
		t.Errorf("sessions %+v, want the one from %s", after.Sessions, before.Sessions[0].Opened)
	}
	if after.Restarts != 0 || after.Counters.Gaps != 0 || after.Epoch != before.Epoch {
		t.Errorf("status %+v", after)
	}
}

// Sessions that the new guest did not open are closed: their ports are free.
func TestSwapToAnotherPortAndBack(t *testing.T) {
	r := newRig(t)
	a, b := newLine(t), newLine(t)
	on := func(l *line) control.ConnectorInput {
		in := r.echoOn(l, nil)
		in.Grants = port(a.port, b.port)
		return in
	}
	v, s := r.connect(on(a)), r.stream("")
	other := on(a)
	other.Name = "other"
	o, err := r.tenant.CreateConnector(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	for _, turn := range []struct{ from, to *line }{{a, b}, {b, a}, {a, b}} {
		st := r.update(v.ID, on(turn.to))
		if st.State != lifecycle.Running || st.Reason != "" || len(st.Sessions) != 1 || st.Sessions[0].Resource != turn.to.port {
			t.Fatalf("status %+v, want running on %s alone", st, turn.to.port)
		}
		turn.from.send(t, "nobody reads this\n")
		turn.to.send(t, "frame\n")
		s.wants("frame\n")
		// Somebody else can have the port that was left, and only that.
		other.Config = config(t, map[string]any{"port": turn.from.port})
		if _, err := r.tenant.UpdateConnector(t.Context(), o.ID, other, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := r.tenant.Activate(t.Context(), o.ID); err != nil {
			t.Fatalf("the port that was left is not free: %v", err)
		}
		turn.from.send(t, "the other's\n")
		for got := string(s.payload()); got != "the other's\n"; got = string(s.payload()) {
			if got != "nobody reads this\n" { // it may still be in the line
				t.Fatalf("payload %q", got)
			}
		}
		if _, err := r.tenant.Deactivate(t.Context(), o.ID); err != nil {
			t.Fatal(err)
		}
		r.state(o.ID, lifecycle.Stopped)
	}
}

// Other settings are another session, which takes the open port over.
func TestSwapWithOtherSettings(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v, s, stop := r.connect(r.serialline(nil, l.port)), r.stream(""), l.playing(t)
	for _, baud := range []uint32{115200, 19200, 9600} {
		r.update(v.ID, r.serialline(map[string]any{"baudrate": baud}, l.port))
		st := r.until(v.ID, "up", func(s lifecycle.Status) bool {
			return s.State == lifecycle.Running && len(s.Sessions) == 1 && s.Sessions[0].Up
		})
		if st.Reason != "" || st.Restarts != 0 {
			t.Fatalf("status %+v", st)
		}
		if got := speed(t, l); got != baud {
			t.Errorf("the line has %d baud, want %d", got, baud)
		}
	}
	for i := range stop() {
		s.wants(fmt.Sprintf("%06d\n", i))
	}
	if st := r.state(v.ID, lifecycle.Running); st.Counters.Gaps != 0 || st.Sessions[0].Dropped != 0 || st.Swaps != 3 {
		t.Errorf("status %+v", st)
	}
}

// speed is what the line is set to.
func speed(t *testing.T, l *line) uint32 {
	t.Helper()
	set, err := unix.IoctlGetTermios(int(l.far.Fd()), unix.TCGETS2)
	if err != nil {
		t.Fatal(err)
	}
	return set.Ospeed
}

// Whatever the new version fails of, the old one goes on with its session, and
// the status says why.
func TestFailedSwapKeepsTheOldGuest(t *testing.T) {
	r := newRig(t)
	l, taken := newLine(t), newLine(t)
	owner := r.echoOn(taken, nil)
	owner.Name = "owner"
	r.connect(owner)
	good := r.echoOn(l, nil)
	v, s := r.connect(good), r.stream("now")
	for _, tt := range []struct {
		name   string
		change func(*control.ConnectorInput)
		code   fault.Kind
		reason string
	}{
		{"trap in open", onOpen(t, l, "panic"), fault.GuestTrap, "echo was told to panic"},
		{"error in open", onOpen(t, l, "error"), fault.Guest, "told to fail"},
		{"open takes too long", func(in *control.ConnectorInput) {
			onOpen(t, l, "spin")(in)
			in.Limits.OpenTimeout = spec.Duration(200 * time.Millisecond)
		}, fault.GuestDeadline, "did not return within 200ms"}, // of its open, or on a busy machine of its start
		{"port of another", func(in *control.ConnectorInput) {
			*in = r.echoOn(taken, nil)
			in.Grants = port(taken.port, l.port)
		}, fault.Guest, fmt.Sprintf("port_in_use: serial port %s is owned by", taken.port)},
		{"converter that does not open", func(in *control.ConnectorInput) {
			in.Converter = &spec.Converter{Module: r.module("textframe"), Config: config(t, map[string]any{"fields": []any{
				map[string]any{"name": "a", "from": 3, "to": 1, "type": "int"},
			}})}
		}, fault.Guest, "fields[0]"},
	} {
		in := good
		tt.change(&in)
		st := r.update(v.ID, in)
		if st.State != lifecycle.Running || st.Code != tt.code.String() || !strings.Contains(st.Reason, tt.reason) ||
			!strings.Contains(st.Reason, "could not take over, revision 2 goes on") {
			t.Errorf("%s: %+v; want running, with the code %s and %q in the reason", tt.name, st, tt.code, tt.reason)
		}
		if st.Generation != 1 || st.Swaps != 0 || st.Restarts != 0 || len(st.Sessions) != 1 || st.Sessions[0].Opens != 1 {
			t.Errorf("%s: %+v; want the first guest with its port", tt.name, st)
		}
		l.send(t, tt.name+"\n")
		s.wants(tt.name + "\n")
	}
	if st := r.update(v.ID, r.echoOn(l, map[string]any{"device": "better"})); st.Reason != "" || st.Code != "" || st.Swaps != 1 {
		t.Errorf("after a good swap: %+v", st)
	}
}

// onOpen makes a config that does something in open.
func onOpen(t *testing.T, l *line, action string) func(*control.ConnectorInput) {
	t.Helper()
	return func(in *control.ConnectorInput) {
		in.Config = config(t, map[string]any{"port": l.port, "on_open": action})
	}
}

// A change while the connector backs off is not waited for, and the new guest
// gets what the old one died of.
func TestSwapDuringBackOff(t *testing.T) {
	r := newRig(t, func(r *rig) { r.restart.Min, r.restart.Max = time.Hour, time.Hour })
	l := newLine(t)
	v, s := r.connect(r.echoOn(l, map[string]any{"on": map[string]string{"bad": "panic"}})), r.stream("")
	l.send(t, "good\n")
	s.wants("good\n")
	l.send(t, "bad\nbehind\n")
	if st := r.state(v.ID, lifecycle.BackingOff); st.Code != fault.GuestTrap.String() || !st.Sessions[0].Up {
		t.Errorf("status %+v: want a trap, and the port open", st)
	}
	if st := r.update(v.ID, r.echoOn(l, nil)); st.State != lifecycle.Running || st.Restarts != 1 || st.Sessions[0].Opens != 1 {
		t.Errorf("status %+v", st)
	}
	s.wants("bad\n", "behind\n")
}

// Another config of the converter takes over between two frames, and the
// connector's guest goes on: it is neither swapped nor opened anew.
func TestConverterIsSwappedWhileFramesFlow(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	named := func(name string) control.ConnectorInput {
		in := r.serialline(nil, l.port)
		in.Converter = &spec.Converter{Module: r.module("textframe"), Config: config(t, map[string]any{"fields": []any{
			map[string]any{"name": name, "from": 0, "to": 6, "type": "uint"},
		}})}
		return in
	}
	names := []string{"a", "b", "c", "d"}
	v, s, stop := r.connect(named(names[0])), r.stream(""), l.playing(t)
	for _, name := range names[1:] {
		before := r.state(v.ID, lifecycle.Running).Counters.Records
		r.until(v.ID, "counting", func(s lifecycle.Status) bool { return s.Counters.Records > before })
		if st := r.update(v.ID, named(name)); st.Swaps != 0 || st.Generation != 1 || st.Reason != "" || st.Sessions[0].Opens != 1 {
			t.Fatalf("status %+v", st)
		}
	}
	var seen []string
	for i := range stop() {
		p := s.next().Points
		if len(p) != 1 || p[0].Value.Uint() != uint64(i) {
			t.Fatalf("points %+v, want %d", p, i)
		}
		if len(seen) == 0 || seen[len(seen)-1] != p[0].Name {
			seen = append(seen, p[0].Name)
		}
	}
	if last := len(seen); !slices.Equal(seen, names[:last]) || last < 3 {
		t.Errorf("the records are named %q, want %q", seen, names)
	}
}

// What is not the guest's does not disturb it.
func TestChangeThatIsNotTheGuestsIsNoSwap(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, nil))
	if st := r.update(v.ID, r.echoOn(l, nil)); st.State != lifecycle.Running || st.Swaps != 0 || st.Generation != 1 {
		t.Errorf("status %+v", st)
	}
}

// A version that goes on because the next one cannot take over does not keep
// what was taken away from its connector.
func TestATakenGrantEndsTheGuest(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*rig, *control.ConnectorInput)
		state  lifecycle.State
		reason string
	}{
		"another port": {
			func(_ *rig, in *control.ConnectorInput) { in.Grants = port("/dev/other") },
			lifecycle.BackingOff, "denied: serial: no grant covers",
		},
		"none of what is required": {
			func(r *rig, in *control.ConnectorInput) {
				*in = r.serialline(nil, "/dev/other")
				in.Name, in.Grants, in.Consent = "echo", nil, []string{in.Module}
			},
			lifecycle.Failed, `the module needs "serial", which is not granted`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			l := newLine(t)
			good := r.echoOn(l, nil)
			v, s := r.connect(good), r.stream("now")
			l.send(t, "before\n")
			s.wants("before\n")
			in := good
			tt.change(r, &in)
			r.update(v.ID, in)
			st := r.state(v.ID, tt.state)
			if !strings.Contains(st.Reason, tt.reason) || len(st.Sessions) != 0 {
				t.Errorf("%+v; want %q and no session", st, tt.reason)
			}
			st = r.update(v.ID, good) // granted again
			if st.State != lifecycle.Running || len(st.Sessions) != 1 {
				t.Errorf("after the grant came back: %+v", st)
			}
		})
	}
}
