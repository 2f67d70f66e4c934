package supervisor_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/probe"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// freePort is a TCP port that nobody has now.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().(*net.TCPAddr).Port
}

// probed waits until the port is open, or refuses.
func (r *rig) probed(port int, open bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); r.tick() {
		c, err := (&net.Dialer{}).DialContext(r.t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = c.Close()
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			continue
		}
		if (err == nil) == open {
			return
		}
	}
	r.t.Fatalf("the probe is not open: %t", open)
}

func (r *rig) runtime() *supervisor.Tenant {
	r.t.Helper()
	t, err := r.super.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	return t
}

func (r *rig) healthy(id string, want lifecycle.Health) {
	r.t.Helper()
	r.until(id, string(want), func(s lifecycle.Status) bool { return s.Health == want })
}

// TestGuestDeclaresItsHealth: nothing at first, then what it says, for as long
// as it runs. The set's probe opens and closes with it, and with what the host
// sees: a guest that crashed is not well, whatever it said.
func TestGuestDeclaresItsHealth(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.probes = probe.New(probe.Config{Listen: func(ctx context.Context, port int) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		}})
		r.restart = supervisor.Restart{Min: 200 * time.Millisecond, Max: 200 * time.Millisecond, Crash: 100}
	})
	l, number := newLine(t), freePort(t)
	if err := r.runtime().AssignProbe(t.Context(), "field", number); err != nil {
		t.Fatal(err)
	}
	in := control.ConnectorInput{
		Name: "press", Module: r.module("echo"), Grants: port(l.port), Set: "field",
		Config: config(t, map[string]any{"port": l.port, "on": map[string]string{"well": "healthy", "ill": "unhealthy", "die": "panic"}}),
	}
	v := r.connect(in)
	r.healthy(v.ID, lifecycle.Undeclared)
	r.probed(number, false)
	for range 2 {
		l.send(t, "well\n")
		r.healthy(v.ID, lifecycle.Healthy)
		r.probed(number, true)
		l.send(t, "ill\n")
		r.healthy(v.ID, lifecycle.Unhealthy)
		r.probed(number, false)
	}
	l.send(t, "well\n")
	r.probed(number, true)

	// A swap is no outage: what was declared stays until the new one says
	// otherwise.
	in.Config = config(t, map[string]any{"port": l.port, "on": map[string]string{"well": "healthy", "die": "panic", "ill": "unhealthy", "x": "skip"}})
	if s := r.update(v.ID, in); s.Swaps != 1 {
		t.Fatalf("not swapped: %+v", s)
	}
	r.healthy(v.ID, lifecycle.Healthy)
	r.probed(number, true)

	l.send(t, "die\n")
	r.probed(number, false)
	r.healthy(v.ID, lifecycle.Undeclared)

	for _, act := range []func(context.Context, string) (control.ConnectorView, error){r.tenant.Deactivate, r.tenant.Activate} {
		if _, err := act(t.Context(), v.ID); err != nil {
			t.Fatal(err)
		}
	}
	r.state(v.ID, lifecycle.Running)
	r.probed(number, false)
	l.send(t, "well\n")
	r.probed(number, true)
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.probed(number, false)
}

// TestHealthIsDeclaredWhileItOpens: in a test nobody hears it, and it is no
// reason to fail.
func TestHealthIsDeclaredWhileItOpens(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			r := newRig(t)
			v, err := r.tenant.CreateConnector(t.Context(), control.ConnectorInput{Name: "press", Module: r.module(mode), Config: config(t, map[string]any{"healthy": true})})
			if err != nil {
				t.Fatal(err)
			}
			if res, err := r.tenant.TestConnector(t.Context(), v.ID); err != nil || !res.Success {
				t.Fatalf("the test came to %+v, %v", res, err)
			}
			r.healthy(v.ID, lifecycle.Undeclared)
			if _, err := r.tenant.Activate(t.Context(), v.ID); err != nil {
				t.Fatal(err)
			}
			r.healthy(v.ID, lifecycle.Healthy)
		})
	}
}

// elsewhere is code of a remote connector that does nothing.
type elsewhere struct{}

func (elsewhere) Deliver(context.Context, *abi.Message) error { return nil }
func (elsewhere) Leave(string)                                {}

// TestRemoteCodeIsWellWhileItIsAttached: its protocol has no word for it.
func TestRemoteCodeIsWellWhileItIsAttached(t *testing.T) {
	r := newRig(t)
	v := r.connect(control.ConnectorInput{Name: "lathe", Remote: true, Set: "field"})
	is := func(want lifecycle.Health) {
		t.Helper()
		r.healthy(v.ID, want)
		if field, err := r.tenant.Set(t.Context(), "field"); err != nil || field.Health != want {
			t.Errorf("the set is %+v, %v", field, err)
		}
	}
	is(lifecycle.Unhealthy)
	for range 2 {
		session, err := r.runtime().AttachRemote(t.Context(), v.ID, "mine", elsewhere{})
		if err != nil {
			t.Fatal(err)
		}
		is(lifecycle.Healthy)
		session.Close(abi.ReasonLost)
		is(lifecycle.Unhealthy)
	}
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	is(lifecycle.Undeclared)
}

// TestSetIsAsWellAsItsConnectors: one that is ill makes the set so, and one in
// another set does not.
func TestSetIsAsWellAsItsConnectors(t *testing.T) {
	r := newRig(t)
	digest := r.module("echo")
	ids := map[string]string{}
	for name, set := range map[string]string{"press": "field", "oven": "field", "mute": "field", "crane": "yard"} {
		does := map[string]string{"oven": "unhealthy", "press": "healthy", "crane": "healthy"}[name]
		ids[name] = r.connect(control.ConnectorInput{Name: name, Module: digest, Set: set, Config: config(t, map[string]any{"on_open": does})}).ID
	}
	for _, name := range []string{"press", "crane"} {
		r.healthy(ids[name], lifecycle.Healthy)
	}
	sets, _, err := r.tenant.Sets(t.Context(), control.Page{})
	if err != nil || len(sets) != 2 {
		t.Fatalf("%+v, %v", sets, err)
	}
	if field, yard := sets[0], sets[1]; field.Health != lifecycle.Unhealthy || len(field.Members) != 3 || yard.Health != lifecycle.Healthy {
		t.Errorf("%+v", sets)
	}
	if _, err := r.tenant.Deactivate(t.Context(), ids["oven"]); err != nil {
		t.Fatal(err)
	}
	field, err := r.tenant.Set(t.Context(), "field")
	if err != nil || field.Health != lifecycle.Healthy {
		t.Errorf("without the one that is ill: %+v, %v", field, err)
	}
}
