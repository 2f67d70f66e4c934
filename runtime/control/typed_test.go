package control_test

import (
	"encoding/json"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// TestConnectorsOfBefore: connectors that were stored before they had types have
// them when the tenant is opened, without being changed.
func TestConnectorsOfBefore(t *testing.T) {
	r := newRig(t)
	r.Tenant = r.tenant("other")
	con := r.tiny(abi.KindConnector, "con", "")
	v := r.create(control.ConnectorInput{Name: "old", Module: con})
	if v.Category == "" || v.ProviderType == "" {
		t.Fatalf("made as %+v", v.Connector)
	}
	const tenant = "before"
	system, err := r.store.Tenant("other")
	if err != nil {
		t.Fatal(err)
	}
	var module store.Entry
	if err := system.View(t.Context(), func(rd store.Reader) (err error) { module, err = rd.Get(store.Modules, con); return err }); err != nil {
		t.Fatal(err)
	}
	space, err := r.store.Tenant(tenant)
	if err != nil {
		t.Fatal(err)
	}
	const count = 120
	if err := space.Update(t.Context(), func(w store.Writer) error {
		if _, err := w.Put(store.Modules, con, module.Value); err != nil {
			return err
		}
		for i := range count {
			c := v.Connector
			c.ID, c.Name, c.Category, c.ProviderType, c.Revision = "con_"+string(rune('a'+i/26))+string(rune('a'+i%26)), "", "", "", 7
			if i == 3 {
				c.Module = "gone"
			}
			raw, err := json.Marshal(c)
			if err != nil {
				return err
			}
			if _, err := w.Put(store.Connectors, c.ID, raw); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r.Tenant = r.tenant(tenant)
	found := 0
	for page := (control.Page{Limit: 50}); ; {
		list, next, err := r.Connectors(t.Context(), control.ConnectorFilter{Category: v.Category, ProviderType: v.ProviderType}, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			if found++; c.Revision != 7 || c.Status != spec.StatusDraft {
				t.Errorf("%+v", c.Connector)
			}
		}
		if page.After = next; next == "" {
			break
		}
	}
	if found != count-1 {
		t.Errorf("%d of %d are found by their type", found, count)
	}
}
