package secret

import (
	"context"
	"crypto/rand"
	"sync"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// dataKey says what a wrapped key of a tenant is for.
const dataKey = "data key"

// Keys are the KEK and the tenants' data keys. It is safe for use by several
// goroutines. A nil one holds no key: its vaults refuse everything.
type Keys struct {
	system store.Space
	kek    KEK

	mu     sync.Mutex
	vaults map[string]*Vault
}

// Open checks that the KEK is the one that the data keys are wrapped under, or
// fails with fault.KeyWrong.
func Open(ctx context.Context, system store.Space, kek KEK) (*Keys, error) {
	err := system.View(ctx, func(r store.Reader) error {
		for e, err := range store.All(r, store.DataKeys, "") {
			if err != nil {
				return err
			}
			if _, err := kek.unwrap(e.Value, dataKey, e.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Keys{system: system, kek: kek, vaults: map[string]*Vault{}}, nil
}

// Vault is where a tenant's secrets are kept. The first call for a tenant makes
// its data key.
func (k *Keys) Vault(ctx context.Context, tenant string) (*Vault, error) {
	if k == nil {
		return nil, nil //nolint:nilnil // a nil vault is one that refuses everything
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if v, ok := k.vaults[tenant]; ok {
		return v, nil
	}
	key, err := k.dataKey(ctx, tenant)
	if err != nil {
		return nil, err
	}
	v := newVault(tenant, key)
	k.vaults[tenant] = v
	return v, nil
}

// dataKey is the tenant's data key, made when there is none.
func (k *Keys) dataKey(ctx context.Context, tenant string) (key []byte, err error) {
	get := func(r store.Reader) error {
		e, err := r.Get(store.DataKeys, tenant)
		if err == nil {
			key, err = k.kek.unwrap(e.Value, dataKey, tenant)
		}
		return err
	}
	if err = k.system.View(ctx, get); !fault.Is(err, fault.NotFound) {
		return key, err
	}
	err = k.system.Update(ctx, func(w store.Writer) error {
		if err := get(w); !fault.Is(err, fault.NotFound) {
			return err
		}
		key = make([]byte, keySize)
		rand.Read(key) // it ends the process rather than fail
		_, err := w.Put(store.DataKeys, tenant, k.kek.wrap(key, dataKey, tenant))
		return err
	})
	return key, err
}

// Forget removes a tenant's data key: whatever is left of its secrets anywhere
// cannot be opened again. A Vault that is asked for afterwards has another key;
// whoever holds the one from before has to be gone by then.
func (k *Keys) Forget(ctx context.Context, tenant string) error {
	if k == nil {
		return nil
	}
	k.mu.Lock() // so that nobody keeps the key that is about to go
	defer k.mu.Unlock()
	err := k.system.Update(ctx, func(w store.Writer) error {
		if err := w.Delete(store.DataKeys, tenant); !fault.Is(err, fault.NotFound) {
			return err
		}
		return nil
	})
	if err == nil {
		delete(k.vaults, tenant)
	}
	return err
}

// rewrapAtOnce bounds the data keys that one transaction wraps again.
const rewrapAtOnce = 1000

// Rewrap wraps every data key under another KEK, which from then on alone opens
// them. Keys that are under it already are left, so that a Rewrap that was cut
// off is finished by the same one again. No server may be running.
func Rewrap(ctx context.Context, system store.Space, old, kek KEK) (count int, err error) {
	for after := ""; ; {
		var now int
		var last string
		err := system.Update(ctx, func(w store.Writer) (err error) {
			now, last, err = rewrap(w, after, old, kek)
			return err
		})
		if err != nil {
			return count, err
		}
		if count += now; last == "" {
			return count, nil
		}
		after = last
	}
}

// rewrap does it for the keys behind one; last is where to go on, "" at the end.
func rewrap(w store.Writer, after string, old, kek KEK) (count int, last string, err error) {
	entries, err := w.List(store.DataKeys, "", after, rewrapAtOnce)
	if err != nil {
		return 0, "", err
	}
	for _, e := range entries {
		if last = e.ID; kek.fits(e.Value) {
			continue
		}
		key, err := old.unwrap(e.Value, dataKey, e.ID)
		if err != nil {
			return 0, "", err
		}
		if _, err := w.Put(store.DataKeys, e.ID, kek.wrap(key, dataKey, e.ID)); err != nil {
			return 0, "", err
		}
		count++
	}
	if len(entries) < rewrapAtOnce {
		last = ""
	}
	return count, last, nil
}
