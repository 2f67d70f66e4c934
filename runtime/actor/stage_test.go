package actor

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

var errStore = errors.New("the store is away")

// staging is a stage over what was committed.
func staging(committed map[string]string) *stage {
	return &stage{lookup: func(_ context.Context, key string) ([]byte, bool, error) {
		if key == "broken" {
			return nil, false, errStore
		}
		v, ok := committed[key]
		return []byte(v), ok, nil
	}}
}

func TestStageReadsItsOwnWrites(t *testing.T) {
	s := staging(map[string]string{"kept": "old", "gone": "old"})
	value := []byte("new")
	must(t, s.Put(t.Context(), "kept", value))
	must(t, s.Put(t.Context(), "made", nil))
	must(t, s.Delete(t.Context(), "gone"))
	must(t, s.Put(t.Context(), "twice", []byte("1")))
	must(t, s.Delete(t.Context(), "twice"))
	must(t, s.Put(t.Context(), "twice", []byte("2")))
	copy(value, "bad") // the guest's memory is its own again
	for key, want := range map[string]string{"kept": "new", "made": "", "gone": "none", "twice": "2", "other": "none"} {
		got, found, err := s.Get(t.Context(), key)
		if !found {
			got = []byte("none")
		}
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %s", key, got, err, want)
		}
	}
	if _, _, err := s.Get(t.Context(), "broken"); !errors.Is(err, errStore) {
		t.Errorf("a failing store: %v", err)
	}
}

// What a step staged is handed over once, in order, and the next step begins
// with what was committed.
func TestStageIsTakenOnce(t *testing.T) {
	s := staging(map[string]string{"a": "committed"})
	must(t, s.Put(t.Context(), "a", []byte("staged")))
	must(t, s.Delete(t.Context(), "b"))
	w := s.take()
	if len(w) != 2 || w[0].Key != "a" || string(w[0].Value) != "staged" || w[0].Delete || w[1].Key != "b" || !w[1].Delete {
		t.Errorf("took %+v", w)
	}
	if again := s.take(); len(again) != 0 {
		t.Errorf("took %+v again", again)
	}
	if v, _, _ := s.Get(t.Context(), "a"); string(v) != "committed" {
		t.Errorf("the next step reads %q", v)
	}
}

func TestStageIsBounded(t *testing.T) {
	s := staging(nil)
	for range 2 { // the second time shows that take gives the room back
		for range maxStagedWrites {
			must(t, s.Delete(t.Context(), "key"))
		}
		wantTooLarge(t, s.Put(t.Context(), "one more", nil))
		wantTooLarge(t, s.Delete(t.Context(), "one more"))
		if n := len(s.take()); n != maxStagedWrites {
			t.Fatalf("%d writes, want %d", n, maxStagedWrites)
		}
		must(t, s.Put(t.Context(), "key", []byte(strings.Repeat("x", maxStagedBytes-len("key")-1))))
		must(t, s.Put(t.Context(), "k", nil))
		wantTooLarge(t, s.Delete(t.Context(), "l"))
		s.take()
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantTooLarge(t *testing.T, err error) {
	t.Helper()
	if !fault.Is(err, fault.TooLarge) || fault.Of(err).Advice() == "" {
		t.Errorf("got %v, want too large with a hint", err)
	}
}
