package control_test

import (
	"bytes"
	"encoding/json"
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
	document := json.RawMessage(`{"kind":"connector","name":"planned","module":"` + con + `"}`)
	plan, err := r.Apply(t.Context(), []json.RawMessage{document}, control.ApplyOptions{DryRun: true})
	if err != nil || len(plan.Changes) != 1 || plan.Changes[0].Err == nil || plan.Changes[0].Err.Kind != fault.QuotaReached {
		t.Errorf("a plan for one more: %+v, %v", plan, err)
	}
}

// TestNetworksAreNobodysToGrant: without a list, a tenant reaches public
// addresses alone, by whatever grant it gives itself.
func TestNetworksAreNobodysToGrant(t *testing.T) {
	node := newNode(t)
	other := &rig{Tenant: node.tenant("other"), t: t, store: node.store, service: node.service, super: node.super}
	module := other.tiny(abi.KindConnector, "con", "")
	for i, c := range []struct {
		resources []string
		may       bool
	}{
		{[]string{"https://api.example.com/*"}, true},
		{[]string{"https://*:*/*"}, true},
		{[]string{"cidr:10.0.0.0/8"}, false},
		{[]string{"cidr:8.8.8.0/24"}, false},
		{[]string{"https://api.example.com/*", "cidr:127.0.0.0/8"}, false},
	} {
		in := control.ConnectorInput{
			Name: fmt.Sprint("c", i), Module: module,
			Grants: []spec.Grant{{Group: "http", Resources: c.resources, Rights: []spec.Right{spec.Read}}},
		}
		_, err := other.CreateConnector(t.Context(), in)
		if c.may != (err == nil) || (!c.may && !fault.Is(err, fault.NotGrantable)) {
			t.Errorf("%v: %v", c.resources, err)
		}
	}
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
		{list(tty), grant("serial", read), true},
		{list(tty), grant("serial", write), false},
		{list(spec.Grant{Group: "file", Rights: write}), grant("serial", read), false},
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
		{list(tty), grant("connectors", write, "*"), true}, // its own
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
