package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/store"
)

func TestOpenRefusesAnotherKey(t *testing.T) {
	r := newRig(t)
	r.seal("acme", secret.Named("a"), "correct horse")
	_, err := secret.Open(t.Context(), r.store.System(), newKEK())
	if !fault.Is(err, fault.KeyWrong) {
		t.Fatal(err)
	}
	if info := fault.Of(err).Kind.Info(); info.Exit != fault.ExitCorrupt {
		t.Errorf("exit %d", info.Exit)
	}
	if text := err.Error(); !strings.Contains(text, r.kek.ID()) {
		t.Errorf("which key it is is not said: %s", text)
	}
}

// TestRewrap: after it the new key opens everything and the old one nothing,
// without a value having been written; and one that was cut off is finished.
func TestRewrap(t *testing.T) {
	r := newRig(t)
	const tenants = 2100 // more than one transaction takes
	for i := range tenants {
		r.vault(fmt.Sprintf("t%d", i))
	}
	r.seal("t7", secret.Named("a"), "correct horse")
	kek, third := newKEK(), newKEK()
	count, err := secret.Rewrap(t.Context(), r.store.System(), r.kek, kek)
	if err != nil || count != tenants {
		t.Fatalf("wrapped %d: %v", count, err)
	}
	if _, err := secret.Open(t.Context(), r.store.System(), r.kek); !fault.Is(err, fault.KeyWrong) {
		t.Errorf("the old key still opens: %v", err)
	}
	r.keys = r.open(kek)
	if value, _, err := r.unseal("t7", secret.Named("a")); err != nil || value != "correct horse" {
		t.Errorf("%q, %v", value, err)
	}
	if count, err = secret.Rewrap(t.Context(), r.store.System(), r.kek, kek); err != nil || count != 0 {
		t.Errorf("again: %d, %v", count, err)
	}
	if _, err = secret.Rewrap(t.Context(), r.store.System(), r.kek, third); !fault.Is(err, fault.KeyWrong) {
		t.Errorf("by a key that is not the one: %v", err)
	}
	// Cut off half-way: one is still under the key before.
	var before []byte
	system(r, func(w store.Writer) error {
		e, err := w.Get(store.DataKeys, "t1")
		before = e.Value
		return err
	})
	if count, err = secret.Rewrap(t.Context(), r.store.System(), kek, third); err != nil || count != tenants {
		t.Fatalf("wrapped %d: %v", count, err)
	}
	system(r, func(w store.Writer) error {
		_, err := w.Put(store.DataKeys, "t1", before)
		return err
	})
	if _, err := secret.Open(t.Context(), r.store.System(), third); !fault.Is(err, fault.KeyWrong) {
		t.Errorf("half of it opens: %v", err)
	}
	if count, err = secret.Rewrap(t.Context(), r.store.System(), kek, third); err != nil || count != 1 {
		t.Errorf("finished %d: %v", count, err)
	}
	r.open(third)
}

func system(r *rig, fn func(store.Writer) error) {
	r.Helper()
	if err := r.store.System().Update(r.Context(), fn); err != nil {
		r.Fatal(err)
	}
}

func TestParseKEK(t *testing.T) {
	want := newKEK()
	for name, raw := range map[string][]byte{
		"hex":     []byte(hex.EncodeToString(want[:])),
		"HEX":     []byte(" " + strings.ToUpper(hex.EncodeToString(want[:])) + "\r\n"),
		"base64":  []byte(base64.StdEncoding.EncodeToString(want[:]) + "\n"),
		"url":     []byte(base64.RawURLEncoding.EncodeToString(want[:])),
		"as bits": want[:],
	} {
		if got, err := secret.ParseKEK(raw, name); err != nil || got != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, raw := range map[string][]byte{
		"empty": nil, "password": []byte("a password that has 32 letters.."), "short": want[:31],
		"short hex": []byte(hex.EncodeToString(want[:31])), "long": append(want[:], 0),
	} {
		_, err := secret.ParseKEK(raw, "the key from here")
		if !fault.Is(err, fault.KeyWrong) || !strings.Contains(err.Error(), "the key from here") {
			t.Errorf("%s: %v", name, err)
		}
		if len(raw) > 0 && strings.Contains(err.Error(), string(raw)) {
			t.Errorf("%s: the error shows it", name)
		}
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	k := secret.KEK{0xab, 0xcd}
	for _, format := range []string{"%v", "%+v", "%#v", "%x", "%s", "%q", "%d"} {
		for _, v := range []any{k, &k, struct{ K secret.KEK }{k}} {
			if text := fmt.Sprintf(format, v); strings.Contains(text, "171") || strings.Contains(text, "abcd") || strings.Contains(text, "0xab") {
				t.Errorf("%s prints %s", format, text)
			}
		}
	}
}

func TestMakeKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "key")
	keys := make([]secret.KEK, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = secret.MakeKeyFile(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] || k == (secret.KEK{}) {
			t.Error("two starts at once got different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if other, err := secret.MakeKeyFile(path + "2"); err != nil || other == keys[0] {
		t.Errorf("a second key like the first, or %v", err)
	}
}

func TestKeyFileRefused(t *testing.T) {
	good := strings.Repeat("0a", 32)
	for _, test := range []struct {
		name, text string
		mode       os.FileMode
		fault      fault.Kind
	}{
		{"open to all", good + "\n", 0o444, fault.Denied},
		{"empty", "", 0o400, fault.KeyWrong},
		{"short", good[2:], 0o400, fault.KeyWrong},
		{"long", good + "0a", 0o400, fault.KeyWrong},
		{"endless", strings.Repeat(good, 100), 0o400, fault.KeyWrong},
		{"not hex", strings.Repeat("!?", 32), 0o400, fault.KeyWrong},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(test.text), test.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := secret.MakeKeyFile(path); !fault.Is(err, test.fault) {
			t.Errorf("%s: %v", test.name, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != test.text {
			t.Errorf("%s: the file was changed to %q, %v", test.name, text, err)
		}
	}
}

func TestStoreKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.key")
	old, kek := newKEK(), newKEK()
	key, err := secret.OpenStoreKey(path, old)
	if err != nil || key == (secret.StoreKey{}) {
		t.Fatal(err)
	}
	opens := func(k secret.KEK, want bool) {
		t.Helper()
		got, err := secret.OpenStoreKey(path, k)
		if want && (err != nil || got != key) {
			t.Errorf("it does not open: %v", err)
		}
		if !want && !fault.Is(err, fault.KeyWrong) {
			t.Errorf("it opens, or %v", err)
		}
	}
	opens(old, true)
	opens(kek, false)
	if err := secret.RewrapStoreKey(path, key, old, kek); err != nil {
		t.Fatal(err)
	}
	opens(old, true)
	opens(kek, true)
	opens(newKEK(), false)
	if err := secret.RewrapStoreKey(path, key, kek); err != nil {
		t.Fatal(err)
	}
	opens(old, false)
	opens(kek, true)
	text, err := os.ReadFile(path)
	if err != nil || bytes.Contains(text, key[:]) || bytes.Contains(text, []byte(hex.EncodeToString(key[:]))) ||
		bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString(key[:]))) {
		t.Error("the key lies in its file as it is")
	}
	adopted, err := secret.AdoptStoreKey(filepath.Join(t.TempDir(), "k"), old, key)
	if err != nil || adopted != key {
		t.Errorf("adopted another: %v", err)
	}
	for _, damage := range []string{"", "{}", `{"format":1,"key":[]}`, `{"format":1,"key":["AAAA"]}`, strings.Replace(string(text), `:["A`, `:["B`, 1)} {
		if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := secret.OpenStoreKey(path, kek); !fault.Is(err, fault.Integrity) {
			t.Errorf("%q: %v", damage, err)
		}
	}
}
