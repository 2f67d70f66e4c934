// Package identity says who is calling: it makes, verifies and revokes API
// tokens. The tenant of a call comes from its token and from nowhere else.
//
// The API and cmd import it. Its invariants: a token is shown once, when it is
// made, and only its digest is kept; a token that Verify was asked about after
// Revoke returned is refused, because nothing here remembers one.
package identity

import "time"

// Identity is who a token stands for.
type Identity struct {
	Tenant  string
	TokenID string
	Name    string
	Role    Role
}

// Role is what an identity may do within its tenant.
type Role string

// Admin may do everything within its tenant. It is the only role so far; it is
// kept with each token from the start, so that narrower ones can join it.
const Admin Role = "admin"

// Info is what may be shown of a token.
type Info struct {
	ID      string    `json:"id"`
	Tenant  string    `json:"tenant"`
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Created time.Time `json:"created"` // UTC
}
