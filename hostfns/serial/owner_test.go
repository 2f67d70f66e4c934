//go:build linux && !ppc64le

package serial

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Another tenant learns that a port is in use, and not by whom.
func TestTheOwnerIsNamedToItsTenantAlone(t *testing.T) {
	for name, g := range groups() {
		t.Run(name, func(t *testing.T) {
			r := plugged(t)
			s, err := g.Open(t.Context(), capability.Scope{Owner: "con_weather", Tenant: "plant"}, r.args())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closeSession(t, s) })
			for tenant, named := range map[string]bool{"plant": true, "rival": false} {
				_, err := g.Open(t.Context(), capability.Scope{Owner: "con_thief", Tenant: tenant}, r.args())
				if !fault.Is(err, fault.PortInUse) || strings.Contains(err.Error()+fault.Of(err).Advice(), "con_weather") != named {
					t.Errorf("%s is told: %v", tenant, err)
				}
			}
		})
	}
}

// slowDriver opens nothing until it is let.
type slowDriver struct {
	driver
	here, let chan struct{}
}

func (d *slowDriver) open(string, settings) (device, error) {
	d.here <- struct{}{}
	<-d.let
	return nil, errors.New("no such device")
}

// A lane that does not wait for another's opening of their port to end leaves nothing
// behind that would.
func TestALaneThatGivesUpLeavesAtOnce(t *testing.T) {
	r := plugged(t)
	d := &slowDriver{driver: systemDriver(), here: make(chan struct{}), let: make(chan struct{})}
	g := newGroup(Config{}, d)
	args := r.args(func(in *abi.SerialOpen) { in.Shared = true })
	first := make(chan error, 1)
	go func() {
		_, err := g.Open(context.WithoutCancel(t.Context()), scope("plc"), args)
		first <- err
	}()
	<-d.here
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Open(ctx, scope("plc"), args); !fault.Is(err, fault.Timeout) {
		t.Errorf("got %v", err)
	}
	g.buses.mu.Lock()
	for _, b := range g.buses.all {
		if b.users != 1 {
			t.Errorf("%d use the port that is being opened", b.users)
		}
	}
	g.buses.mu.Unlock()
	close(d.let)
	for done := false; !done; {
		select {
		case <-d.here:
		case err := <-first:
			if done = true; err == nil {
				t.Error("it was opened")
			}
		}
	}
	if len(g.buses.all) != 0 {
		t.Errorf("%d are left", len(g.buses.all))
	}
}
