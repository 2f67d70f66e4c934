package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

const (
	maxName = 100 // bytes
	// maxTokens of one tenant; they fit in one list.
	maxTokens = store.MaxList
	// maxOwn tokens of one user, so that nobody takes all of their tenant's.
	maxOwn = 20
)

// Tokens are the API tokens of all tenants. It is safe for concurrent use.
type Tokens struct{ system store.Space }

// New keeps tokens in the system's space of a store.
func New(system store.Space) *Tokens { return &Tokens{system} }

// record is what is stored of a token, under its id.
type record struct {
	Info
	// Hash is the token's SHA-256. A slow hash would protect nothing: nobody
	// can try 2^256 secrets.
	Hash []byte `json:"hash"`
	// UserID is the id of User: a name may come back to another person.
	UserID string `json:"user_id,omitempty"`
}

// NewToken is what a token is to be.
type NewToken struct {
	Tenant, Name string
	Role         Role
	Scopes       []string  // none: all that the role may
	Expires      time.Time // zero: never
	// User is the name of the user whose own token it is: it has no more of a
	// role than they have, and ends with them; "": the tenant's.
	User string
	// UserID is the id of that user; "": whoever has the name. A name may come
	// back to another person.
	UserID string
}

// Create makes an administrator's token for a tenant, without an end. See
// Issue.
func (t *Tokens) Create(ctx context.Context, tenant, name string) (token string, info Info, err error) {
	return t.Issue(ctx, Who{Kind: ByServer}, NewToken{Tenant: tenant, Name: name, Role: Admin})
}

// Issue makes a token for a tenant. The token is returned this once. A name
// that is not 1 to 100 bytes of printable text, a role or a scope that is none,
// an end that has passed, or a tenant that cannot be, is fault.Invalid; a
// tenant has at most 1000 tokens, and a user 20 of their own (fault.Exhausted).
func (t *Tokens) Issue(ctx context.Context, by Who, n NewToken) (token string, info Info, err error) {
	err = t.system.Update(ctx, func(w store.Writer) error {
		if token, info, err = create(w, n); err != nil {
			return err
		}
		return appendToken(w, by, TokenCreate, &info)
	})
	if err != nil {
		return "", Info{}, err
	}
	return token, info, nil
}

// appendToken puts what was done to a tenant's token into the server's own
// trail. A user's own token is for the trail of the tenant alone: everybody may
// make one and end it as often as they like, and would turn the server's over.
func appendToken(w store.Writer, by Who, action Action, info *Info) error {
	if info.User != "" {
		return nil
	}
	return Append(w, tokenEvent(by, action, info))
}

// tokenEvent is what was done to a token, for the server's own trail.
func tokenEvent(by Who, action Action, info *Info) Event {
	return Event{Who: by, Tenant: info.Tenant, Action: action, On: info.ID, Outcome: Done, Detail: info.Describe()}
}

// Describe is what a token may, in a few words, for an event.
func (i *Info) Describe() string {
	text := i.Name + " (" + string(i.Role)
	if len(i.Scopes) > 0 {
		text += ": " + strings.Join(i.Scopes, " ")
	}
	if !i.Expires.IsZero() {
		text += ", until " + i.Expires.Format(time.RFC3339)
	}
	return text + ")"
}

// First makes a token when there is none at all, of no tenant: the way in at
// the first start. When there is one, the returned token is empty.
//
// keep has the token in a safe place before it counts, so that a crash leaves
// at worst a kept token that nobody accepts, and not a server without a way
// in. It may be called more than once, and the last one counts; its error is
// First's.
func (t *Tokens) First(ctx context.Context, tenant, name string, keep func(token string) error) (token string, info Info, err error) {
	err = t.system.Update(ctx, func(w store.Writer) error {
		token, info = "", Info{}
		some, err := w.List(store.Tokens, "", "", 1)
		if err != nil || len(some) > 0 {
			return err
		}
		if token, info, err = create(w, NewToken{Tenant: tenant, Name: name, Role: Admin}); err != nil {
			return err
		}
		if err := Append(w, tokenEvent(Who{Kind: ByServer}, TokenCreate, &info)); err != nil {
			return err
		}
		return keep(token)
	})
	if err != nil {
		return "", Info{}, err
	}
	return token, info, nil
}

// Verify returns whom the token stands for. What is wrong with a token is not
// told: it is fault.Unauthenticated. Another fault says that the store did
// not answer, and nothing about the token.
func (t *Tokens) Verify(ctx context.Context, token string) (Identity, error) {
	id, ok := tokenID(token)
	if !ok {
		return Identity{}, unauthenticated()
	}
	var r record
	role := Role("")
	err := t.system.View(ctx, func(reader store.Reader) (err error) {
		if r, err = read(reader, id); err != nil {
			return err
		}
		role, err = r.roleNow(reader)
		return err
	})
	if err != nil && !fault.Is(err, fault.NotFound) {
		return Identity{}, err
	}
	hash := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(hash[:], r.Hash) != 1 || role == "" || r.expired(time.Now()) {
		return Identity{}, unauthenticated()
	}
	return Identity{Tenant: r.Tenant, Kind: KindToken, ID: r.ID, Name: r.Name, Role: role, Scopes: strings.Join(r.Scopes, " "), User: r.UserID, UserName: r.User, Expires: r.Expires}, nil
}

// roleNow is the token's role, or its user's if that is lower; "": they are
// gone, disabled, or nobody has vouched for them for long.
func (r *record) roleNow(reader store.Reader) (Role, error) {
	if r.User == "" {
		return r.Role, nil
	}
	user, err := readUser(reader, r.Tenant, r.User)
	if err != nil || user.ID != r.UserID || user.Disabled || (user.Issuer != "" && time.Since(user.Seen) >= ExternalLife) {
		return "", err
	}
	return lower(r.Role, user.Role), nil
}

func (r *record) expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// Revoke ends a tenant's token: every Verify that begins after Revoke returned
// refuses it. An id that is not the tenant's is fault.NotFound.
func (t *Tokens) Revoke(ctx context.Context, by Who, tenant, id string) error {
	return t.system.Update(ctx, func(w store.Writer) error {
		info := Info{ID: id, Tenant: tenant}
		if r, err := read(w, id); err == nil && r.Tenant == tenant {
			info = r.Info
		}
		err := w.Delete(store.TokensByTenant, indexKey(tenant, id))
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) { // too long to be one
			return fault.New(fault.NotFound, "there is no token %.80q", id)
		}
		if err != nil {
			return err
		}
		if err := w.Delete(store.Tokens, id); err != nil {
			return err
		}
		return appendToken(w, by, TokenRevoke, &info)
	})
}

// Get returns one token of a tenant, or fault.NotFound.
func (t *Tokens) Get(ctx context.Context, tenant, id string) (info Info, err error) {
	err = t.system.View(ctx, func(reader store.Reader) error {
		r, err := read(reader, id)
		if (err == nil && r.Tenant != tenant) || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
			return fault.New(fault.NotFound, "there is no token %.80q", id)
		}
		info = r.Info
		return err
	})
	return info, err
}

// DropTenant revokes all tokens of a tenant.
func (t *Tokens) DropTenant(ctx context.Context, tenant string) error {
	list, err := t.List(ctx, tenant)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(list, 200) { // within what one transaction may write
		err := t.system.Update(ctx, func(w store.Writer) error {
			for _, info := range part {
				for b, key := range map[store.Bucket]string{store.Tokens: info.ID, store.TokensByTenant: indexKey(tenant, info.ID)} {
					if err := w.Delete(b, key); err != nil && !fault.Is(err, fault.NotFound) {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// List returns a tenant's tokens, ordered by id.
func (t *Tokens) List(ctx context.Context, tenant string) (list []Info, err error) {
	err = t.system.View(ctx, func(reader store.Reader) error {
		list = nil
		for e, err := range store.All(reader, store.TokensByTenant, indexKey(tenant, "")) {
			if err != nil {
				return err
			}
			r, err := read(reader, strings.TrimPrefix(e.ID, indexKey(tenant, "")))
			if err != nil {
				return err
			}
			list = append(list, r.Info)
		}
		return nil
	})
	return list, err
}

// create checks and writes a token.
func create(w store.Writer, n NewToken) (string, Info, error) {
	r, err := n.record(w)
	if err != nil {
		return "", Info{}, err
	}
	tenant := n.Tenant
	present, err := w.List(store.TokensByTenant, indexKey(tenant, ""), "", maxTokens)
	if err != nil {
		return "", Info{}, err
	}
	if len(present) >= maxTokens {
		return "", Info{}, fault.New(fault.Exhausted, "%s has %d tokens, and no more are kept", tenant, maxTokens).
			WithHint("Revoke the tokens that are not used.")
	}
	if err := roomOfOwn(w, &r, present); err != nil {
		return "", Info{}, err
	}
	id, token := newToken()
	hash := sha256.Sum256([]byte(token))
	r.ID, r.Hash = id, hash[:]
	raw, err := json.Marshal(r)
	if err != nil {
		return "", Info{}, fault.Wrap(fault.Internal, err, "the token cannot be stored")
	}
	if _, err := w.PutIf(store.Tokens, id, raw, 0); err != nil {
		return "", Info{}, err
	}
	if _, err := w.PutIf(store.TokensByTenant, indexKey(tenant, id), nil, 0); err != nil {
		return "", Info{}, err
	}
	return token, r.Info, nil
}

// roomOfOwn sees that a user whose own a token is to be has room for it among
// the tenant's.
func roomOfOwn(reader store.Reader, r *record, present []store.Entry) error {
	if r.UserID == "" {
		return nil
	}
	own := 0
	for i := range present {
		other, err := read(reader, strings.TrimPrefix(present[i].ID, indexKey(r.Tenant, "")))
		if err != nil {
			return err
		}
		if other.UserID == r.UserID {
			own++
		}
	}
	if own >= maxOwn {
		return fault.New(fault.Exhausted, "%s has %d tokens of their own, and no more are kept", r.User, maxOwn).
			WithHint("Revoke the tokens that are not used.")
	}
	return nil
}

// record checks what a token is to be.
func (n *NewToken) record(reader store.Reader) (r record, err error) {
	if err := store.CheckTenant(n.Tenant); err != nil {
		return r, err
	}
	if err := checkName(n.Name); err != nil {
		return r, err
	}
	role, err := ParseRole(string(n.Role))
	if err != nil {
		return r, err
	}
	scopes, err := JoinScopes(n.Scopes)
	if err != nil {
		return r, err
	}
	now := time.Now().UTC()
	if !n.Expires.IsZero() && !n.Expires.After(now) {
		return r, fault.New(fault.Invalid, "the token would have ended at %s already", n.Expires.UTC().Format(time.RFC3339)).
			WithFields(fault.Field{Pointer: "/expires", Detail: "lies in the past"})
	}
	r.Info = Info{Tenant: n.Tenant, Name: n.Name, Role: role, Created: now, Scopes: strings.Fields(scopes), Expires: n.Expires.UTC()}
	if n.Expires.IsZero() {
		r.Expires = time.Time{}
	}
	if n.User == "" {
		return r, nil
	}
	user, err := readUser(reader, n.Tenant, n.User)
	if err != nil {
		return r, err
	}
	if user.Disabled || (n.UserID != "" && n.UserID != user.ID) {
		return r, fault.New(fault.NotFound, "there is no user %.80q", n.User)
	}
	r.User, r.UserID, r.Role = user.Name, user.ID, lower(role, user.Role)
	return r, nil
}

func read(reader store.Reader, id string) (r record, err error) {
	e, err := reader.Get(store.Tokens, id)
	if err != nil {
		return record{}, err
	}
	if err := json.Unmarshal(e.Value, &r); err != nil || len(r.Hash) != sha256.Size {
		return record{}, fault.New(fault.Integrity, "the record of the token %s cannot be read", id)
	}
	return r, nil
}

// indexKey is where the index names a tenant's token; no tenant's id holds a
// slash.
func indexKey(tenant, id string) string { return tenant + "/" + id }

func checkName(name string) error {
	ok := name != "" && len(name) <= maxName && utf8.ValidString(name)
	for _, r := range name {
		ok = ok && unicode.IsPrint(r)
	}
	if !ok {
		return fault.New(fault.Invalid, "a token's name is 1 to %d bytes of printable text", maxName).
			WithFields(fault.Field{Pointer: "/name", Detail: "not printable, empty or too long"})
	}
	return nil
}

func unauthenticated() error {
	return fault.New(fault.Unauthenticated, "the token is not valid")
}
