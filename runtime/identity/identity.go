// Package identity says who is calling and what they may do: users and their
// passwords, sessions, API tokens, roles and scopes, and the audit trail of
// what all of them did. The tenant of a call comes from its credential and
// from nowhere else.
//
// Control, the supervisor, the API and cmd import it. Its invariants: a token,
// a session's secret and a one-time link are shown once, when they are made,
// and only their digests are kept; one that Verify was asked about after it was
// revoked is refused, because nothing here remembers one; a scope narrows a
// role and never widens it.
package identity

import "time"

// Kind is what an identity is.
type Kind string

// The kinds of Identity.
const (
	KindToken  Kind = "token"  // whoever holds an API token
	KindUser   Kind = "user"   // a person with a session
	KindServer Kind = "server" // the server itself, for what it does unasked
	KindLocal  Kind = "local"  // a command on the server's own machine
)

// Identity is who a credential stands for. The zero Identity may nothing.
type Identity struct {
	Tenant string
	Kind   Kind
	ID     string // of the token, or of the user
	Name   string // of the token, or of the user
	Role   Role
	// Scopes narrow the role, separated by blanks; "": they do not. It is one
	// text, so that identities can be compared.
	Scopes string
	// User is the id of the user whose token or session it is; "": a token of
	// the tenant's own.
	User string
	// UserName is that user's name; "" without one.
	UserName string
	// Session is the id of the session; "": it came with a token.
	Session string
	// Expires is when the token ends by itself; zero: it does not, or it is none.
	Expires time.Time
}

// OfServer is the identity of the server within a tenant: it may everything.
func OfServer(tenant string) Identity {
	return Identity{Tenant: tenant, Kind: KindServer, Role: Admin}
}

// Who is the identity as an event names it.
func (i Identity) Who() Who {
	if i.Kind == "" {
		return Who{}
	}
	who := Who{Kind: WhoKind(i.Kind), ID: i.ID, Name: i.Name}
	if i.Kind == KindToken {
		who.User = i.UserName
	}
	return who
}

// Info is what may be shown of a token.
type Info struct {
	ID      string    `json:"id"`
	Tenant  string    `json:"tenant"`
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Created time.Time `json:"created"` // UTC
	// Scopes narrow the role; none: they do not.
	Scopes []string `json:"scopes,omitempty"`
	// Expires is when the token ends by itself, UTC; zero: never.
	Expires time.Time `json:"expires,omitzero"`
	// User is the name of the user whose own it is, and who it ends with; "": it
	// is the tenant's.
	User string `json:"user,omitempty"`
}
