package badger_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store/badger"
)

func TestLoadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "store.key")
	keys := make([]badger.Key, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = badger.LoadKey(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] || k == (badger.Key{}) {
			t.Error("two starts at once got different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o400 {
		t.Fatal(info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	other, err := badger.LoadKey(path + "2")
	if err != nil || other == keys[0] {
		t.Errorf("a second key like the first, or %v", err)
	}
}

func TestLoadKeyRefuses(t *testing.T) {
	good := strings.Repeat("0a", 32)
	for _, test := range []struct {
		name, text string
		mode       os.FileMode
		fault      fault.Kind
	}{
		{"open to all", good + "\n", 0o444, fault.Denied},
		{"empty", "", 0o400, fault.Integrity},
		{"short", good[2:], 0o400, fault.Integrity},
		{"long", good + "0a", 0o400, fault.Integrity},
		{"not hex", strings.Repeat("xy", 32), 0o400, fault.Integrity},
	} {
		path := filepath.Join(t.TempDir(), "store.key")
		if err := os.WriteFile(path, []byte(test.text), test.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := badger.LoadKey(path); !fault.Is(err, test.fault) {
			t.Errorf("%s: got %v", test.name, err)
		}
		if text, _ := os.ReadFile(path); string(text) != test.text {
			t.Errorf("%s: the file was changed", test.name)
		}
	}
	if _, err := badger.LoadKey(t.TempDir()); !fault.Is(err, fault.Denied) && !fault.Is(err, fault.Internal) {
		t.Errorf("a directory: %v", err)
	}
	if _, err := badger.LoadKey("/dev/null/store.key"); !fault.Is(err, fault.Internal) {
		t.Errorf("no directory: %v", err)
	}
}
