package control

import (
	"context"
	"slices"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// TokenInput is what a new token is to be.
type TokenInput struct {
	Name    string
	Role    identity.Role // "": the caller's
	Scopes  []string
	Expires time.Time // zero: never
	// Own says that it is the caller's own: it ends with their user.
	Own bool
}

// tokens are the API tokens of all tenants.
func (cfg *Config) tokens() *identity.Tokens { return identity.New(cfg.Store.System()) }

// TokenList is a page of the tenant's tokens, by id. Who is no administrator
// sees their own.
func (t *Tenant) TokenList(ctx context.Context, p Page) (list []identity.Info, next string, err error) {
	if err := t.may(ctx, identity.Account, identity.Read); err != nil {
		return nil, "", err
	}
	all, err := t.cfg.tokens().List(ctx, t.id)
	if err != nil {
		return nil, "", err
	}
	if !t.as.May(identity.TokensArea, identity.Read, t.operates()) {
		all = slices.DeleteFunc(all, func(info identity.Info) bool { return !t.owns(&info) })
	}
	return pageOf(all, p, func(info *identity.Info) string { return info.ID })
}

// owns reports whether a token is the caller's own, or the one they came with.
func (t *Tenant) owns(info *identity.Info) bool {
	return (t.as.User != "" && info.User == t.as.UserName) || (t.as.Kind == identity.KindToken && info.ID == t.as.ID)
}

// CreateToken makes a token, which is returned this once. A user may make their
// own, of no higher role than they have; an administrator may make the
// tenant's. None is more than its maker (see identity.MayHandOn): it ends with
// the token that makes it, when that ends.
func (t *Tenant) CreateToken(ctx context.Context, in TokenInput) (token string, info identity.Info, err error) {
	area, verb := identity.TokensArea, identity.Write
	if in.Own {
		area, verb = identity.Account, identity.Use
	}
	if err := t.may(ctx, area, verb); err != nil {
		return "", info, err
	}
	if in.Role == "" {
		in.Role = t.as.Role
	}
	if _, err := identity.ParseRole(string(in.Role)); err != nil {
		return "", info, err
	}
	in.Expires = t.as.Until(in.Expires)
	if err := t.refuseMore(t.as.MayHandOn(identity.Handed{Role: in.Role, Scopes: in.Scopes, Expires: in.Expires, Own: in.Own})); err != nil {
		return "", info, err
	}
	n := identity.NewToken{Tenant: t.id, Name: in.Name, Role: in.Role, Scopes: in.Scopes, Expires: in.Expires}
	if in.Own {
		if t.as.User == "" {
			return "", info, fault.New(fault.WrongState, "only a user has tokens of their own").WithHint("Leave `own` out.")
		}
		n.User, n.UserID = t.as.UserName, t.as.User
	}
	token, info, err = t.cfg.tokens().Issue(ctx, t.who, n)
	if err != nil {
		return "", identity.Info{}, err
	}
	t.tokenEvent(ctx, identity.TokenCreate, &info)
	return token, info, nil
}

// RevokeToken ends one of the tenant's tokens, with the streams that it opened.
// Everybody may end their own.
func (t *Tenant) RevokeToken(ctx context.Context, id string) error {
	if err := t.may(ctx, identity.Account, identity.Use); err != nil {
		return err
	}
	info, err := t.cfg.tokens().Get(ctx, t.id, id)
	if err != nil {
		return err
	}
	if !t.owns(&info) {
		if err := t.may(ctx, identity.TokensArea, identity.Write); err != nil {
			return err
		}
	}
	if err := t.cfg.tokens().Revoke(ctx, t.who, t.id, id); err != nil {
		return err
	}
	t.tokenEvent(ctx, identity.TokenRevoke, &info)
	return nil
}

// tokenEvent puts what was done to a token into the tenant's trail: what was done
// to one's own, which everybody may do as often as they like, as a note. Of
// others the server's has it already, in one transaction with the token.
func (t *Tenant) tokenEvent(ctx context.Context, action identity.Action, info *identity.Info) {
	e := identity.Event{Action: action, On: info.ID, Detail: info.Describe()}
	if info.User == "" || !t.owns(info) {
		t.record(ctx, e)
		return
	}
	e.Who, e.Outcome = t.who, identity.Done
	t.cfg.Audit.Note(t.id, e)
}
