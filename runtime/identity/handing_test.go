package identity_test

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// TestNobodyHandsOnMoreThanTheyHave is the rule for every credential.
func TestNobodyHandsOnMoreThanTheyHave(t *testing.T) {
	now := time.Now()
	day, week := now.Add(24*time.Hour), now.Add(7*24*time.Hour)
	tenants := func(role identity.Role, scopes string, end time.Time) identity.Identity {
		return identity.Identity{Tenant: "plant", Kind: identity.KindToken, ID: "t", Role: role, Scopes: scopes, Expires: end}
	}
	own := func(scopes string, end time.Time) identity.Identity {
		i := tenants(identity.Admin, scopes, end)
		i.User, i.UserName = "usr_1", "ada"
		return i
	}
	session := identity.Identity{Tenant: "plant", Kind: identity.KindUser, ID: "usr_1", Role: identity.Operator, User: "usr_1", Session: "s"}
	never := time.Time{}
	person := func(role identity.Role) identity.Handed { return identity.Handed{Role: role, Person: true} }
	token := func(role identity.Role, end time.Time, scopes ...string) identity.Handed {
		return identity.Handed{Role: role, Expires: end, Scopes: scopes}
	}
	owned := func(end time.Time, scopes ...string) identity.Handed {
		return identity.Handed{Role: identity.Admin, Expires: end, Scopes: scopes, Own: true}
	}
	for name, c := range map[string]struct {
		by  identity.Identity
		to  identity.Handed
		may bool
	}{
		"the server makes a person":               {identity.OfServer("plant"), person(identity.Admin), true},
		"nobody makes anything":                   {identity.Identity{}, person(identity.Viewer), false},
		"no role at all":                          {identity.OfServer("plant"), person(""), false},
		"a session makes its role":                {session, person(identity.Operator), true},
		"a session makes a higher role":           {session, person(identity.Admin), false},
		"a session makes a token":                 {session, token(identity.Viewer, never), true},
		"a whole token makes another":             {tenants(identity.Admin, "", never), token(identity.Admin, never), true},
		"a whole token makes a person":            {tenants(identity.Admin, "", never), person(identity.Admin), true},
		"users:write makes an administrator":      {tenants(identity.Admin, "users:write", never), person(identity.Admin), false},
		"users:write makes a viewer":              {tenants(identity.Admin, "users:write", never), person(identity.Viewer), false},
		"tenants:write makes an administrator":    {tenants(identity.Admin, "tenants:write", never), person(identity.Admin), false},
		"scopes make a token without":             {tenants(identity.Admin, "tokens stream", never), token(identity.Viewer, never), false},
		"scopes make a token with others":         {tenants(identity.Admin, "tokens stream", never), token(identity.Admin, never, "stream", "users"), false},
		"scopes make a token with more of one":    {tenants(identity.Admin, "tokens connectors:read", never), token(identity.Admin, never, "connectors"), false},
		"scopes make a token with the same":       {tenants(identity.Admin, "tokens connectors:use", never), token(identity.Admin, never, "tokens", "connectors:use"), true},
		"scopes make a narrower token":            {tenants(identity.Admin, "tokens connectors:use", never), token(identity.Admin, never, "connectors:read"), true},
		"an end makes one without":                {tenants(identity.Admin, "", day), token(identity.Admin, never), false},
		"an end makes a later one":                {tenants(identity.Admin, "", day), token(identity.Admin, week), false},
		"an end makes an earlier one":             {tenants(identity.Admin, "", week), token(identity.Admin, day), true},
		"an end makes the same one":               {tenants(identity.Admin, "", day), token(identity.Admin, day), true},
		"an end makes a person, who has none":     {tenants(identity.Admin, "", day), person(identity.Viewer), false},
		"one's own makes the tenant's":            {own("", never), token(identity.Viewer, never), false},
		"one's own makes the tenant's with ends":  {own("", week), token(identity.Viewer, day), false},
		"one's own makes one's own":               {own("", week), owned(day), true},
		"one's own makes one's own, longer":       {own("", day), owned(week), false},
		"one's own does for people what one may":  {own("", week), person(identity.Admin), true},
		"one's own with scopes makes a person":    {own("users", never), person(identity.Viewer), false},
		"one's own with scopes makes the same":    {own("account", never), owned(never, "account"), true},
		"one's own with scopes makes one without": {own("account", never), owned(never), false},
	} {
		err := c.by.MayHandOn(c.to)
		if c.may != (err == nil) || (err != nil && !fault.Is(err, fault.RoleRequired)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUntil(t *testing.T) {
	now := time.Now()
	day, week, never := now.Add(24*time.Hour), now.Add(7*24*time.Hour), time.Time{}
	for _, c := range []struct{ own, wish, want time.Time }{
		{never, never, never}, {never, week, week}, {week, never, week}, {week, day, day}, {day, week, day},
	} {
		if got := (identity.Identity{Expires: c.own}).Until(c.wish); !got.Equal(c.want) {
			t.Errorf("%v under %v: %v, want %v", c.wish, c.own, got, c.want)
		}
	}
}

// TestATokenKnowsItsEnd: whoever comes with one hands on no more than that.
func TestATokenKnowsItsEnd(t *testing.T) {
	tokens, _ := tokens(t)
	end := time.Now().Add(time.Hour).UTC()
	token, _, err := tokens.Issue(t.Context(), root(), identity.NewToken{Tenant: "a", Name: "t", Role: identity.Admin, Expires: end})
	if err != nil {
		t.Fatal(err)
	}
	if who, err := tokens.Verify(t.Context(), token); err != nil || !who.Expires.Equal(end) {
		t.Errorf("%+v, %v", who, err)
	}
}

// TestATokenOfAnotherPerson: a name that came back to somebody else gives
// nobody their token, and who is disabled gets none.
func TestATokenOfAnotherPerson(t *testing.T) {
	u, s := users(t, cheap)
	tokens := identity.New(s.System())
	person(t, u, "plant", "root", identity.Admin)
	first := person(t, u, "plant", "bob", identity.Viewer)
	own := identity.NewToken{Tenant: "plant", Name: "t", Role: identity.Viewer, User: "bob", UserID: first.ID}
	if _, _, err := tokens.Issue(t.Context(), root(), own); err != nil {
		t.Fatal(err)
	}
	disabled := true
	if _, err := u.Change(t.Context(), root(), "plant", "bob", identity.UserChange{Disabled: &disabled}); err != nil {
		t.Fatal(err)
	}
	_, _, err := tokens.Issue(t.Context(), root(), own)
	wantFault(t, fault.NotFound, err)
	if _, err := u.Delete(t.Context(), root(), "plant", "bob", 0); err != nil {
		t.Fatal(err)
	}
	person(t, u, "plant", "bob", identity.Admin)
	_, _, err = tokens.Issue(t.Context(), root(), own)
	wantFault(t, fault.NotFound, err)
}

// TestInvite: the user and their link are there together, or neither.
func TestInvite(t *testing.T) {
	u, _ := users(t, cheap)
	user, link, expires, err := u.Invite(t.Context(), root(), "plant", "ada", identity.Operator)
	if err != nil || link == "" || time.Until(expires) < 23*time.Hour || user.Name != "ada" {
		t.Fatalf("%+v until %v, %v", user, expires, err)
	}
	if tenant, name, err := u.Invited(t.Context(), link); err != nil || tenant != "plant" || name != "ada" {
		t.Errorf("for %s of %s, %v", name, tenant, err)
	}
	_, link, _, err = u.Invite(t.Context(), root(), "plant", "ada", identity.Operator)
	wantFault(t, fault.Exists, err)
	if link != "" {
		t.Error("a link for a user who was not made")
	}
}
