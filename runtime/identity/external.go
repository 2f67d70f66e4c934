package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// External is who an identity provider says that somebody is.
type External struct {
	Tenant          string
	Issuer, Subject string // together they name one person, for good
	Display         string // what the provider calls them
	Role            Role
}

// externalPrefix begins the names of users who come from a provider. No other
// user's name begins so, so that neither can pass for the other.
const externalPrefix = "oidc-"

func (e *External) name() string {
	sum := sha256.Sum256([]byte(e.Issuer + "\x00" + e.Subject))
	return externalPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

// ExternalLife is how long the own tokens of somebody from a provider are good
// without a login by it: only then is it asked whether they still are who they
// were.
const ExternalLife = 30 * 24 * time.Hour

// Enter begins a session of somebody whom a provider vouches for. Their user is
// made at the first time, and has the role that the provider says at each. Who
// has none is refused (fault.RoleRequired), and what they had here ends: role
// and sessions, and with the role their own tokens. Who is disabled here is
// refused too (fault.LoginFailed).
func (u *Users) Enter(ctx context.Context, e External, from netip.Addr) (secret string, id Identity, err error) {
	if e.Role == "" {
		return "", Identity{}, errors.Join(u.leave(ctx, &e), fault.New(fault.RoleRequired, "the identity provider gives you no role here").
			WithHint("Ask an administrator to put you into a group that has one."))
	}
	now := time.Now().UTC()
	err = u.system.Update(ctx, func(w store.Writer) error {
		rec, err := external(w, &e)
		if err != nil {
			return err
		}
		if rec.Disabled || rec.Issuer != e.Issuer {
			return fault.New(fault.LoginFailed, "the user is not let in here")
		}
		was := rec.User
		rec.Role, rec.Display, rec.Seen = e.Role, e.Display, now
		if was.Role != rec.Role {
			if err := Append(w, userEvent(Who{Kind: ByServer}, UserUpdate, &rec.User, UserDifference(&was, &rec.User)+", by the identity provider")); err != nil {
				return err
			}
		}
		if secret, id, err = openSession(w, &rec, now); err != nil {
			return err
		}
		rec.remember(networkOf(from))
		return putUser(w, &rec)
	})
	if err != nil {
		return "", Identity{}, err
	}
	u.audit.Note(id.Tenant, entered(&id, "by "+e.Issuer))
	return secret, id, nil
}

// leave takes away what somebody had here to whom their provider gives no role
// any more. The tenant's last administrator is no exception: the operator of
// the server can make another.
func (u *Users) leave(ctx context.Context, e *External) error {
	return u.system.Update(ctx, func(w store.Writer) error {
		rec, err := readUser(w, e.Tenant, e.name())
		if fault.Is(err, fault.NotFound) || (err == nil && (rec.Issuer != e.Issuer || rec.Role == "")) {
			return nil
		}
		if err != nil {
			return err
		}
		was := rec.User
		rec.Role, rec.Updated = "", time.Now().UTC()
		if err := endSessions(w, rec.ID, ""); err != nil {
			return err
		}
		if err := Append(w, userEvent(Who{Kind: ByServer}, UserUpdate, &rec.User, UserDifference(&was, &rec.User)+", by the identity provider")); err != nil {
			return err
		}
		return putUser(w, &rec)
	})
}

// external finds the user of somebody from a provider, or makes one.
func external(w store.Writer, e *External) (userRecord, error) {
	rec, err := readUser(w, e.Tenant, e.name())
	if !fault.Is(err, fault.NotFound) {
		return rec, err
	}
	rec, err = addUser(w, userRecord{User: User{Tenant: e.Tenant, Name: e.name(), Display: e.Display, Role: e.Role, Issuer: e.Issuer}})
	if err != nil {
		return rec, err
	}
	return rec, Append(w, userEvent(Who{Kind: ByServer}, UserCreate, &rec.User, string(e.Role)+", from "+e.Issuer))
}
