package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Me is who a credential stands for and what it may do.
type Me struct {
	Tenant   string `json:"tenant"`
	Kind     string `json:"kind" doc:"user or token"`
	ID       string `json:"id"`
	Name     string `json:"name"`
	User     string `json:"user,omitempty" doc:"Name of the user that it is, or whose own token it is"`
	Role     string `json:"role" doc:"viewer, operator or admin"`
	Operator bool   `json:"operator" doc:"Whether the tenant operates the server"`
	// Permissions are area:verb, each that it has.
	Permissions []string `json:"permissions" doc:"What it may do, as area:verb"`
}

// User is a person who logs in.
type User struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Display     string    `json:"display,omitempty" doc:"What an identity provider calls them"`
	Role        string    `json:"role" doc:"viewer, operator or admin"`
	Disabled    bool      `json:"disabled"`
	PasswordSet bool      `json:"password_set"`
	Issuer      string    `json:"issuer,omitempty" doc:"The identity provider that they come from"`
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
	Seen        time.Time `json:"seen,omitzero" doc:"When they logged in last"`
	Revision    uint64    `json:"revision"`
}

// Link is a one-time link by which somebody sets a password.
type Link struct {
	Link    string    `json:"link" doc:"The secret; it is shown this once"`
	Path    string    `json:"path" doc:"Where a browser uses it up, on this server"`
	Expires time.Time `json:"expires"`
}

// NewUser is a user who was just made, with the link to set a password by.
type NewUser struct {
	User
	Invitation Link `json:"invitation"`
}

// UserInput is what a new user is to be.
type UserInput struct {
	Name string `json:"name" minLength:"1" maxLength:"64" example:"ada" doc:"Letters, digits and . _ @ + -"`
	Role string `json:"role" enum:"viewer,operator,admin" example:"operator"`
}

// UserChange is a change of a user; what is absent stays as it is.
type UserChange struct {
	Role     *string `json:"role,omitempty" enum:"viewer,operator,admin" example:"viewer"`
	Disabled *bool   `json:"disabled,omitempty" example:"false"`
}

// Token is what may be shown of an API token.
type Token struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Role    string    `json:"role" doc:"viewer, operator or admin"`
	Scopes  []string  `json:"scopes,omitempty" doc:"What the role is narrowed to; none: nothing is"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero" doc:"When it ends by itself; absent: never"`
	User    string    `json:"user,omitempty" doc:"Whose own it is, and who it ends with; absent: the tenant's"`
}

// NewToken is a token that was just made. Its secret is shown this once.
type NewToken struct {
	Token
	Secret string `json:"token" doc:"What Authorization: Bearer takes"`
}

// TokenInput is what a new token is to be.
type TokenInput struct {
	Name    string    `json:"name" minLength:"1" maxLength:"100" example:"dashboard"`
	Role    string    `json:"role,omitempty" enum:"viewer,operator,admin" example:"viewer" doc:"Absent: the caller's"`
	Scopes  []string  `json:"scopes,omitempty" maxItems:"32" example:"[\"stream\",\"connectors:read\"]" doc:"Areas, or areas with the most that may be done to them; absent: all that the role may"`
	Expires time.Time `json:"expires,omitzero" doc:"When it ends by itself; absent: never"`
	Own     bool      `json:"own,omitempty" doc:"The caller's own, which ends with their user"`
}

// Tenant is a tenant as the server's operator sees it.
type Tenant struct {
	ID         string       `json:"id"`
	Created    time.Time    `json:"created"`
	Operator   bool         `json:"operator" doc:"Whether it operates the server"`
	Ceiling    spec.Ceiling `json:"ceiling" doc:"What it may have in place of the server's defaults"`
	Connectors *int         `json:"connectors,omitempty" doc:"How many it has; not in lists"`
	Modules    *int         `json:"modules,omitempty" doc:"How many it has; not in lists"`
	Users      *int         `json:"users,omitempty" doc:"How many it has; not in lists"`
	HeldBytes  *uint64      `json:"held_bytes,omitempty" doc:"What the server holds in its memory for the tenant now, beside its guests: twins with their histories, messages and replies on their way, tickets; not in lists"`
	Revision   uint64       `json:"revision"`
}

// TenantInput is what a new tenant is to be.
type TenantInput struct {
	ID      string       `json:"id" minLength:"1" maxLength:"63" pattern:"^[a-z0-9-]+$" example:"plant-7"`
	Ceiling spec.Ceiling `json:"ceiling,omitzero"`
}

// Verdict says whether an audit trail is as it was written.
type Verdict struct {
	OK        bool   `json:"ok"`
	Events    uint64 `json:"events" doc:"How many were looked at"`
	Unchained uint64 `json:"unchained,omitempty" doc:"How many of them are older than the chain"`
	First     uint64 `json:"first,omitempty" doc:"Sequence of the oldest event that is kept"`
	Head      Anchor `json:"head" doc:"The newest event: note it elsewhere, and verify against it later"`
	Broken    uint64 `json:"broken,omitempty" doc:"Sequence of the event where the chain does not hold"`
	Reason    string `json:"reason,omitempty"`
}

// Anchor is one event of a trail and its hash.
type Anchor struct {
	Sequence uint64 `json:"sequence"`
	Hash     string `json:"hash"`
}

// Credentials are what somebody logs in with.
type Credentials struct {
	Tenant   string `json:"tenant,omitempty" maxLength:"63" example:"default" doc:"Absent: the server's own"`
	Name     string `json:"name" maxLength:"64" example:"ada"`
	Password string `json:"password" maxLength:"1024" example:"correct horse battery"`
}

// Me asks who the token stands for.
func (c *Client) Me(ctx context.Context) (m Me, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/api/me"}, &m)
	return m, err
}

// Login logs somebody in, and returns a token of their own in place of a
// session: it ends at the given time.
func (c *Client) Login(ctx context.Context, who Credentials, token TokenInput) (t NewToken, err error) {
	session, err := c.session(ctx, who)
	if err != nil {
		return t, err
	}
	own := http.Header{"Cookie": {session}, "Origin": {c.base.Scheme + "://" + c.base.Host}}
	token.Own = true
	r, err := jsonCall(http.MethodPost, "/api/tokens", token)
	if err != nil {
		return t, err
	}
	r.header = own
	if err := c.do(ctx, r, &t); err != nil {
		return t, err
	}
	return t, c.do(ctx, call{method: http.MethodPost, path: "/api/logout", header: own}, nil)
}

// session is the cookie of a new session.
func (c *Client) session(ctx context.Context, who Credentials) (string, error) {
	r, err := jsonCall(http.MethodPost, "/api/login", who)
	if err != nil {
		return "", err
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	for _, cookie := range resp.Cookies() {
		if cookie.MaxAge >= 0 && cookie.Value != "" {
			return cookie.Name + "=" + cookie.Value, nil
		}
	}
	return "", fault.New(fault.Internal, "the server's answer to the login has no session")
}

// Redeem uses a one-time link up.
func (c *Client) Redeem(ctx context.Context, link, name, password string) (who Credentials, err error) {
	r, err := jsonCall(http.MethodPost, "/api/setup", map[string]string{"link": link, "name": name, "password": password})
	if err != nil {
		return who, err
	}
	err = c.do(ctx, r, &who)
	return who, err
}

// Users lists the tenant's users.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	return all[User](ctx, c, "/api/users", nil)
}

// User is one user by name.
func (c *Client) User(ctx context.Context, name string) (u User, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/api/users/" + url.PathEscape(name)}, &u)
	return u, err
}

// CreateUser makes a user and the link by which they set a password.
func (c *Client) CreateUser(ctx context.Context, in UserInput) (u NewUser, err error) {
	r, err := jsonCall(http.MethodPost, "/api/users", in)
	if err != nil {
		return u, err
	}
	err = c.do(ctx, r, &u)
	return u, err
}

// ChangeUser changes a user, whatever their revision.
func (c *Client) ChangeUser(ctx context.Context, name string, in UserChange) (u User, err error) {
	r, err := jsonCall(http.MethodPatch, "/api/users/"+url.PathEscape(name), in)
	if err != nil {
		return u, err
	}
	r.header = whichever()
	err = c.do(ctx, r, &u)
	return u, err
}

// DeleteUser forgets a user.
func (c *Client) DeleteUser(ctx context.Context, name string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/api/users/" + url.PathEscape(name), header: whichever()}, nil)
}

// LinkUser makes a one-time link by which a user sets a password anew.
func (c *Client) LinkUser(ctx context.Context, name string) (l Link, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: "/api/users/" + url.PathEscape(name) + "/link"}, &l)
	return l, err
}

// SetPassword gives a user a password.
func (c *Client) SetPassword(ctx context.Context, name, password string) error {
	r, err := jsonCall(http.MethodPost, "/api/users/"+url.PathEscape(name)+"/password", map[string]string{"password": password})
	if err != nil {
		return err
	}
	return c.do(ctx, r, nil)
}

// Tokens lists the tokens that the caller may see.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	return all[Token](ctx, c, "/api/tokens", nil)
}

// CreateToken makes a token.
func (c *Client) CreateToken(ctx context.Context, in TokenInput) (t NewToken, err error) {
	r, err := jsonCall(http.MethodPost, "/api/tokens", in)
	if err != nil {
		return t, err
	}
	err = c.do(ctx, r, &t)
	return t, err
}

// RevokeToken ends a token.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/api/tokens/" + url.PathEscape(id), header: whichever()}, nil)
}

// Tenants lists all tenants.
func (c *Client) Tenants(ctx context.Context) ([]Tenant, error) {
	return all[Tenant](ctx, c, "/api/tenants", nil)
}

// Tenant is one tenant with what it has.
func (c *Client) Tenant(ctx context.Context, id string) (t Tenant, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/api/tenants/" + url.PathEscape(id)}, &t)
	return t, err
}

// CreateTenant makes a tenant.
func (c *Client) CreateTenant(ctx context.Context, in TenantInput) (t Tenant, err error) {
	r, err := jsonCall(http.MethodPost, "/api/tenants", in)
	if err != nil {
		return t, err
	}
	err = c.do(ctx, r, &t)
	return t, err
}

// SetCeiling says what a tenant may have, if it is still at the revision.
func (c *Client) SetCeiling(ctx context.Context, id string, ceiling spec.Ceiling, revision uint64) (t Tenant, err error) {
	r, err := jsonCall(http.MethodPut, "/api/tenants/"+url.PathEscape(id)+"/ceiling", ceiling)
	if err != nil {
		return t, err
	}
	r.header = http.Header{"If-Match": {`"` + strconv.FormatUint(revision, 10) + `"`}}
	err = c.do(ctx, r, &t)
	return t, err
}

// InviteAdmin makes a user of another tenant, such as its first administrator.
func (c *Client) InviteAdmin(ctx context.Context, tenant string, in UserInput) (u NewUser, err error) {
	r, err := jsonCall(http.MethodPost, "/api/tenants/"+url.PathEscape(tenant)+"/users", in)
	if err != nil {
		return u, err
	}
	err = c.do(ctx, r, &u)
	return u, err
}

// DeleteTenant removes a tenant and all that it has.
func (c *Client) DeleteTenant(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/api/tenants/" + url.PathEscape(id), header: whichever()}, nil)
}

// VerifyAudit sees whether an audit trail is as it was written. note is an
// event that was noted earlier; nil: none.
func (c *Client) VerifyAudit(ctx context.Context, server bool, note *Anchor) (v Verdict, err error) {
	q := url.Values{}
	if server {
		q.Set("trail", "server")
	}
	if note != nil {
		q.Set("sequence", strconv.FormatUint(note.Sequence, 10))
		q.Set("hash", note.Hash)
	}
	err = c.do(ctx, call{method: http.MethodGet, path: "/api/audit/verify", query: q}, &v)
	return v, err
}

// jsonCall is a call with a body of JSON.
func jsonCall(method, path string, body any) (r call, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return r, fault.Wrap(fault.Internal, err, "request")
	}
	r = call{method: method, path: path}
	r.body, r.kind = jsonBody(raw)
	return r, nil
}
