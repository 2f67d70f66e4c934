package catalog_test

import (
	"os"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// TestAModuleInCIsAdmitted uploads a converter that has neither an SDK nor a
// runtime in it: the contract is all that counts.
func TestAModuleInCIsAdmitted(t *testing.T) {
	src, err := os.ReadFile("../../testdata/guests/dist/cframe.wasm")
	if err != nil {
		t.Skip("cframe.wasm is not built, because clang is missing: `make test-setup` installs it where it may")
	}
	r := newRig(t)
	m, created := r.add("plant", src, nil)
	if !created || m.Manifest.ProviderType != "cframe" || m.Manifest.Kind != abi.KindConverter {
		t.Errorf("created %v: %+v", created, m)
	}
	if len(m.Imports) != 0 {
		t.Errorf("it imports %v", m.Imports)
	}
}
