package identity

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxUsers of one tenant; they fit in one list.
const maxUsers = store.MaxList

// User is a person who logs in, of exactly one tenant.
type User struct {
	ID       string    `json:"id"`
	Tenant   string    `json:"tenant"`
	Name     string    `json:"name"`              // what they log in with; unique in the tenant
	Display  string    `json:"display,omitempty"` // what an identity provider calls them
	Role     Role      `json:"role"`
	Disabled bool      `json:"disabled,omitempty"`
	Created  time.Time `json:"created"` // UTC
	Updated  time.Time `json:"updated"` // UTC
	// Seen is when they logged in last, UTC; zero: never.
	Seen time.Time `json:"seen,omitzero"`
	// PasswordSet says that they have a password.
	PasswordSet bool `json:"password_set"`
	// Revision is the version of the record; it is not stored in it.
	Revision uint64 `json:"revision,omitempty"`
	// Issuer is the identity provider that they come from; "": they are ours.
	Issuer string `json:"issuer,omitempty"`
}

// userRecord is what is stored of a user, under tenant and name.
type userRecord struct {
	User
	Password string `json:"password,omitempty"` // as hasher.hash gives it
	// Known are networks that they logged in from, the latest first.
	Known []string `json:"known,omitempty"`
}

// Users are the users of all tenants, with their passwords, one-time links and
// sessions. It is safe for concurrent use and starts no goroutine.
type Users struct {
	system store.Space
	audit  *Audit
	hasher *hasher
	delays *delays
}

// NewUsers keeps users in the system's space of a store. audit notes who was
// not let in; nil: nobody does.
func NewUsers(system store.Space, audit *Audit, cost Cost) *Users {
	return &Users{system: system, audit: audit, hasher: newHasher(cost), delays: newDelays()}
}

// List returns a tenant's users, by name.
func (u *Users) List(ctx context.Context, tenant string) (list []User, err error) {
	err = u.system.View(ctx, func(r store.Reader) error {
		list = nil
		entries, err := r.List(store.Users, userKey(tenant, ""), "", maxUsers)
		if err != nil {
			return err
		}
		for _, e := range entries {
			rec, err := decodeUser(e)
			if err != nil {
				return err
			}
			list = append(list, rec.User)
		}
		return nil
	})
	return list, err
}

// Get returns one user of a tenant by name, or fault.NotFound.
func (u *Users) Get(ctx context.Context, tenant, name string) (user User, err error) {
	err = u.system.View(ctx, func(r store.Reader) error {
		rec, err := readUser(r, tenant, name)
		user = rec.User
		return err
	})
	return user, err
}

// Add makes a user who has no password yet (see Link). A name that is there is
// fault.Exists.
func (u *Users) Add(ctx context.Context, by Who, tenant, name string, role Role) (user User, err error) {
	err = u.system.Update(ctx, func(w store.Writer) error {
		rec, err := addUser(w, userRecord{User: User{Tenant: tenant, Name: name, Role: role}})
		if err != nil {
			return err
		}
		user = rec.User
		return Append(w, userEvent(by, UserCreate, &user, string(role)))
	})
	return user, err
}

// Invite makes a user who has no password yet, together with the one-time link
// by which they set it.
func (u *Users) Invite(ctx context.Context, by Who, tenant, name string, role Role) (user User, secret string, expires time.Time, err error) {
	err = u.system.Update(ctx, func(w store.Writer) error {
		rec, err := addUser(w, userRecord{User: User{Tenant: tenant, Name: name, Role: role}})
		if err != nil {
			return err
		}
		user = rec.User
		if err := Append(w, userEvent(by, UserCreate, &user, string(role))); err != nil {
			return err
		}
		secret, expires, err = linkTo(w, by, &rec)
		return err
	})
	if err != nil {
		return User{}, "", time.Time{}, err
	}
	return user, secret, expires, nil
}

// addUser checks and writes a new user.
func addUser(w store.Writer, rec userRecord) (userRecord, error) {
	if err := store.CheckTenant(rec.Tenant); err != nil {
		return rec, err
	}
	if err := checkUserName(rec.Name); err != nil {
		return rec, err
	}
	if rec.Issuer == "" && strings.HasPrefix(strings.ToLower(rec.Name), externalPrefix) {
		return rec, fault.New(fault.Invalid, "names that begin with %s are those of people from an identity provider", externalPrefix).
			WithFields(fault.Field{Pointer: "/name", Detail: "begins with " + externalPrefix})
	}
	if _, err := ParseRole(string(rec.Role)); err != nil {
		return rec, err
	}
	present, err := w.List(store.Users, userKey(rec.Tenant, ""), "", maxUsers)
	if err != nil {
		return rec, err
	}
	if len(present) >= maxUsers {
		return rec, fault.New(fault.QuotaReached, "%s has %d users, and no more are kept", rec.Tenant, maxUsers)
	}
	rec.ID = "usr_" + strings.ToLower(rand.Text()[:idLen])
	rec.Created = time.Now().UTC()
	rec.Updated, rec.PasswordSet = rec.Created, rec.Password != ""
	raw, err := json.Marshal(rec) //nolint:gosec // the password is its Argon2id hash
	if err != nil {
		return rec, fault.Wrap(fault.Internal, err, "user")
	}
	rec.Revision, err = w.PutIf(store.Users, userKey(rec.Tenant, rec.Name), raw, 0)
	if fault.Is(err, fault.Exists) {
		err = fault.New(fault.Exists, "a user named %q exists already", rec.Name)
	}
	return rec, err
}

// UserChange is a change of a user. Nil fields stay as they are.
type UserChange struct {
	Role     *Role
	Disabled *bool
	// Revision is the one that the caller read; 0: whatever is there.
	Revision uint64
}

// Change changes a user. Who is disabled is refused at once, with their
// sessions and their own tokens. The last administrator of a tenant with users
// stays one (fault.WrongState).
func (u *Users) Change(ctx context.Context, by Who, tenant, name string, c UserChange) (user User, err error) {
	err = u.system.Update(ctx, func(w store.Writer) error {
		rec, err := readUser(w, tenant, name)
		if err != nil {
			return err
		}
		if err := rec.current(c.Revision); err != nil {
			return err
		}
		was := rec.User
		if c.Role != nil {
			if rec.Role, err = ParseRole(string(*c.Role)); err != nil {
				return err
			}
		}
		if c.Disabled != nil {
			rec.Disabled = *c.Disabled
		}
		if isLast, err := lastAdmin(w, &was, &rec.User); err != nil || isLast {
			return errors.Join(err, lastAdminStays(isLast))
		}
		if user = rec.User; user == was {
			return nil
		}
		rec.Updated = time.Now().UTC()
		if err := putUser(w, &rec); err != nil {
			return err
		}
		user = rec.User
		return Append(w, userEvent(by, UserUpdate, &user, UserDifference(&was, &user)))
	})
	return user, err
}

// UserDifference says in a few words what of a user is another now.
func UserDifference(was, is *User) string {
	var parts []string
	if was.Role != is.Role {
		parts = append(parts, "role "+string(was.Role)+" to "+string(is.Role))
	}
	if was.Disabled != is.Disabled {
		parts = append(parts, map[bool]string{true: "disabled", false: "enabled"}[is.Disabled])
	}
	return strings.Join(parts, "; ")
}

// Delete forgets a user. Sessions and their own tokens are refused at once.
// revision is the one that the caller read; 0: whatever is there.
func (u *Users) Delete(ctx context.Context, by Who, tenant, name string, revision uint64) (user User, err error) {
	err = u.system.Update(ctx, func(w store.Writer) error {
		rec, err := readUser(w, tenant, name)
		if err != nil {
			return err
		}
		if err := rec.current(revision); err != nil {
			return err
		}
		user = rec.User
		if isLast, err := lastAdmin(w, &rec.User, nil); err != nil || isLast {
			return errors.Join(err, lastAdminStays(isLast))
		}
		if err := endSessions(w, rec.ID, ""); err != nil {
			return err
		}
		if err := w.Delete(store.Users, userKey(tenant, rec.Name)); err != nil {
			return err
		}
		return Append(w, userEvent(by, UserDelete, &rec.User, ""))
	})
	return user, err
}

// current refuses a change that was made against another revision.
func (rec *userRecord) current(revision uint64) error {
	if revision != 0 && revision != rec.Revision {
		return fault.New(fault.StaleRevision, "the user %s is at revision %d, not %d", rec.Name, rec.Revision, revision)
	}
	return nil
}

// lastAdmin reports whether the change leaves users and no administrator who
// can log in.
func lastAdmin(r store.Reader, was, is *User) (bool, error) {
	may := func(u *User) bool { return u != nil && u.Role == Admin && !u.Disabled }
	if !may(was) || may(is) {
		return false, nil
	}
	entries, err := r.List(store.Users, userKey(was.Tenant, ""), "", maxUsers)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		rec, err := decodeUser(e)
		if err != nil {
			return false, err
		}
		if rec.ID != was.ID && may(&rec.User) {
			return false, nil
		}
	}
	return len(entries) > 1 || is != nil, nil // the last user of all may go
}

func lastAdminStays(isLast bool) error {
	if !isLast {
		return nil
	}
	return fault.New(fault.WrongState, "this is the tenant's last administrator").
		WithHint("Make somebody else an administrator first.")
}

// DropTenant forgets all users of a tenant, with their sessions.
func (u *Users) DropTenant(ctx context.Context, tenant string) error {
	return u.system.Update(ctx, func(w store.Writer) error {
		entries, err := w.List(store.Users, userKey(tenant, ""), "", maxUsers)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := w.Delete(store.Users, e.ID); err != nil { // a session without its user is refused
				return err
			}
		}
		return nil
	})
}

// userKey is where a user is kept; no tenant's id holds a slash.
func userKey(tenant, name string) string { return tenant + "/" + strings.ToLower(name) }

func readUser(r store.Reader, tenant, name string) (rec userRecord, err error) {
	missing := fault.New(fault.NotFound, "there is no user %.80q", name)
	if checkUserName(name) != nil {
		return rec, missing
	}
	e, err := r.Get(store.Users, userKey(tenant, name))
	if fault.Is(err, fault.NotFound) {
		return rec, missing
	}
	if err != nil {
		return rec, err
	}
	return decodeUser(e)
}

func decodeUser(e store.Entry) (rec userRecord, err error) {
	if err := json.Unmarshal(e.Value, &rec); err != nil || rec.ID == "" || userKey(rec.Tenant, rec.Name) != e.ID {
		return userRecord{}, fault.New(fault.Integrity, "the record of a user cannot be read")
	}
	rec.Revision = e.Version
	return rec, nil
}

func putUser(w store.Writer, rec *userRecord) error {
	rec.PasswordSet, rec.Revision = rec.Password != "", 0
	raw, err := json.Marshal(rec) //nolint:gosec // the password is its Argon2id hash
	if err != nil {
		return fault.Wrap(fault.Internal, err, "user")
	}
	rec.Revision, err = w.Put(store.Users, userKey(rec.Tenant, rec.Name), raw)
	return err
}

// userEvent is what was done to a user, for the server's own trail.
func userEvent(by Who, action Action, user *User, detail string) Event {
	return Event{Who: by, Tenant: user.Tenant, Action: action, On: user.Name, Outcome: Done, Detail: detail}
}

// maxUserName is the longest name of a user, in bytes.
const maxUserName = 64

// checkUserName allows few characters, so that no two names look alike.
func checkUserName(name string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-"
	if name != "" && len(name) <= maxUserName && strings.Trim(name, allowed) == "" {
		return nil
	}
	detail := "is 1 to 64 of letters, digits and . _ @ + -"
	return fault.New(fault.Invalid, "a user's name %s", detail).WithFields(fault.Field{Pointer: "/name", Detail: detail})
}
