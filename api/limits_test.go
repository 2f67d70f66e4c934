package api

import (
	"net/http"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestLimitsOfTheTenant(t *testing.T) {
	r := newRig(t)
	var l lifecycle.TenantLimits
	r.call("GET", "/api/limits", "").ok(http.StatusOK, &l)
	if l.Tenant == "" || len(l.Limits) != 2 || len(l.Connector) != len(spec.LimitTable()) {
		t.Errorf("%+v", l)
	}
	r.call("GET", "/api/limits", "", header("Authorization", "")).problem(fault.Unauthenticated)
}
