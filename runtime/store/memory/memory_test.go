package memory_test

import (
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
	"github.com/snaprail/snaprail/runtime/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memory.New() })
}

// TestWhoChangesAValueIsFound: values that are read are shared.
func TestWhoChangesAValueIsFound(t *testing.T) {
	for name, test := range map[string]struct {
		change, replace, deleted, found bool
	}{
		"nobody":                  {},
		"one that is there":       {change: true, found: true},
		"one that is replaced":    {change: true, replace: true, found: true},
		"one that is deleted":     {change: true, deleted: true, found: true},
		"replaced, not changed":   {replace: true},
		"the bytes that were put": {deleted: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := memory.New()
			put := []byte("value")
			update := func(fn func(w store.Writer) error) {
				t.Helper()
				if err := s.System().Update(t.Context(), fn); err != nil {
					t.Fatal(err)
				}
			}
			update(func(w store.Writer) error { _, err := w.Put(store.KV, "x", put); return err })
			put[0] = 'V' // whoever has put it may
			update(func(w store.Writer) error {
				e, err := w.Get(store.KV, "x")
				if err == nil && test.change {
					e.Value[0] = 'W'
				}
				return err
			})
			if test.replace {
				update(func(w store.Writer) error { _, err := w.Put(store.KV, "x", nil); return err })
			}
			if test.deleted {
				update(func(w store.Writer) error { return w.Delete(store.KV, "x") })
			}
			if err := s.Close(); fault.Is(err, fault.Integrity) != test.found || (err != nil) != test.found {
				t.Error(err)
			}
		})
	}
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(*testing.B) store.Store { return memory.New() })
}
