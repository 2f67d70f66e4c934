package control_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestActivationThatWasOvertaken: what is made to run is what passed the test,
// and not what somebody made of it meanwhile.
func TestActivationThatWasOvertaken(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	v := r.create(control.ConnectorInput{Name: "c", Module: con, Config: json.RawMessage(`{"n":1}`)})
	if _, err := r.Activate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	passed := r.read(v.ID).Connector
	if _, err := r.UpdateConnector(t.Context(), v.ID, control.ConnectorInput{Name: "c", Module: con, Config: json.RawMessage(`{"n":2}`)}, 0); err != nil {
		t.Fatal(err)
	}
	_, err := control.ActivateAsRead(t.Context(), r.Tenant, &passed)
	wantFault(t, err, fault.StaleRevision)
	if r.read(v.ID).Enabled {
		t.Error("it runs, and was never tested as it is")
	}
}

// TestHammerPatchKeepsAll: of patches at once, those that were answered with
// success are all there.
func TestHammerPatchKeepsAll(t *testing.T) {
	r := newRig(t)
	r.create(control.ConnectorInput{Name: "c", Module: r.tiny(abi.KindConnector, "con", ""), Config: json.RawMessage(`{"n":0}`)})
	begin := make(chan struct{})
	kept := make([]bool, 24)
	var wg sync.WaitGroup
	for i := range kept {
		wg.Go(func() {
			<-begin
			_, err := r.PatchConnector(t.Context(), "c", json.RawMessage(fmt.Sprintf(`{"config":{"key%d":1}}`, i)), 0)
			if err != nil && !fault.Is(err, fault.StaleRevision) {
				t.Error(err)
			}
			kept[i] = err == nil
		})
	}
	close(begin)
	wg.Wait()
	raw, err := r.Config(t.Context(), "c", false)
	if err != nil {
		t.Fatal(err)
	}
	for i, ok := range kept {
		if strings.Contains(string(raw), fmt.Sprintf(`"key%d"`, i)) != ok {
			t.Errorf("key%d: %t, and the config is %s", i, ok, raw)
		}
	}
}
