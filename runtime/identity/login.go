package identity

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxKnown networks are remembered of a user.
const maxKnown = 8

// Attempt is one try to log in.
type Attempt struct {
	Tenant, Name, Password string
	From                   netip.Addr
}

// Login begins a session. What is wrong is not told (fault.LoginFailed), and
// takes as long to say whether there is such a user or not. Too many failures
// slow their network and the account down (fault.LoginDelayed, which says for
// how long), but not those who log in from where they did before.
func (u *Users) Login(ctx context.Context, a Attempt) (secret string, id Identity, err error) {
	rec, err := u.claimed(ctx, a.Tenant, a.Name)
	if err != nil {
		return "", Identity{}, err
	}
	from := networkOf(a.From)
	known := slices.Contains(rec.Known, from.String())
	try, err := u.delays.begin(time.Now(), userKey(a.Tenant, a.Name), from, known)
	if err != nil {
		u.notLetIn(&rec, a.From, err)
		return "", Identity{}, err
	}
	ok, stale, err := u.hasher.matches(ctx, turnOf(a.Tenant, from, known), a.Password, rec.Password)
	if err != nil {
		return "", Identity{}, err
	}
	if !ok || rec.Disabled {
		err := fault.New(fault.LoginFailed, "the name, the password or the tenant is wrong")
		u.notLetIn(&rec, a.From, err)
		return "", Identity{}, err
	}
	renewed := ""
	if stale {
		if renewed, err = u.hasher.hash(ctx, a.Tenant, a.Password); err != nil {
			return "", Identity{}, err
		}
	}
	if secret, id, err = u.enter(ctx, rec, from, renewed); err != nil {
		return "", Identity{}, err
	}
	try.succeeded()
	u.audit.Note(id.Tenant, entered(&id, ""))
	return secret, id, nil
}

// entered is a login, for the tenant's trail. It is noted rather than appended,
// and is in no other trail: everybody may log in and out as often as they like.
func entered(id *Identity, detail string) Event {
	return Event{Who: id.Who(), Action: Login, On: id.Name, Outcome: Done, Detail: detail}
}

// claimed is the user that somebody says to be; a zero one when there is none.
func (u *Users) claimed(ctx context.Context, tenant, name string) (rec userRecord, err error) {
	err = u.system.View(ctx, func(r store.Reader) error {
		rec, err = readUser(r, tenant, name)
		return err
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge) {
		return userRecord{}, nil
	}
	return rec, err
}

// enter opens the session of a user whose password was right, unless they were
// changed in the meantime.
func (u *Users) enter(ctx context.Context, had userRecord, from netip.Prefix, renewed string) (secret string, id Identity, err error) {
	now := time.Now().UTC()
	err = u.system.Update(ctx, func(w store.Writer) error {
		rec, err := readUser(w, had.Tenant, had.Name)
		if err != nil || rec.ID != had.ID || rec.Password != had.Password || rec.Disabled {
			return fault.New(fault.LoginFailed, "the user was changed in the meantime")
		}
		if secret, id, err = openSession(w, &rec, now); err != nil {
			return err
		}
		rec.Seen = now
		rec.remember(from)
		if renewed != "" {
			rec.Password = renewed
		}
		return putUser(w, &rec)
	})
	return secret, id, err
}

// remember notes that the user logged in from a network.
func (rec *userRecord) remember(from netip.Prefix) {
	if !from.IsValid() {
		return
	}
	text := from.String()
	rest := slices.DeleteFunc(slices.Clone(rec.Known), func(k string) bool { return k == text })
	rec.Known = append([]string{text}, rest[:min(len(rest), maxKnown-1)]...)
}

// notLetIn notes a failed login: in the server's trail by address alone, since
// what was claimed may be a password in the wrong field, and in the tenant's
// with the name if there is such a user.
func (u *Users) notLetIn(rec *userRecord, from netip.Addr, err error) {
	f := fault.Of(err)
	e := Event{
		Who: Who{Kind: ByNobody, ID: from.String()}, Action: Login, Outcome: Refused, Code: f.Kind.String(), Detail: "a wrong name or password",
	}
	if f.Kind == fault.LoginDelayed {
		e.Detail = "too many failed attempts"
	}
	u.audit.Note("", e)
	if rec.ID != "" {
		e.On = rec.Name
		u.audit.Note(rec.Tenant, e)
	}
}

// ChangePassword changes a user's own password, who knows the old one, and ends
// their other sessions. But is the session that stays.
func (u *Users) ChangePassword(ctx context.Context, a Attempt, password, but string) error {
	if err := checkPassword(password, a.Name); err != nil {
		return err
	}
	rec, err := u.claimed(ctx, a.Tenant, a.Name)
	if err != nil {
		return err
	}
	try, err := u.delays.begin(time.Now(), userKey(a.Tenant, a.Name), networkOf(a.From), true)
	if err != nil {
		return err
	}
	ok, _, err := u.hasher.matches(ctx, turnOf(a.Tenant, networkOf(a.From), true), a.Password, rec.Password)
	if err != nil {
		return err
	}
	if !ok || rec.Disabled {
		return fault.New(fault.LoginFailed, "the old password is wrong")
	}
	try.succeeded()
	return u.setPassword(ctx, rec.identity("").Who(), a.Tenant, a.Name, password, but, &rec)
}

// SetPassword gives a user a password, for whoever may do that, and ends their
// sessions.
func (u *Users) SetPassword(ctx context.Context, by Who, tenant, name, password string) error {
	if err := checkPassword(password, name); err != nil {
		return err
	}
	if _, err := u.Get(ctx, tenant, name); err != nil {
		return err
	}
	return u.setPassword(ctx, by, tenant, name, password, "", nil)
}

// setPassword sets it unless the user is another, or has another password, than
// when the old one was looked at; nil: nobody has.
func (u *Users) setPassword(ctx context.Context, by Who, tenant, name, password, but string, had *userRecord) error {
	hashed, err := u.hasher.hash(ctx, tenant, password)
	if err != nil {
		return err
	}
	return u.system.Update(ctx, func(w store.Writer) error {
		rec, err := readUser(w, tenant, name)
		if err != nil {
			return err
		}
		if had != nil && (rec.ID != had.ID || rec.Password != had.Password || rec.Disabled) {
			return fault.New(fault.LoginFailed, "the user was changed in the meantime")
		}
		return takePassword(w, by, &rec, hashed, but)
	})
}

// takePassword is the transaction's part: the password, no other session, no
// link that is still about, and the event.
func takePassword(w store.Writer, by Who, rec *userRecord, hashed, but string) error {
	if rec.Issuer != "" {
		return fault.New(fault.WrongState, "%q comes from an identity provider and has no password here", rec.Name)
	}
	rec.Password, rec.Updated = hashed, time.Now().UTC()
	if err := putUser(w, rec); err != nil {
		return err
	}
	if err := endSessions(w, rec.ID, but); err != nil {
		return err
	}
	if err := forgetLink(w, rec.ID); err != nil {
		return err
	}
	return Append(w, userEvent(by, UserPassword, &rec.User, ""))
}
