package control_test

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// TestWhoIsNarrowMakesNothingWide: each way to make or change a credential asks
// whether its maker has as much.
func TestWhoIsNarrowMakesNothingWide(t *testing.T) {
	r := newNode(t) // plant operates it
	if _, _, _, err := r.CreateUser(t.Context(), "ada", identity.Viewer); err != nil {
		t.Fatal(err)
	}
	yes := true
	if _, err := r.ChangeUser(t.Context(), "ada", identity.UserChange{Disabled: &yes}, 0); err != nil {
		t.Fatal(err)
	}
	with := func(scopes string, end time.Time) *control.Tenant {
		return r.By(identity.Identity{Tenant: "plant", Kind: identity.KindToken, ID: "t", Role: identity.Admin, Scopes: scopes, Expires: end})
	}
	admin, no := identity.Admin, false
	for name, by := range map[string]*control.Tenant{
		"scopes": with("users:write tenants:write tokens:write", time.Time{}),
		"an end": with("", time.Now().Add(time.Hour)),
	} {
		_, _, _, err := by.CreateUser(t.Context(), "mallory", identity.Admin)
		_ = wanted(t, err, fault.RoleRequired)
		_, _, _, err = by.InviteUser(t.Context(), "other", "mallory", identity.Admin)
		_ = wanted(t, err, fault.RoleRequired)
		_, _, err = by.LinkUser(t.Context(), "ada")
		_ = wanted(t, err, fault.RoleRequired)
		_ = wanted(t, by.SetUserPassword(t.Context(), "ada", "correct horse battery"), fault.RoleRequired)
		_, err = by.ChangeUser(t.Context(), "ada", identity.UserChange{Role: &admin}, 0)
		_ = wanted(t, err, fault.RoleRequired)
		_, err = by.ChangeUser(t.Context(), "ada", identity.UserChange{Disabled: &no}, 0)
		_ = wanted(t, err, fault.RoleRequired)
		if _, err := by.ChangeUser(t.Context(), "ada", identity.UserChange{Disabled: &yes}, 0); err != nil {
			t.Errorf("%s: who may write users takes nobody's way in: %v", name, err)
		}
	}
	narrow := with("users:write tokens:write", time.Time{})
	_, _, err := narrow.CreateToken(t.Context(), control.TokenInput{Name: "wide"})
	_ = wanted(t, err, fault.RoleRequired)
	_, _, err = narrow.CreateToken(t.Context(), control.TokenInput{Name: "wide", Scopes: []string{"connectors"}})
	_ = wanted(t, err, fault.RoleRequired)
	if _, _, err := narrow.CreateToken(t.Context(), control.TokenInput{Name: "same", Scopes: []string{"users:read"}}); err != nil {
		t.Error(err)
	}
	_, err = r.User(t.Context(), "mallory")
	_ = wanted(t, err, fault.NotFound)
}

// TestATokenEndsWithItsMaker: what an expiring token makes ends no later, and
// what a user's own makes is the user's own.
func TestATokenEndsWithItsMaker(t *testing.T) {
	r := newNode(t)
	end := time.Now().Add(time.Hour).UTC()
	by := r.By(identity.Identity{Tenant: "plant", Kind: identity.KindToken, ID: "t", Role: identity.Admin, Expires: end})
	for _, wish := range []time.Time{{}, end.Add(time.Hour), end.Add(-time.Minute)} {
		want := end
		if !wish.IsZero() && wish.Before(end) {
			want = wish
		}
		_, info, err := by.CreateToken(t.Context(), control.TokenInput{Name: "child", Expires: wish})
		if err != nil || !info.Expires.Equal(want) {
			t.Errorf("until %v for %v, %v", info.Expires, wish, err)
		}
	}
	user, _, _, err := r.CreateUser(t.Context(), "ada", identity.Admin)
	if err != nil {
		t.Fatal(err)
	}
	own := r.By(identity.Identity{
		Tenant: "plant", Kind: identity.KindToken, ID: "o", Role: identity.Admin, User: user.ID, UserName: "ada", Expires: end,
	})
	_, _, err = own.CreateToken(t.Context(), control.TokenInput{Name: "the tenant's"})
	_ = wanted(t, err, fault.RoleRequired)
	_, info, err := own.CreateToken(t.Context(), control.TokenInput{Name: "mine", Own: true})
	if err != nil || info.User != "ada" || !info.Expires.Equal(end) {
		t.Errorf("%+v, %v", info, err)
	}
	if _, _, _, err := own.CreateUser(t.Context(), "bob", identity.Viewer); err != nil { // as ada may
		t.Error(err)
	}
}
