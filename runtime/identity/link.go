package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// LinkLife is how long a one-time link is good.
const LinkLife = 24 * time.Hour

// firstPlace is where the link of a fresh server is kept, which makes its first
// administrator; the others are kept under their user's id.
const firstPlace = "first"

// link is what is stored of a one-time link.
type link struct {
	Hash    []byte    `json:"hash,omitempty"` // SHA-256 of the secret; none: used up
	Tenant  string    `json:"tenant,omitempty"`
	Name    string    `json:"name,omitempty"` // of the user; "": the first one
	UserID  string    `json:"user_id,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

// FirstLink makes the link by which a fresh server gets its first
// administrator, in this tenant; "" when there is a user already.
func (u *Users) FirstLink(ctx context.Context, tenant string) (secret string, err error) {
	err = u.system.Update(ctx, func(w store.Writer) error {
		secret = ""
		some, err := w.List(store.Users, "", "", 1)
		if err != nil || len(some) > 0 {
			return err
		}
		secret, _, err = putLink(w, firstPlace, link{Tenant: tenant})
		return err
	})
	return secret, err
}

// Link makes a one-time link by which a user sets their password, within a day.
// An earlier one of theirs is void.
func (u *Users) Link(ctx context.Context, by Who, tenant, name string) (secret string, expires time.Time, err error) {
	err = u.system.Update(ctx, func(w store.Writer) error {
		rec, err := readUser(w, tenant, name)
		if err != nil {
			return err
		}
		secret, expires, err = linkTo(w, by, &rec)
		return err
	})
	if err != nil {
		return "", time.Time{}, err
	}
	return secret, expires, nil
}

// linkTo is Link's part of a transaction.
func linkTo(w store.Writer, by Who, rec *userRecord) (secret string, expires time.Time, err error) {
	if rec.Issuer != "" {
		return "", expires, fault.New(fault.WrongState, "%q comes from an identity provider and has no password here", rec.Name)
	}
	if secret, expires, err = putLink(w, rec.ID, link{Tenant: rec.Tenant, Name: rec.Name, UserID: rec.ID}); err != nil {
		return "", expires, err
	}
	return secret, expires, Append(w, userEvent(by, UserLink, &rec.User, ""))
}

func putLink(w store.Writer, place string, l link) (secret string, expires time.Time, err error) {
	secret = newSecret(linkPrefix, place)
	sum := sha256.Sum256([]byte(secret))
	l.Hash, l.Expires = sum[:], time.Now().UTC().Add(LinkLife)
	return secret, l.Expires, writeLink(w, place, &l)
}

func writeLink(w store.Writer, place string, l *link) error {
	raw, err := json.Marshal(l)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "link")
	}
	_, err = w.Put(store.Setup, place, raw)
	return err
}

// forgetLink voids the link of a user, if there is one. It writes it over.
func forgetLink(w store.Writer, place string) error {
	_, err := w.Get(store.Setup, place)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return writeLink(w, place, &link{})
}

// Invited says whom a link is for, without using it up: the tenant, and the
// name of the user, "" for a first administrator who is yet to choose one.
func (u *Users) Invited(ctx context.Context, secret string) (tenant, name string, err error) {
	err = u.system.View(ctx, func(r store.Reader) error {
		_, l, err := readLink(r, secret)
		tenant, name = l.Tenant, l.Name
		return err
	})
	return tenant, name, err
}

// Redeem uses a link up: the user gets the password, after making the user when
// the link is a fresh server's, under the given name. A link that is not valid,
// used up or too old is fault.Unauthenticated.
func (u *Users) Redeem(ctx context.Context, secret, name, password string) (user User, err error) {
	tenant, invited, err := u.Invited(ctx, secret) // before any password is looked at
	if err != nil {
		return user, err
	}
	if invited != "" {
		name = invited
	}
	if err := checkUserName(name); err != nil {
		return user, err
	}
	if err := checkPassword(password, name); err != nil {
		return user, err
	}
	hashed, err := u.hasher.hash(ctx, tenant, password)
	if err != nil {
		return user, err
	}
	err = u.system.Update(ctx, func(w store.Writer) error {
		place, l, err := readLink(w, secret)
		if err != nil {
			return err
		}
		rec, err := invitee(w, place, &l, name)
		if err != nil {
			return err
		}
		if err := takePassword(w, rec.identity("").Who(), &rec, hashed, ""); err != nil {
			return err
		}
		user = rec.User
		return writeLink(w, place, &link{})
	})
	return user, err
}

// invitee is the user of a link.
func invitee(w store.Writer, place string, l *link, name string) (userRecord, error) {
	if place != firstPlace {
		rec, err := readUser(w, l.Tenant, l.Name)
		if fault.Is(err, fault.NotFound) || (err == nil && rec.ID != l.UserID) {
			err = noLink()
		}
		return rec, err
	}
	some, err := w.List(store.Users, userKey(l.Tenant, ""), "", 1)
	if err != nil {
		return userRecord{}, err
	}
	if len(some) > 0 { // it makes the first one: whoever finds it in an old log makes none
		return userRecord{}, noLink()
	}
	rec, err := addUser(w, userRecord{User: User{Tenant: l.Tenant, Name: name, Role: Admin}})
	if err != nil {
		return rec, err
	}
	return rec, Append(w, userEvent(Who{Kind: ByServer}, UserCreate, &rec.User, "the first administrator, by the set-up link"))
}

func readLink(r store.Reader, secret string) (place string, l link, err error) {
	place, ok := placeOf(linkPrefix, secret)
	if !ok {
		return "", l, noLink()
	}
	e, err := r.Get(store.Setup, place)
	if fault.Is(err, fault.NotFound) {
		return "", l, noLink()
	}
	if err != nil {
		return "", l, err
	}
	if err := json.Unmarshal(e.Value, &l); err != nil {
		return "", l, fault.New(fault.Integrity, "the record of a link cannot be read")
	}
	sum := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(sum[:], l.Hash) != 1 || !time.Now().Before(l.Expires) {
		return "", link{}, noLink()
	}
	return place, l, nil
}

func noLink() error {
	return fault.New(fault.Unauthenticated, "the link is not valid, was used, or is more than a day old").
		WithHint("Ask an administrator for a new one (`snaprail user passwd --link`).")
}
