package control

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// UserList is a page of the tenant's users, by name.
func (t *Tenant) UserList(ctx context.Context, p Page) (list []identity.User, next string, err error) {
	if err := t.may(ctx, identity.UsersArea, identity.Read); err != nil {
		return nil, "", err
	}
	all, err := t.cfg.Users.List(ctx, t.id)
	if err != nil {
		return nil, "", err
	}
	return pageOf(all, p, func(u *identity.User) string { return strings.ToLower(u.Name) })
}

// pageOf is a page of a list that is whole and ordered by key.
func pageOf[T any](all []T, p Page, key func(*T) string) (list []T, next string, err error) {
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	for i := range all {
		if key(&all[i]) <= p.After {
			continue
		}
		if len(list) == limit {
			return list, key(&list[limit-1]), nil
		}
		list = append(list, all[i])
	}
	return list, "", nil
}

// User is one of the tenant's users by name, or fault.NotFound.
func (t *Tenant) User(ctx context.Context, name string) (identity.User, error) {
	if err := t.may(ctx, identity.UsersArea, identity.Read); err != nil {
		return identity.User{}, err
	}
	return t.cfg.Users.Get(ctx, t.id, name)
}

// CreateUser makes a user of the tenant, and the one-time link by which they
// set their password.
func (t *Tenant) CreateUser(ctx context.Context, name string, role identity.Role) (user identity.User, link string, expires time.Time, err error) {
	if err := t.may(ctx, identity.UsersArea, identity.Write); err != nil {
		return user, "", expires, err
	}
	if err := t.mayGive(role); err != nil {
		return user, "", expires, err
	}
	if user, link, expires, err = t.cfg.Users.Invite(ctx, t.who, t.id, name, role); err != nil {
		return user, "", expires, err
	}
	t.userEvent(ctx, identity.UserCreate, &user, string(role))
	return user, link, expires, nil
}

// mayGive refuses to give a person a way in that is more than the caller has.
func (t *Tenant) mayGive(role identity.Role) error {
	if _, err := identity.ParseRole(string(role)); err != nil {
		return err
	}
	return t.refuseMore(t.as.MayHandOn(identity.Handed{Role: role, Person: true}))
}

// refuseMore notes who was refused to hand on what they have not.
func (t *Tenant) refuseMore(err error) error {
	if f := fault.Of(err); f != nil {
		t.cfg.Audit.Note(t.id, identity.Event{
			Who: t.who, Action: identity.Access, On: "credentials", Outcome: identity.Refused, Code: f.Kind.String(), Detail: f.Text,
		})
	}
	return err
}

// ChangeUser gives a user another role, or disables or enables them. revision
// is the one that the caller read; 0: whatever is there.
func (t *Tenant) ChangeUser(ctx context.Context, name string, c identity.UserChange, revision uint64) (identity.User, error) {
	if err := t.may(ctx, identity.UsersArea, identity.Write); err != nil {
		return identity.User{}, err
	}
	was, err := t.cfg.Users.Get(ctx, t.id, name)
	if err != nil {
		return was, err
	}
	if c.Role != nil || (c.Disabled != nil && !*c.Disabled) { // it may give them more than they have
		role := was.Role
		if c.Role != nil {
			role = *c.Role
		}
		if err := t.mayGive(role); err != nil {
			return identity.User{}, err
		}
	}
	c.Revision = revision
	user, err := t.cfg.Users.Change(ctx, t.who, t.id, name, c)
	if err != nil || user.Revision == was.Revision {
		return user, err
	}
	t.userEvent(ctx, identity.UserUpdate, &user, identity.UserDifference(&was, &user))
	return user, nil
}

// DeleteUser forgets a user, with their sessions and their own tokens.
func (t *Tenant) DeleteUser(ctx context.Context, name string, revision uint64) error {
	if err := t.may(ctx, identity.UsersArea, identity.Write); err != nil {
		return err
	}
	user, err := t.cfg.Users.Delete(ctx, t.who, t.id, name, revision)
	if err != nil {
		return err
	}
	t.userEvent(ctx, identity.UserDelete, &user, "")
	return nil
}

// LinkUser makes a one-time link by which a user sets a password anew.
func (t *Tenant) LinkUser(ctx context.Context, name string) (link string, expires time.Time, err error) {
	if err := t.may(ctx, identity.UsersArea, identity.Write); err != nil {
		return "", expires, err
	}
	user, err := t.cfg.Users.Get(ctx, t.id, name)
	if err == nil {
		err = t.mayGive(user.Role)
	}
	if err != nil {
		return "", expires, err
	}
	if link, expires, err = t.cfg.Users.Link(ctx, t.who, t.id, name); err != nil {
		return "", expires, err
	}
	t.userEvent(ctx, identity.UserLink, &user, "")
	return link, expires, nil
}

// SetUserPassword gives a user a password and ends their sessions.
func (t *Tenant) SetUserPassword(ctx context.Context, name, password string) error {
	if err := t.may(ctx, identity.UsersArea, identity.Write); err != nil {
		return err
	}
	user, err := t.cfg.Users.Get(ctx, t.id, name)
	if err == nil {
		err = t.mayGive(user.Role)
	}
	if err != nil {
		return err
	}
	if err := t.cfg.Users.SetPassword(ctx, t.who, t.id, name, password); err != nil {
		return err
	}
	t.userEvent(ctx, identity.UserPassword, &user, "")
	return nil
}

// ChangePassword changes the caller's own password, who says the old one and
// has a session, and ends their other sessions.
func (t *Tenant) ChangePassword(ctx context.Context, old, password string, from netip.Addr) error {
	if err := t.may(ctx, identity.Account, identity.Use); err != nil {
		return err
	}
	if t.as.Kind != identity.KindUser {
		return fault.New(fault.WrongState, "only a user who has logged in has a password to change")
	}
	a := identity.Attempt{Tenant: t.id, Name: t.as.Name, Password: old, From: from}
	if err := t.cfg.Users.ChangePassword(ctx, a, password, t.as.Session); err != nil {
		return err
	}
	t.record(ctx, identity.Event{Action: identity.UserPassword, On: t.as.Name})
	return nil
}

// userEvent puts what was done to a user into the tenant's trail. The server's
// has it already, in one transaction with the user.
func (t *Tenant) userEvent(ctx context.Context, action identity.Action, user *identity.User, detail string) {
	t.record(ctx, identity.Event{Action: action, On: user.Name, Detail: detail})
}
