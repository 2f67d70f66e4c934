package storetest

import (
	"fmt"
	"testing"

	"github.com/snaprail/snaprail/runtime/store"
)

// Bench measures what a caller waits for: a value of 1 KiB written, durably
// where the store is, and read, and a full list of such values.
func Bench(b *testing.B, open func(b *testing.B) store.Store) {
	s := open(b)
	defer func() { _ = s.Close() }()
	space, err := s.Tenant("a")
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 1<<10)
	id := func(i int) string { return fmt.Sprintf("%05d", i%store.MaxList) }
	write := func(i int) error {
		return space.Update(b.Context(), func(w store.Writer) error {
			return second(w.Put(store.KV, id(i), value))
		})
	}
	for i := range store.MaxList {
		if err := write(i); err != nil {
			b.Fatal(err)
		}
	}
	run := func(name string, op func(i int) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := op(i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("put", write)
	run("get", func(i int) error {
		return space.View(b.Context(), func(r store.Reader) error {
			return second(r.Get(store.KV, id(i)))
		})
	})
	run("list", func(int) error {
		return space.View(b.Context(), func(r store.Reader) error {
			list, err := r.List(store.KV, "", "", store.MaxList)
			if err == nil && len(list) != store.MaxList {
				err = fmt.Errorf("a list of %d", len(list))
			}
			return err
		})
	})
}
