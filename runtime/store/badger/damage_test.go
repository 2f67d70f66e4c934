package badger

import (
	"bytes"
	"testing"

	bdg "github.com/dgraph-io/badger/v4"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

func testConfig(dir string) Config {
	return Config{Dir: dir, Key: Key{1}, Disk: func(string) (uint64, uint64, error) { return 1 << 40, 1 << 40, nil }}
}

// fill makes a store in which the tenants a and b hold the same ids.
func fill(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []string{"a", "b"} {
		space, _ := s.Tenant(tenant)
		err := space.Update(t.Context(), func(w store.Writer) error {
			for _, id := range []string{"x", "y", "deleted"} {
				if _, err := w.Put(store.KV, id, []byte("of "+tenant)); err != nil {
					return err
				}
			}
			return w.Delete(store.KV, "deleted")
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// edit changes a closed store behind its back.
func edit(t *testing.T, dir string, fn func(*bdg.Txn) error) {
	t.Helper()
	cfg := testConfig(dir)
	db, err := bdg.Open(badgerOptions(&cfg).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(fn); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func sealedAt(txn *bdg.Txn, key []byte) []byte {
	item, err := txn.Get(key)
	if err != nil {
		return nil
	}
	sealed, _ := item.ValueCopy(nil)
	return sealed
}

// TestEdited: whatever is done to a value behind the store's back, it reads as
// damage, for its own id alone.
func TestEdited(t *testing.T) {
	target := rowKey("b", store.KV, "x")
	copyOf := func(key []byte) func(*bdg.Txn) []byte {
		return func(txn *bdg.Txn) []byte { return sealedAt(txn, key) }
	}
	for name, replacement := range map[string]func(*bdg.Txn) []byte{
		"another tenant's":  copyOf(rowKey("a", store.KV, "x")),
		"another id's":      copyOf(rowKey("b", store.KV, "y")),
		"another's deleted": copyOf(rowKey("b", store.KV, "deleted")),
		"empty":             func(*bdg.Txn) []byte { return []byte{} },
		"plain":             func(*bdg.Txn) []byte { return []byte("of b, but neither sealed nor otherwise of us at all") },
		"another version": func(txn *bdg.Txn) []byte {
			sealed := sealedAt(txn, target)
			sealed[headerSize-1]++
			return sealed
		},
		"one bit": func(txn *bdg.Txn) []byte {
			sealed := sealedAt(txn, target)
			sealed[len(sealed)-20] ^= 1
			return sealed
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir)
			edit(t, dir, func(txn *bdg.Txn) error {
				sealed := replacement(txn)
				if sealed == nil {
					t.Error("nothing to put in")
				}
				return txn.Set(target, sealed)
			})
			checkEdited(t, dir)
		})
	}
}

func checkEdited(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, tenant := range []string{"a", "b"} {
		space, _ := s.Tenant(tenant)
		err := space.View(t.Context(), func(r store.Reader) error {
			if e, err := r.Get(store.KV, "y"); err != nil || string(e.Value) != "of "+tenant {
				t.Errorf("another entry of %s: %q, %v", tenant, e.Value, err)
			}
			_, err := r.Get(store.KV, "x")
			_, listErr := r.List(store.KV, "", "", 10)
			if tenant == "a" {
				return err
			}
			if !fault.Is(err, fault.Integrity) || !fault.Is(listErr, fault.Integrity) {
				t.Errorf("get: %v; list: %v", err, listErr)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	b, _ := s.Tenant("b")
	err = b.Update(t.Context(), func(w store.Writer) error {
		_, err := w.Put(store.KV, "x", nil) // its version is not known any more
		return err
	})
	if !fault.Is(err, fault.Integrity) {
		t.Errorf("put: %v", err)
	}
}

func TestWrongKey(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	cfg := testConfig(dir)
	cfg.Key = Key{2}
	if _, err := Open(cfg); !fault.Is(err, fault.Integrity) || !bytes.Contains([]byte(err.Error()), []byte("another key")) {
		t.Fatalf("got %v", err)
	}
	s, err := Open(testConfig(dir)) // the attempt has changed nothing
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	edit(t, dir, func(txn *bdg.Txn) error { return txn.Delete(checkKeyID()) })
	if _, err := Open(cfg); !fault.Is(err, fault.Integrity) {
		t.Fatalf("without its key check: %v", err)
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(testConfig(dir)); !fault.Is(err, fault.WrongState) {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(testConfig(dir)); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}
