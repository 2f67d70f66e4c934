package badger_test

import (
	"testing"

	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/badger"
	"github.com/snaprail/snaprail/runtime/store/storetest"
)

func roomy(string) (free, total uint64, err error) { return 1 << 40, 1 << 40, nil }

func config(dir string) badger.Config {
	return badger.Config{Dir: dir, Key: badger.Key{1}, Disk: roomy}
}

func open(t testing.TB, dir string) store.Store {
	t.Helper()
	s, err := badger.Open(config(dir))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		t.Helper()
		return open(t, t.TempDir())
	})
}

func TestContractPersistent(t *testing.T) {
	storetest.RunPersistent(t, func(t *testing.T, dir string) store.Store {
		t.Helper()
		return open(t, dir)
	})
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store {
		b.Helper()
		return open(b, b.TempDir())
	})
}
