package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

func order(t *testing.T, s store.Store) {
	ids := []string{"\x00", "\x00\x00", "\x00\xff", "a", "a\x00", "a\x00b", "a\x01", "ab", "b", "é", "\xff", "\xff\xff"}
	space := tenant(t, s, "a")
	update(t, space, func(w store.Writer) error {
		for _, id := range slices.Backward(ids) {
			put(t, w, store.KV, id, id)
		}
		return nil
	})
	view(t, space, func(r store.Reader) {
		wantIDs(t, r, store.KV, "", "", 100, ids...)
		wantIDs(t, r, store.KV, "a", "", 100, "a", "a\x00", "a\x00b", "a\x01", "ab")
		wantIDs(t, r, store.KV, "a\x00", "", 100, "a\x00", "a\x00b")
		wantIDs(t, r, store.KV, "\xff", "", 100, "\xff", "\xff\xff")
		wantIDs(t, r, store.KV, "a", "a", 100, "a\x00", "a\x00b", "a\x01", "ab")
		wantIDs(t, r, store.KV, "a", "\x00", 100, "a", "a\x00", "a\x00b", "a\x01", "ab")
		wantIDs(t, r, store.KV, "a", "ab", 100)
		wantIDs(t, r, store.KV, "a", "b", 100)
		wantIDs(t, r, store.KV, "", "\xff\xff", 100)
		wantIDs(t, r, store.KV, "nothing", "", 100)
	})
}

func paging(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	update(t, space, func(w store.Writer) error {
		for i := range 10 {
			put(t, w, store.KV, fmt.Sprint(i), "")
		}
		return w.Delete(store.KV, "5")
	})
	view(t, space, func(r store.Reader) {
		wantIDs(t, r, store.KV, "", "", 4, "0", "1", "2", "3")
		wantIDs(t, r, store.KV, "", "3", 4, "4", "6", "7", "8")
		wantIDs(t, r, store.KV, "", "8", 4, "9")
		for _, limit := range []int{-1, 0, store.MaxList + 1} {
			wantFault(t, fault.Invalid, second(r.List(store.KV, "", "", limit)))
		}
	})
}

func all(t *testing.T, s store.Store) {
	const n = 300
	space := tenant(t, s, "a")
	update(t, space, func(w store.Writer) error {
		put(t, w, store.KV, "other", "")
		for i := range n {
			put(t, w, store.KV, fmt.Sprintf("p%05d", i), "")
		}
		return nil
	})
	view(t, space, func(r store.Reader) {
		i := 0
		for e, err := range store.All(r, store.KV, "p") {
			if id := fmt.Sprintf("p%05d", i); err != nil || e.ID != id {
				t.Fatalf("got %q, %v; want %q", e.ID, err, id)
			}
			i++
		}
		if i != n {
			t.Errorf("got %d of %d", i, n)
		}
		for e, err := range store.All(r, store.KV, "p") {
			if e.ID != "p00000" || err != nil {
				t.Errorf("got %q, %v", e.ID, err)
			}
			break
		}
		for _, err := range store.All(r, "nowhere", "") {
			wantFault(t, fault.Invalid, err)
		}
	})
}

// pageLimit: many large values are refused as a page and can still be had.
func pageLimit(t *testing.T, s store.Store) {
	const n = store.MaxPage/store.MaxValue + 1
	space := tenant(t, s, "a")
	large := strings.Repeat("x", store.MaxValue)
	for i := range n {
		update(t, space, func(w store.Writer) error {
			put(t, w, store.KV, fmt.Sprintf("%05d", i), large)
			return nil
		})
	}
	view(t, space, func(r store.Reader) {
		wantFault(t, fault.TooLarge, second(r.List(store.KV, "", "", n)))
		if list, err := r.List(store.KV, "", "", n-1); err != nil || len(list) != n-1 {
			t.Errorf("got %d, %v", len(list), err)
		}
		got := 0
		for _, err := range store.All(r, store.KV, "") {
			if err != nil {
				t.Fatal(err)
			}
			got++
		}
		if got != n {
			t.Errorf("got %d of %d", got, n)
		}
	})
}
