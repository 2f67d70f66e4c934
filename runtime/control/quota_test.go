package control_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// TestQuotaOfConnectors, also under requests that come at once.
func TestQuotaOfConnectors(t *testing.T) {
	r := newRigUnder(t, spec.Ceiling{Quota: spec.Quota{Connectors: 3}})
	con := r.tiny(abi.KindConnector, "con", "")
	var wg sync.WaitGroup
	errs := make(chan error, 10)
	for i := range 10 {
		wg.Go(func() {
			_, err := r.CreateConnector(t.Context(), control.ConnectorInput{Name: fmt.Sprint("c", i), Module: con})
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	made := 0
	for err := range errs {
		if err == nil {
			made++
		} else if !fault.Is(err, fault.QuotaReached) {
			t.Error(err)
		}
	}
	if made != 3 {
		t.Errorf("%d connectors of 3", made)
	}
	list, _, err := r.Connectors(t.Context(), control.ConnectorFilter{}, control.Page{})
	if err != nil || len(list) != 3 {
		t.Fatal(len(list), err)
	}
	if err := r.DeleteConnector(t.Context(), list[0].ID, 0); err != nil {
		t.Fatal(err)
	}
	r.create(control.ConnectorInput{Name: "again", Module: con})
}

func TestQuotaOfModules(t *testing.T) {
	r := newRigUnder(t, spec.Ceiling{Quota: spec.Quota{Modules: 2}})
	r.tiny(abi.KindConnector, "a", "")
	b := r.tiny(abi.KindConnector, "b", "")
	third := r.wasm(abi.KindConnector, "c", "", w.I64(0))
	_, _, err := r.AddModule(t.Context(), bytes.NewReader(third), nil, "")
	wantFault(t, err, fault.QuotaReached)
	if list, _, err := r.Modules(t.Context(), control.Page{}); err != nil || len(list) != 2 {
		t.Errorf("%d modules, %v", len(list), err)
	}
	if err := r.DeleteModule(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.AddModule(t.Context(), bytes.NewReader(third), nil, ""); err != nil {
		t.Error(err)
	}
}

func TestQuotaOfModuleBytes(t *testing.T) {
	r := newRig(t)
	size := uint64(len(r.wasm(abi.KindConnector, "a", "", w.I64(0))))
	r = newRigUnder(t, spec.Ceiling{Quota: spec.Quota{ModuleBytes: size + size/2}})
	r.tiny(abi.KindConnector, "a", "")
	_, _, err := r.AddModule(t.Context(), bytes.NewReader(r.wasm(abi.KindConnector, "b", "", w.I64(0))), nil, "")
	wantFault(t, err, fault.QuotaReached)
	if _, created, err := r.AddModule(t.Context(), bytes.NewReader(r.wasm(abi.KindConnector, "a", "", w.I64(0))), nil, ""); err != nil || created {
		t.Errorf("what is there already: %t, %v", created, err)
	}
}

// TestWhatATenantMayGrant: without a list, a tenant that does not operate the
// server reaches nothing of the server's; with one, exactly what the list says.
func TestWhatATenantMayGrant(t *testing.T) {
	r := newRig(t) // plant does not operate it
	con := r.tiny(abi.KindConnector, "con", "")
	grant := func(group string, rights []spec.Right, resources ...string) []spec.Grant {
		return []spec.Grant{{Group: group, Resources: resources, Rights: rights, Reason: "Wants it."}}
	}
	read, write := []spec.Right{spec.Read}, []spec.Right{spec.Read, spec.Write}
	n := 0
	try := func(ceiling spec.Ceiling, g []spec.Grant) error {
		t.Helper()
		n++
		r.ceiling(ceiling)
		_, err := r.CreateConnector(t.Context(), control.ConnectorInput{Name: fmt.Sprint("c", n), Module: con, Grants: g})
		return err
	}
	list := func(grants ...spec.Grant) spec.Ceiling { return spec.Ceiling{Grantable: grants} }
	tty := spec.Grant{Group: "serial", Resources: []string{"/dev/ttyUSB*"}, Rights: read}
	for _, c := range []struct {
		ceiling spec.Ceiling
		grants  []spec.Grant
		may     bool
	}{
		{spec.Ceiling{}, nil, true},
		{spec.Ceiling{}, grant("kv", nil), true},
		{spec.Ceiling{}, grant("serial", read, "/dev/ttyUSB0"), false},
		{spec.Ceiling{}, grant("serial", nil), false},
		{list(tty), grant("serial", read, "/dev/ttyUSB0"), true},
		{list(tty), grant("serial", read, "/dev/ttyUSB*"), true},
		{list(tty), grant("serial", read, "/dev/ttyUSB1*"), true},
		{list(tty), grant("serial", write, "/dev/ttyUSB0"), false},
		{list(tty), grant("serial", read, "/dev/ttyS0"), false},
		{list(tty), grant("serial", read, "/dev/tty*"), false},
		{list(tty), grant("serial", read, "/dev/ttyUSB0", "/dev/ttyS0"), false},
		{list(tty), grant("serial", read, "/dev/ttyUSB*/../../etc/passwd"), false},
		{list(spec.Grant{Group: "serial", Rights: write}), grant("serial", write, "/dev/anything"), true},
		{list(spec.Grant{Group: "file", Rights: write}), grant("serial", read, "/dev/ttyUSB0"), false},
	} {
		err := try(c.ceiling, c.grants)
		if c.may != (err == nil) || (!c.may && !fault.Is(err, fault.NotGrantable)) {
			t.Errorf("%+v with %+v: %v", c.grants, c.ceiling.Grantable, err)
		}
	}
	r.ceiling(list(tty))
	v := r.create(control.ConnectorInput{Name: "good", Module: con, Grants: grant("serial", read, "/dev/ttyUSB0")})
	_, err := r.UpdateConnector(t.Context(), v.ID, control.ConnectorInput{Name: "good", Module: con, Grants: grant("serial", read, "/dev/ttyS0")}, 0)
	wantFault(t, err, fault.NotGrantable)
}
