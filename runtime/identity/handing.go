package identity

import (
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Handed is what somebody is about to get from an identity: a token, or a way
// in for a person, such as a new user's link, a password or a role.
type Handed struct {
	Role Role
	// Scopes narrow the role; none: they do not. A person has none.
	Scopes []string
	// Expires is when it ends by itself; zero: never.
	Expires time.Time
	// Own says that it ends with the identity's user.
	Own bool
	// Person says that it is a person's way in, who is in the list of users for
	// all to see, and not a token.
	Person bool
}

// MayHandOn refuses what would be more than the identity has itself
// (fault.RoleRequired): a higher role, what its scopes leave out, or what goes
// on when it has ended. Otherwise a narrow or short credential would be a way
// to a wide or endless one. Whatever makes a credential asks it.
//
// A user's own token without scopes may do for people what its user may, since
// that is how they work from a command line; what tokens it makes are theirs.
func (i Identity) MayHandOn(h Handed) error {
	if !i.Role.Includes(h.Role) {
		return fault.New(fault.RoleRequired, "what one hands on has at most one's own role, and this is %s", noneOr(string(i.Role)))
	}
	if err := i.coversScopes(h.Scopes); err != nil {
		return err
	}
	if i.Kind != KindToken || i.User == "" || h.Own {
		return i.outlives(h)
	}
	if !h.Person {
		return fault.New(fault.RoleRequired, "a user's own token makes tokens of their own alone, which end with them").
			WithHint("Make it your own (`own`, --own), or log in with a browser.")
	}
	return nil
}

// outlives refuses what would go on when the credential has ended.
func (i Identity) outlives(h Handed) error {
	if i.Expires.IsZero() || (!h.Expires.IsZero() && !h.Expires.After(i.Expires)) {
		return nil
	}
	return fault.New(fault.RoleRequired, "it would outlive the token that makes it, which ends at %s", i.Expires.UTC().Format(time.RFC3339)).
		WithHint("Use a credential without an end, such as a session.")
}

// coversScopes refuses what the identity's scopes leave out.
func (i Identity) coversScopes(scopes []string) error {
	if i.Scopes == "" {
		return nil
	}
	within := len(scopes) > 0
	for _, s := range scopes {
		area, verb, narrowed := strings.Cut(s, ":")
		if !narrowed {
			verb = string(Write)
		}
		within = within && scoped(i.Scopes, Area(area), Verb(verb))
	}
	if within {
		return nil
	}
	return fault.New(fault.RoleRequired, "what one hands on stays within one's own scopes: %s", i.Scopes)
}

// Until is the end of something that is to end at wish, zero for never, and with
// the credential that makes it.
func (i Identity) Until(wish time.Time) time.Time {
	if i.Expires.IsZero() || (!wish.IsZero() && wish.Before(i.Expires)) {
		return wish
	}
	return i.Expires
}

func noneOr(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
