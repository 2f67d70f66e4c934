package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
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
}

// Create makes a token for a tenant. The token is returned this once. A name
// that is not 1 to 100 bytes of printable text, or a tenant that cannot be, is
// fault.Invalid; a tenant has at most 1000 tokens (fault.Exhausted).
func (t *Tokens) Create(ctx context.Context, tenant, name string) (token string, info Info, err error) {
	err = t.system.Update(ctx, func(w store.Writer) error {
		token, info, err = create(w, tenant, name)
		return err
	})
	if err != nil {
		return "", Info{}, err
	}
	return token, info, nil
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
		if token, info, err = create(w, tenant, name); err != nil {
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
	err := t.system.View(ctx, func(reader store.Reader) (err error) {
		r, err = read(reader, id)
		return err
	})
	if err != nil && !fault.Is(err, fault.NotFound) {
		return Identity{}, err
	}
	hash := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(hash[:], r.Hash) != 1 {
		return Identity{}, unauthenticated()
	}
	return Identity{Tenant: r.Tenant, Kind: KindToken, ID: r.ID, Name: r.Name, Role: r.Role, Scopes: strings.Join(r.Scopes, " "), User: r.User}, nil
}

// Revoke ends a tenant's token: every Verify that begins after Revoke returned
// refuses it. An id that is not the tenant's is fault.NotFound.
func (t *Tokens) Revoke(ctx context.Context, tenant, id string) error {
	return t.system.Update(ctx, func(w store.Writer) error {
		err := w.Delete(store.TokensByTenant, indexKey(tenant, id))
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) { // too long to be one
			return fault.New(fault.NotFound, "there is no token %.80q", id)
		}
		if err != nil {
			return err
		}
		return w.Delete(store.Tokens, id)
	})
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

func create(w store.Writer, tenant, name string) (string, Info, error) {
	if err := store.CheckTenant(tenant); err != nil {
		return "", Info{}, err
	}
	if err := checkName(name); err != nil {
		return "", Info{}, err
	}
	present, err := w.List(store.TokensByTenant, indexKey(tenant, ""), "", maxTokens)
	if err != nil {
		return "", Info{}, err
	}
	if len(present) >= maxTokens {
		return "", Info{}, fault.New(fault.Exhausted, "%s has %d tokens, and no more are kept", tenant, maxTokens).
			WithHint("Revoke the tokens that are not used.")
	}
	id, token := newToken()
	hash := sha256.Sum256([]byte(token))
	r := record{Info{ID: id, Tenant: tenant, Name: name, Role: Admin, Created: time.Now().UTC()}, hash[:]}
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
