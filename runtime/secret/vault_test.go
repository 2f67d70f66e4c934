package secret_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// rig is a store with keys.
type rig struct {
	*testing.T
	store store.Store
	kek   secret.KEK
	keys  *secret.Keys
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, store: memory.New(), kek: newKEK()}
	r.keys = r.open(r.kek)
	return r
}

func newKEK() (k secret.KEK) {
	rand.Read(k[:])
	return k
}

func (r *rig) open(kek secret.KEK) *secret.Keys {
	r.Helper()
	keys, err := secret.Open(r.Context(), r.store.System(), kek)
	if err != nil {
		r.Fatal(err)
	}
	return keys
}

func (r *rig) space(tenant string) store.Space {
	r.Helper()
	s, err := r.store.Tenant(tenant)
	if err != nil {
		r.Fatal(err)
	}
	return s
}

func (r *rig) vault(tenant string) *secret.Vault {
	r.Helper()
	v, err := r.keys.Vault(r.Context(), tenant)
	if err != nil {
		r.Fatal(err)
	}
	return v
}

func (r *rig) update(tenant string, fn func(store.Writer) error) {
	r.Helper()
	if err := r.space(tenant).Update(r.Context(), fn); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) seal(tenant, name, value string) (info spec.SecretInfo) {
	r.Helper()
	v := r.vault(tenant)
	r.update(tenant, func(w store.Writer) (err error) {
		info, err = v.Seal(w, name, []byte(value))
		return err
	})
	return info
}

func (r *rig) unseal(tenant, name string) (value string, info spec.SecretInfo, err error) {
	r.Helper()
	v := r.vault(tenant)
	err = r.space(tenant).View(r.Context(), func(rd store.Reader) error {
		raw, i, err := v.Unseal(rd, name)
		value, info = string(raw), i
		return err
	})
	return value, info, err
}

func TestVault(t *testing.T) {
	r := newRig(t)
	before := time.Now().Add(-time.Second)
	name := secret.Named("pump-api")
	info := r.seal("acme", name, "correct horse")
	if !info.Set || len(info.Fingerprint) != 12 || info.UpdatedAt.Before(before) || info.UpdatedAt.Location() != time.UTC {
		t.Errorf("sealed as %+v", info)
	}
	value, again, err := r.unseal("acme", name)
	if err != nil || value != "correct horse" || again != info {
		t.Errorf("unsealed %q, %+v, %v", value, again, err)
	}
	if same := r.seal("acme", secret.OfConnector("con_1", "password"), "correct horse"); same.Fingerprint != info.Fingerprint {
		t.Error("equal values of a tenant have different fingerprints")
	}
	if other := r.seal("zoo", name, "correct horse"); other.Fingerprint == info.Fingerprint {
		t.Error("a fingerprint tells that two tenants have the same secret")
	}
	if _, _, err := r.unseal("acme", secret.Named("nobody")); !fault.Is(err, fault.SecretMissing) {
		t.Errorf("a secret that is not there: %v", err)
	}
	if _, _, err := r.unseal("acme", secret.Named(strings.Repeat("x", 600))); !fault.Is(err, fault.SecretMissing) {
		t.Errorf("a name that cannot be: %v", err)
	}
}

func TestVaultListsAndDrops(t *testing.T) {
	r := newRig(t)
	v := r.vault("acme")
	r.seal("acme", secret.Named("b"), "value of b")
	r.seal("acme", secret.Named("a"), "value of a")
	r.seal("acme", secret.OfConnector("con_1", "x"), "value of x")
	r.seal("acme", secret.OfConnector("con_1", "y"), "value of y")
	r.seal("acme", secret.OfConnector("con_10", "x"), "of another")
	list := func(prefix string) (names []string) {
		r.update("acme", func(w store.Writer) error {
			found, err := v.List(w, prefix, "", 10)
			names = nil
			for _, e := range found {
				if !e.Set || e.Version == 0 || e.Fingerprint == "" {
					t.Errorf("listed %+v", e)
				}
				names = append(names, e.Name)
			}
			return err
		})
		return names
	}
	if got := strings.Join(list(secret.NamedPrefix), " "); got != "named/a named/b" {
		t.Errorf("listed %s", got)
	}
	r.update("acme", func(w store.Writer) error {
		if err := v.Drop(w, secret.Named("a")); err != nil {
			return err
		}
		if err := v.Drop(w, secret.Named("a")); !fault.Is(err, fault.SecretMissing) {
			t.Errorf("dropped twice: %v", err)
		}
		return v.DropAll(w, secret.OfConnector("con_1", ""))
	})
	if got := strings.Join(list(""), " "); got != "connector/con_10/x named/b" {
		t.Errorf("left: %s", got)
	}
}

func TestVaultBounds(t *testing.T) {
	r := newRig(t)
	v := r.vault("acme")
	r.update("acme", func(w store.Writer) error {
		if _, err := v.Seal(w, secret.Named("big"), make([]byte, secret.MaxValue+1)); !fault.Is(err, fault.TooLarge) {
			t.Errorf("too large: %v", err)
		}
		if _, err := v.Seal(w, strings.Repeat("x", secret.MaxName+1), []byte("v")); !fault.Is(err, fault.Invalid) {
			t.Errorf("name too long: %v", err)
		}
		_, err := v.Seal(w, strings.Repeat("x", secret.MaxName), make([]byte, secret.MaxValue))
		return err
	})
}

// TestForeignCiphertext: case 23. What was sealed for one tenant, or under one
// name, opens as nothing else, although whoever copied it can write the store.
func TestForeignCiphertext(t *testing.T) {
	r := newRig(t)
	name := secret.Named("pump-api")
	r.seal("acme", name, "value of acme")
	r.seal("zoo", name, "value of zoo")
	copyTo := func(from, as, to, name string) {
		r.Helper()
		var sealed []byte
		r.update(from, func(w store.Writer) error {
			e, err := w.Get(store.Secrets, as)
			sealed = e.Value
			return err
		})
		r.update(to, func(w store.Writer) error {
			_, err := w.Put(store.Secrets, name, sealed)
			return err
		})
	}
	refused := func(tenant, name string) {
		r.Helper()
		if value, _, err := r.unseal(tenant, name); !fault.Is(err, fault.Integrity) || value != "" {
			r.Errorf("opened %q of %s: %q, %v", name, tenant, value, err)
		}
		err := r.space(tenant).View(t.Context(), func(rd store.Reader) error {
			_, err := r.vault(tenant).Info(rd, name)
			return err
		})
		if !fault.Is(err, fault.Integrity) {
			r.Errorf("info of %q of %s: %v", name, tenant, err)
		}
	}
	copyTo("acme", name, "zoo", name)
	refused("zoo", name)
	copyTo("acme", name, "acme", secret.Named("another"))
	refused("acme", secret.Named("another"))

	// A data key that was copied does not help either.
	err := r.store.System().Update(t.Context(), func(w store.Writer) error {
		e, err := w.Get(store.DataKeys, "acme")
		if err != nil {
			return err
		}
		_, err = w.Put(store.DataKeys, "zoo", e.Value)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secret.Open(t.Context(), r.store.System(), r.kek); !fault.Is(err, fault.Integrity) {
		t.Errorf("a data key of another tenant is taken: %v", err)
	}
}

func TestNoKeys(t *testing.T) {
	var keys *secret.Keys
	v, err := keys.Vault(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Mask().Text("as it is"); got != "as it is" {
		t.Errorf("masked to %q", got)
	}
	r := newRig(t)
	if err := v.Learn(t.Context(), r.space("acme")); err != nil {
		t.Error(err)
	}
	r.update("acme", func(w store.Writer) error {
		if _, err := v.Seal(w, secret.Named("x"), []byte("value")); !fault.Is(err, fault.Internal) {
			t.Errorf("sealed without a key: %v", err)
		}
		return v.DropAll(w, "")
	})
}

// TestLearn: what an earlier process sealed is masked before anything uses it.
func TestLearn(t *testing.T) {
	r := newRig(t)
	r.seal("acme", secret.Named("pump-api"), "correct horse")
	r.keys = r.open(r.kek) // a new process
	v := r.vault("acme")
	if err := v.Learn(context.WithoutCancel(t.Context()), r.space("acme")); err != nil {
		t.Fatal(err)
	}
	if got := v.Mask().Text("it is correct horse."); got != "it is [masked]." {
		t.Errorf("masked to %q", got)
	}
}

// TestKeep: what the host keeps to itself is sealed, and masked nowhere, neither
// when it is dropped nor by the next process.
func TestKeep(t *testing.T) {
	r := newRig(t)
	name := secret.OfHost("con_1", "opcua/key")
	v := r.vault("acme")
	space := v.Space(r.space("acme"))
	update := func(fn func(w store.Writer) error) {
		t.Helper()
		if err := space.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	update(func(w store.Writer) error { return v.Keep(w, name, []byte("correct horse")) })
	r.keys = r.open(r.kek) // a new process
	v = r.vault("acme")
	space = v.Space(r.space("acme"))
	if err := v.Learn(t.Context(), space); err != nil {
		t.Fatal(err)
	}
	err := space.View(t.Context(), func(rd store.Reader) error {
		value, err := v.Kept(rd, name)
		if string(value) != "correct horse" {
			t.Errorf("kept %q", value)
		}
		if e, err := rd.Get(store.Secrets, name); err != nil || strings.Contains(string(e.Value), "horse") {
			t.Errorf("stored %q, %v", e.Value, err)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	update(func(w store.Writer) error {
		if err := v.Keep(w, name, make([]byte, secret.MaxValue+1)); !fault.Is(err, fault.TooLarge) {
			t.Errorf("too much: %v", err)
		}
		return v.DropAll(w, secret.OfHost("con_1", ""))
	})
	if got := v.Mask().Text("a correct horse"); got != "a correct horse" {
		t.Errorf("masked to %q", got)
	}
	err = space.View(t.Context(), func(rd store.Reader) error {
		_, err := v.Kept(rd, name)
		return err
	})
	if !fault.Is(err, fault.SecretMissing) {
		t.Errorf("after it was dropped: %v", err)
	}
}

func TestForget(t *testing.T) {
	r := newRig(t)
	r.seal("acme", secret.Named("a"), "correct horse")
	if err := r.keys.Forget(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.unseal("acme", secret.Named("a")); !fault.Is(err, fault.Integrity) {
		t.Errorf("opened under the data key of a tenant that came after: %v", err)
	}
}
