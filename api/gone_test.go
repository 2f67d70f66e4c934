package api

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// TestCredentialsOfATenantThatGoes hold no longer than it: not even those that
// its deletion has not come to yet.
func TestCredentialsOfATenantThatGoes(t *testing.T) {
	r := newRig(t)
	as := header("Authorization", "Bearer "+r.newToken("third"))
	r.must(r.store.System().Update(t.Context(), func(w store.Writer) error {
		raw, err := json.Marshal(spec.Tenant{ID: "third", Created: time.Now(), Deleting: time.Now()})
		if err == nil {
			_, err = w.Put(store.Tenants, "third", raw)
		}
		return err
	}))
	r.call("GET", "/api/connectors", "", as).problem(fault.Unauthenticated)
	r.call("GET", "/api/connectors", "").ok(http.StatusOK, nil) // its operator's do
}
