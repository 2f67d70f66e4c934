package main

import (
	"bytes"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/badger"
)

// noEnv is an environment with nothing in it.
func noEnv(string) string { return "" }

// TestStoreOfTheFirstLayout: a data directory whose key file sealed the store
// itself opens as ever, and its key can then be changed like any other.
func TestStoreOfTheFirstLayout(t *testing.T) {
	dir := t.TempDir()
	key := badger.Key{7, 7, 7}
	if err := os.WriteFile(filepath.Join(dir, keyFile), []byte(hex.EncodeToString(key[:])+"\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	s, err := badger.Open(badger.Config{Dir: filepath.Join(dir, "store"), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	err = s.System().Update(t.Context(), func(w store.Writer) error {
		_, err := w.Put(store.Tenants, "plant", []byte("{}"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	keys := keySource{env: noEnv}
	holds := func() {
		t.Helper()
		s, err := openStopped(dir, keys)
		if err != nil {
			t.Fatal(err)
		}
		err = s.System().View(t.Context(), func(r store.Reader) error {
			_, err := r.Get(store.Tenants, "plant")
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	holds()
	if absent(filepath.Join(dir, storeKeyFile)) {
		t.Error("the store's key is not kept wrapped")
	}
	done, err := rotation{data: dir, keys: keys}.run(t.Context())
	if err != nil || done.Old == done.New {
		t.Fatalf("%+v, %v", done, err)
	}
	holds()
	old := filepath.Join(t.TempDir(), "old")
	if err := os.WriteFile(old, []byte(hex.EncodeToString(key[:])), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := (keySource{file: old, env: noEnv}).open(dir); !fault.Is(err, fault.KeyWrong) {
		t.Errorf("the old key still opens: %v", err)
	}
}

// TestRotationIsFinished: wherever a change of the key was cut off, the same
// command again finishes it, and nothing is lost.
func TestRotationIsFinished(t *testing.T) {
	for name, cut := range map[string]func(t *testing.T, o rotation, old, next secret.KEK, key secret.StoreKey){
		"before anything": func(*testing.T, rotation, secret.KEK, secret.KEK, secret.StoreKey) {},
		"under both keys": func(t *testing.T, o rotation, old, next secret.KEK, key secret.StoreKey) {
			t.Helper()
			if err := secret.RewrapStoreKey(filepath.Join(o.data, storeKeyFile), key, old, next); err != nil {
				t.Fatal(err)
			}
		},
		"before the new file took its place": func(t *testing.T, o rotation, old, next secret.KEK, key secret.StoreKey) {
			t.Helper()
			s, err := openStore(o.data, badger.Key(key))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := secret.Rewrap(t.Context(), s.System(), old, next); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := secret.RewrapStoreKey(filepath.Join(o.data, storeKeyFile), key, next); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := rotation{data: t.TempDir(), keys: keySource{env: noEnv}}
			old, key, err := o.keys.open(o.data)
			if err != nil {
				t.Fatal(err)
			}
			sealed(t, o, old, key)
			next, err := secret.MakeKeyFile(filepath.Join(o.data, nextKeyFile))
			if err != nil {
				t.Fatal(err)
			}
			cut(t, o, old, next, secret.StoreKey(key))
			if _, err := o.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			kek, again, err := o.keys.open(o.data)
			if err != nil || kek != next || again != key || !absent(filepath.Join(o.data, nextKeyFile)) {
				t.Fatalf("not finished: %v", err)
			}
			sealed(t, o, kek, key)
		})
	}
}

// sealed sees that a secret of the store opens under the key; the first time it
// makes it.
func sealed(t *testing.T, o rotation, kek secret.KEK, key badger.Key) {
	t.Helper()
	s, err := openStore(o.data, key)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := secret.Open(t.Context(), s.System(), kek)
	if err != nil {
		t.Fatal(err)
	}
	vault, err := keys.Vault(t.Context(), "plant")
	if err != nil {
		t.Fatal(err)
	}
	space, err := s.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	err = space.Update(t.Context(), func(w store.Writer) error {
		value, _, err := vault.Unseal(w, secret.Named("a"))
		if fault.Is(err, fault.SecretMissing) {
			_, err = vault.Seal(w, secret.Named("a"), []byte("correct horse"))
			return err
		}
		if string(value) != "correct horse" {
			t.Errorf("it is %q", value)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTokenBesideAKeyElsewhere: a server whose key was taken out of the data
// directory says that a token is left in it.
func TestTokenBesideAKeyElsewhere(t *testing.T) {
	dir := t.TempDir()
	warned := func(k keySource) string {
		var b bytes.Buffer
		k.warn(dir, slog.New(slog.NewTextHandler(&b, nil)))
		return b.String()
	}
	elsewhere := keySource{file: "/elsewhere/kek", env: noEnv}
	if got := warned(elsewhere); got != "" {
		t.Errorf("with nothing in the directory: %s", got)
	}
	if err := keepToken(dir, "snr_x"); err != nil {
		t.Fatal(err)
	}
	if got := warned(elsewhere); !strings.Contains(got, "a token lies in the data directory") || strings.Contains(got, "snr_x") {
		t.Errorf("with a token in it: %s", got)
	}
	if got := warned(keySource{env: noEnv}); !strings.Contains(got, "lies beside them") || strings.Contains(got, "a token") {
		t.Errorf("with the key in it too: %s", got)
	}
}
