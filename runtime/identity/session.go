package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

const (
	// SessionLife is how long a session lives without being used.
	SessionLife = 12 * time.Hour
	// sessionMost is how long one lives at all.
	sessionMost = 7 * 24 * time.Hour
	// touchEvery is how exactly it is known when one was used.
	touchEvery = 5 * time.Minute
	// maxSessions of one user. A new one takes the place of the one that was not
	// used for longest; a place is written over and never deleted, since what is
	// deleted leaves a tombstone for ever.
	maxSessions = 16

	sessionPrefix = "sns"
	linkPrefix    = "snl"
)

// session is what is stored of a session, under the user's id and a place.
type session struct {
	Hash    []byte    `json:"hash,omitempty"` // SHA-256 of the secret; none: the place is free
	Tenant  string    `json:"tenant,omitempty"`
	Name    string    `json:"name,omitempty"`
	UserID  string    `json:"user_id,omitempty"`
	Created time.Time `json:"created,omitzero"`
	Used    time.Time `json:"used,omitzero"`
}

func (s *session) alive(now time.Time) bool {
	return len(s.Hash) == sha256.Size && now.Sub(s.Used) < SessionLife && now.Sub(s.Created) < sessionMost
}

// newSecret is a secret that names the place where its digest is kept:
// <prefix>_<place>_<43 digits in base 62>.
func newSecret(prefix, place string) string {
	secret := make([]byte, 32)
	rand.Read(secret)
	return prefix + "_" + place + "_" + base62(new(big.Int).SetBytes(secret), secretLen)
}

// placeOf is the place that a well-formed secret names.
func placeOf(prefix, secret string) (place string, ok bool) {
	rest, ok := strings.CutPrefix(secret, prefix+"_")
	end := len(rest) - secretLen - 1
	if !ok || end < 1 || end > 64 || rest[end] != '_' {
		return "", false
	}
	return rest[:end], true
}

func sessionPlace(userID string, n int) string { return fmt.Sprintf("%s.%02d", userID, n) }

// openSession begins a session of a user, and returns its secret.
func openSession(w store.Writer, rec *userRecord, now time.Time) (secret string, id Identity, err error) {
	place, err := freePlace(w, rec.ID, now)
	if err != nil {
		return "", id, err
	}
	secret = newSecret(sessionPrefix, place)
	sum := sha256.Sum256([]byte(secret))
	s := session{Hash: sum[:], Tenant: rec.Tenant, Name: rec.Name, UserID: rec.ID, Created: now, Used: now}
	return secret, rec.identity(place), putSession(w, place, &s)
}

func freePlace(r store.Reader, userID string, now time.Time) (string, error) {
	entries, err := r.List(store.Logins, userID+".", "", maxSessions)
	if err != nil {
		return "", err
	}
	oldest, used := "", now
	for _, e := range entries {
		var s session
		if readable := json.Unmarshal(e.Value, &s) == nil; !readable || !s.alive(now) {
			return e.ID, nil
		}
		if oldest == "" || s.Used.Before(used) {
			oldest, used = e.ID, s.Used
		}
	}
	if len(entries) < maxSessions {
		return sessionPlace(userID, len(entries)), nil
	}
	return oldest, nil
}

func putSession(w store.Writer, place string, s *session) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "session")
	}
	_, err = w.Put(store.Logins, place, raw)
	return err
}

// identity is the user with a session.
func (rec *userRecord) identity(session string) Identity {
	return Identity{
		Tenant: rec.Tenant, Kind: KindUser, ID: rec.ID, Name: rec.Name, Role: rec.Role, User: rec.ID, UserName: rec.Name, Session: session,
	}
}

// VerifySession returns whose session this is. Like a token's, what is wrong
// with it is not told (fault.Unauthenticated). touch says that it is used, so
// that it lives on; a look that nobody asked for does not.
func (u *Users) VerifySession(ctx context.Context, secret string, touch bool) (Identity, error) {
	place, ok := placeOf(sessionPrefix, secret)
	if !ok {
		return Identity{}, noSession()
	}
	now := time.Now().UTC()
	var s session
	var rec userRecord
	err := u.system.View(ctx, func(r store.Reader) (err error) {
		s, rec, err = readSession(r, place, secret, now)
		return err
	})
	if err != nil {
		return Identity{}, err
	}
	if touch && now.Sub(s.Used) >= touchEvery {
		err = u.system.Update(ctx, func(w store.Writer) error {
			if s, rec, err = readSession(w, place, secret, now); err != nil {
				return err
			}
			s.Used = now
			return putSession(w, place, &s)
		})
	}
	if err != nil {
		return Identity{}, err
	}
	return rec.identity(place), nil
}

// readSession reads a session that is alive, with its user as they are now.
func readSession(r store.Reader, place, secret string, now time.Time) (s session, rec userRecord, err error) {
	e, err := r.Get(store.Logins, place)
	if fault.Is(err, fault.NotFound) {
		return s, rec, noSession()
	}
	if err != nil {
		return s, rec, err
	}
	if err := json.Unmarshal(e.Value, &s); err != nil {
		return s, rec, fault.New(fault.Integrity, "the record of a session cannot be read")
	}
	sum := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(sum[:], s.Hash) != 1 || !s.alive(now) {
		return s, rec, noSession()
	}
	rec, err = readUser(r, s.Tenant, s.Name)
	if fault.Is(err, fault.NotFound) || (err == nil && (rec.ID != s.UserID || rec.Disabled)) {
		return s, rec, noSession()
	}
	return s, rec, err
}

func noSession() error {
	return fault.New(fault.Unauthenticated, "the session is not valid, or has ended")
}

// Logout ends a session. One that has ended already is none.
func (u *Users) Logout(ctx context.Context, secret string) error {
	place, ok := placeOf(sessionPrefix, secret)
	if !ok {
		return nil
	}
	var out Identity
	err := u.system.Update(ctx, func(w store.Writer) error {
		out = Identity{}
		_, rec, err := readSession(w, place, secret, time.Now())
		if fault.Is(err, fault.Unauthenticated) {
			return nil
		}
		if err == nil {
			out = rec.identity(place)
			err = putSession(w, place, &session{})
		}
		return err
	})
	if err == nil && out.Name != "" {
		u.audit.Note(out.Tenant, Event{Who: out.Who(), Action: Logout, On: out.Name, Outcome: Done})
	}
	return err
}

// endSessions ends all sessions of a user but one.
func endSessions(w store.Writer, userID, but string) error {
	entries, err := w.List(store.Logins, userID+".", "", maxSessions)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.ID == but {
			continue
		}
		if err := putSession(w, e.ID, &session{}); err != nil {
			return err
		}
	}
	return nil
}
