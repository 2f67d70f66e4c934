package control_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// ask calls a method of a Tenant with nothing but a context, and returns the
// error that it ends with.
func ask(t *testing.T, of *control.Tenant, name string) error {
	t.Helper()
	method := reflect.ValueOf(of).MethodByName(name)
	in := make([]reflect.Value, method.Type().NumIn())
	for i := range in {
		in[i] = reflect.Zero(method.Type().In(i))
	}
	if len(in) == 0 || method.Type().In(0) != reflect.TypeFor[context.Context]() {
		t.Fatalf("%s takes no context first, so it cannot ask who may", name)
	}
	in[0] = reflect.ValueOf(t.Context())
	call := method.Call
	if method.Type().IsVariadic() {
		call = method.CallSlice
	}
	out := call(in)
	if len(out) == 0 || out[len(out)-1].Type() != reflect.TypeFor[error]() {
		t.Fatalf("%s returns no error, so it cannot refuse", name)
	}
	err, _ := reflect.TypeAssert[error](out[len(out)-1])
	return err
}

// TestEveryMethodAsksWhoMay: in the hands of nobody, of a stranger, of a token
// without a scope for anything and of a caller without a role, each exported
// method refuses before it looks at anything else.
func TestEveryMethodAsksWhoMay(t *testing.T) {
	r := newRig(t)
	service, err := r.service.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	hands := map[string]*control.Tenant{
		"nobody":                 service,
		"another tenant's admin": service.By(identity.OfServer("other")),
		"no role":                service.By(identity.Identity{Tenant: "plant", Kind: identity.KindToken}),
		"an unknown role":        service.By(identity.Identity{Tenant: "plant", Kind: identity.KindToken, Role: "root"}),
		"a scope of nothing":     service.By(identity.Identity{Tenant: "plant", Kind: identity.KindToken, Role: identity.Admin, Scopes: "nothing"}),
	}
	methods := reflect.TypeFor[*control.Tenant]()
	asked := 0
	for method := range methods.Methods() {
		name := method.Name
		if name == "By" { // puts it into somebody's hands
			continue
		}
		asked++
		for whose, tenant := range hands {
			if err := ask(t, tenant, name); !fault.Is(err, fault.RoleRequired) {
				t.Errorf("%s in the hands of %s: %v", name, whose, err)
			}
		}
	}
	if asked < 18 {
		t.Errorf("only %d methods", asked)
	}
}

// lowest are the methods by the lowest role that may use them. Those that are
// for the operator's tenant alone have it beside the role.
func lowest() map[string]string {
	return map[string]string{
		"viewer": "Categories Category ChangePassword Config Connector Connectors DefaultConnector Deployment Deployments Device DeviceReport Devices Difference Export " +
			"History Lanes Limits Logs Module Modules Notifications Orphans Params Quarantine QuarantinedRecord RevokeToken Set Sets Twin TypeConverter Writes Stream TokenList Type Types",
		"operator": "Acknowledge Activate ApproveWrite CallCategory CallConnector CancelTicket Deactivate Desire DropQuarantine DropQuarantined File Files Post Preview Reconnect RetryDeployment RetryQuarantine RetryQuarantined Rewind Secret " +
			"Secrets Send SyncDevices TestConnector Ticket Tickets",
		"admin": "AddCategory AddDevice AddExtismModule AddFile AddModule AddTag Apply Attach Audit ChangeTag ChangeUser CreateConnector " +
			"CreateSet CreateToken CreateUser DeleteConnector DeleteDevice DeleteFile DeleteModule DeleteSecret DeleteUser Deploy " +
			"DisconnectDevice DismissOrphan EndOverride FileContent FinishOAuth ImportConfig LinkUser Override PatchConnector ProbeSet RemoveCategory " +
			"RemoveTag RemoveTypeConverter SetParams SetSecret SetTypeConverter SetUserPassword StartOAuth TearDown UpdateCategory UpdateConnector " +
			"UpdateDevice User UserList VerifyAudit",
		"admin of the operator": "CreateTenant DeleteTenant InviteUser SetCeiling ShowTenant TenantList",
	}
}

// TestEveryMethodHasItsRole: each exported method lets in the roles from the
// one that it is listed under, and none below. What it says to them otherwise
// is not looked at: it is asked for nothing.
func TestEveryMethodHasItsRole(t *testing.T) {
	r := newRig(t) // whose tenant does not operate the server
	node := newNode(t)
	listed := map[string]string{}
	for role, methods := range lowest() {
		for name := range strings.FieldsSeq(methods) {
			listed[name] = role
		}
	}
	lets := func(in *rig, role identity.Role, name string) (through bool) {
		defer func() {
			if recover() != nil { // it got as far as using what it was not given
				through = true
			}
		}()
		as := in.By(identity.Identity{Tenant: "plant", Kind: identity.KindToken, Role: role})
		return !fault.Is(ask(t, as, name), fault.RoleRequired)
	}
	for method := range reflect.TypeFor[*control.Tenant]().Methods() {
		name := method.Name
		if name == "By" {
			continue
		}
		need, suffix := "nobody", ""
		where := r
		if strings.HasSuffix(listed[name], "of the operator") {
			if lets(r, identity.Admin, name) {
				t.Errorf("%s lets in who does not operate the server", name)
			}
			where, suffix = node, " of the operator"
		}
		for _, role := range slices.Backward(identity.Roles()) {
			if !lets(where, role, name) {
				break
			}
			need = string(role)
		}
		if need+suffix != listed[name] {
			t.Errorf("%s needs the role %q, and is listed under %q", name, need+suffix, listed[name])
		}
		delete(listed, name)
	}
	if len(listed) > 0 {
		t.Errorf("there are no methods %v", listed)
	}
}

func TestRolesAndScopes(t *testing.T) {
	r := newRig(t)
	as := func(role identity.Role, scopes string) *control.Tenant {
		return r.By(identity.Identity{Tenant: "plant", Kind: identity.KindToken, Role: role, Scopes: scopes})
	}
	refused := func(tenant *control.Tenant, method string) bool {
		return fault.Is(ask(t, tenant, method), fault.RoleRequired)
	}
	for _, c := range []struct {
		role   identity.Role
		scopes string
		may    []string
		not    []string
	}{
		{identity.Viewer, "", []string{"Connectors", "Modules", "Limits"}, []string{"Activate", "CreateConnector", "DeleteModule", "Audit"}},
		{identity.Operator, "", []string{"Connectors", "Activate", "Deactivate", "TestConnector"}, []string{"CreateConnector", "DeleteConnector", "AddModule", "Audit"}},
		{identity.Admin, "", []string{"Connectors", "Activate", "DeleteConnector", "DeleteModule", "Audit"}, nil},
		{identity.Admin, "connectors:read", []string{"Connectors"}, []string{"Activate", "DeleteConnector", "Modules", "Audit"}},
		{identity.Admin, "connectors:use modules", []string{"Connectors", "Activate", "DeleteModule"}, []string{"DeleteConnector", "Audit"}},
		{identity.Viewer, "connectors:write", []string{"Connectors"}, []string{"Activate", "DeleteConnector"}},
		{identity.Viewer, "modules", []string{"Modules"}, []string{"Connectors", "DeleteModule"}},
	} {
		for _, method := range c.may {
			if refused(as(c.role, c.scopes), method) {
				t.Errorf("%s with scopes %q may not %s", c.role, c.scopes, method)
			}
		}
		for _, method := range c.not {
			if !refused(as(c.role, c.scopes), method) {
				t.Errorf("%s with scopes %q may %s", c.role, c.scopes, method)
			}
		}
	}
}
