package identity_test

import (
	"slices"
	"testing"

	"github.com/snaprail/snaprail/runtime/identity"
)

// TestTableOfPermissions: whoever gives a role more than it has here changes
// this list, too, and so is asked about it.
func TestTableOfPermissions(t *testing.T) {
	want := []string{ // read, use, write
		"account viewer viewer -",
		"audit admin - -",
		"categories viewer - admin",
		"connectors viewer operator admin",
		"deployments viewer operator admin",
		"devices viewer operator admin",
		"files operator - admin",
		"limits viewer - -",
		"modules viewer - admin",
		"remote - admin -",
		"secrets operator - admin",
		"server admin - admin, of the operator's tenant",
		"stream viewer - -",
		"tenants admin - admin, of the operator's tenant",
		"tokens admin - admin",
		"users admin - admin", "writes viewer operator admin",
	}
	var got []string
	for _, p := range identity.Permissions() {
		row := string(p.Area)
		for _, v := range identity.Verbs() {
			role := string(p.Needs(v))
			if role == "" {
				role = "-"
			}
			row += " " + role
		}
		if p.Operator {
			row += ", of the operator's tenant"
		}
		got = append(got, row)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the table is\n%q, want\n%q", got, want)
	}
}

// TestScopesNarrow: a scope leaves its own area, up to its verb, and nothing
// that only begins so; it gives nothing that the role has not.
func TestScopesNarrow(t *testing.T) {
	for _, c := range []struct {
		role     identity.Role
		scopes   string
		area     identity.Area
		verb     identity.Verb
		operator bool
		may      bool
	}{
		{identity.Admin, "", identity.Connectors, identity.Write, false, true},
		{identity.Admin, "connectors", identity.Connectors, identity.Write, false, true},
		{identity.Admin, "connectors:use", identity.Connectors, identity.Read, false, true},
		{identity.Admin, "connectors:use", identity.Connectors, identity.Use, false, true},
		{identity.Admin, "connectors:use", identity.Connectors, identity.Write, false, false},
		{identity.Admin, "connectors:read", identity.Connectors, identity.Use, false, false},
		{identity.Admin, "connectors:all", identity.Connectors, identity.Read, false, false},
		{identity.Admin, "connectors:", identity.Connectors, identity.Read, false, false},
		{identity.Admin, "con", identity.Connectors, identity.Read, false, false},
		{identity.Admin, "connectors:read stream", identity.Stream, identity.Read, false, true},
		{identity.Admin, "connectors:read stream", identity.Secrets, identity.Read, false, false},
		{identity.Viewer, "connectors:write", identity.Connectors, identity.Use, false, false},
		{identity.Admin, "", identity.Tenants, identity.Read, false, false},
		{identity.Admin, "", identity.Tenants, identity.Read, true, true},
		{identity.Admin, "tenants", identity.Tenants, identity.Write, false, false},
		{identity.Operator, "", identity.Tenants, identity.Read, true, false},
		{identity.Admin, "", "nothing", identity.Read, true, false},
		{identity.Admin, "", identity.Connectors, "delete", true, false},
		{"root", "", identity.Connectors, identity.Read, true, false},
		{"", "connectors", identity.Connectors, identity.Read, true, false},
	} {
		who := identity.Identity{Tenant: "plant", Role: c.role, Scopes: c.scopes}
		if may := who.May(c.area, c.verb, c.operator); may != c.may {
			t.Errorf("%s with %q, operator %t: %s:%s is %t", c.role, c.scopes, c.operator, c.area, c.verb, may)
		}
	}
}
