package control_test

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// TestWhatIsIncompleteCanBeGrantedTo: a connector that lacks what its schema wants
// is told so when it is made, takes grants all the same, and is refused when its
// configuration is what changes.
func TestWhatIsIncompleteCanBeGrantedTo(t *testing.T) {
	r := newRig(t)
	module := r.opening(abi.KindConnector, "meter", `{"type":"object","properties":{"port":{"type":"integer"}},"required":["port"],"additionalProperties":false}`, w.I64(0))
	v, err := r.CreateConnector(t.Context(), control.ConnectorInput{Name: "meter", Module: module})
	if err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(v.Warnings, "\n"); !strings.Contains(said, "config: /config") || !strings.Contains(said, "cannot be tested or activated") {
		t.Errorf("what it lacks is not told: %v", v.Warnings)
	}
	in := control.ConnectorInput{
		Name: "meter", Module: v.Module, Params: v.Params,
		Grants: []spec.Grant{{Group: "serial", Resources: []string{"/dev/ttyUSB0"}, Rights: []spec.Right{spec.Read}}},
	}
	v, err = r.UpdateConnector(t.Context(), v.ID, in, 0)
	if err != nil || len(v.Grants) != 1 {
		t.Fatalf("it takes no grant: %v", err)
	}
	if said := strings.Join(v.Warnings, "\n"); !strings.Contains(said, "config: /config") {
		t.Errorf("what it lacks is not told again: %v", v.Warnings)
	}
	in.Params = []spec.Param{{Key: "nonsense", Value: "1"}}
	if _, err := r.UpdateConnector(t.Context(), v.ID, in, 0); !fault.Is(err, fault.ConfigInvalid) {
		t.Errorf("a configuration that does not hold is taken: %v", err)
	}
	if _, err := r.Activate(t.Context(), v.ID); !fault.Is(err, fault.ConfigInvalid) {
		t.Errorf("it is activated: %v", err)
	}
}

// TestSecretsThatAreMissingAreTold: a reference to a secret that nobody has set is
// told when it is written, and who names one that is there is told by name.
func TestSecretsThatAreMissingAreTold(t *testing.T) {
	r := newRig(t)
	module := r.opening(abi.KindConnector, "meter", `{"type":"object","properties":{"header":{"type":"string"}}}`, w.I64(0))
	in := control.ConnectorInput{Name: "meter", Module: module, Params: []spec.Param{{Key: "header", Value: "Bearer secret://nobody"}}}
	v := r.create(in)
	if said := strings.Join(v.Warnings, "\n"); !strings.Contains(said, "`snaprail secret set nobody`") {
		t.Errorf("it is not told: %v", v.Warnings)
	}
	if _, err := r.SetSecret(t.Context(), "nobody", []byte("geheim-geheim"), 0); err != nil {
		t.Fatal(err)
	}
	v, err := r.UpdateConnector(t.Context(), v.ID, in, 0)
	if said := strings.Join(v.Warnings, "\n"); err != nil || strings.Contains(said, "nobody") {
		t.Errorf("one that is there: %v, %v", v.Warnings, err)
	}
	if err := r.DeleteSecret(t.Context(), "nobody", 0); !fault.Is(err, fault.SecretInUse) || !strings.Contains(fault.Of(err).Text, "named by meter ("+v.ID+")") {
		t.Errorf("who names it: %v", err)
	}
}
