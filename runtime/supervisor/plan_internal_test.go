package supervisor

import (
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/spec"
)

// TestKeysOfPlansAreNoSecrets: plans are told apart by what their configs hold,
// and the key that does it says none of it.
func TestKeysOfPlansAreNoSecrets(t *testing.T) {
	of := func(config string, updates ...spec.AttributeUpdate) string {
		chain := &chainPlan{{Module: "sha256:aa", Config: []byte(config)}}
		d := spec.Device{ID: "d", Converter: &spec.Converter{Config: []byte(config)}, AttributeUpdates: updates}
		p := plan{common: chain, own: newOwnPlans(slices.Values([]spec.Device{d}))}
		return p.key()
	}
	key := of(`{"password":"hidden-value"}`)
	if strings.Contains(key, "hidden") {
		t.Errorf("the key is %q", key)
	}
	if key != of(`{"password":"hidden-value"}`) || key == of(`{"password":"hidden-valuf"}`) || key == of(`{"password":"hidden-value"}`, spec.AttributeUpdate{}) {
		t.Error("plans are not told apart by their keys")
	}
	chain := chainPlan{{Config: []byte(`{"password":"hidden-value"}`)}}
	if strings.Contains(chain.key(), "hidden") {
		t.Errorf("the key of a chain is %q", chain.key())
	}
}
