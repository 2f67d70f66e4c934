package kv_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// does is a guest that does what the test says in a poll.
type does func()

func (d does) Poll([]byte, *snaprail.Step) error {
	d()
	return nil
}

func TestRing(t *testing.T) {
	var kept map[string][]byte
	in := func(do func(r *kv.Ring)) { // in another life of the guest
		t.Helper()
		h := guesttest.New(t, does(func() {
			r, err := kv.OpenRing("done", time.Minute)
			if err != nil {
				t.Error(err)
			}
			do(r)
		}))
		state := h.KV()
		maps.Copy(state, kept)
		kept = state
		h.MustPoll(nil)
	}
	knows := func(r *kv.Ring, id, answer string, known bool) {
		t.Helper()
		if got, is := r.Find(id); is != known || string(got) != answer {
			t.Errorf("%s: %q, %v", id, got, is)
		}
	}
	keep := func(r *kv.Ring, id, answer string) {
		t.Helper()
		if err := r.Keep(id, []byte(answer)); err != nil {
			t.Error(err)
		}
	}
	in(func(r *kv.Ring) {
		knows(r, "a", "", false)
		keep(r, "a", "1")
		keep(r, "a", "2")
		keep(r, "long", strings.Repeat("x", kv.MaxAnswer+1))
		knows(r, "a", "2", true)
	})
	in(func(r *kv.Ring) {
		knows(r, "a", "2", true)
		knows(r, "long", "", true)
		if err := r.Forget("long"); err != nil {
			t.Error(err)
		}
	})
	if len(kept) != 2 {
		t.Errorf("one id has one key: %d keys", len(kept))
	}
	in(func(r *kv.Ring) { knows(r, "long", "", false) })

	old := time.Now().Add(-2 * time.Minute).UnixMilli()
	kept["done/0"] = fmt.Appendf(nil, `{"id":"a","at":%d}`, old)
	kept["done/1"] = []byte("nonsense")
	in(func(r *kv.Ring) {
		knows(r, "a", "", false) // its time is over
		for i := range kv.RingSize {
			keep(r, fmt.Sprint("b", i), "")
		}
	})
	in(func(r *kv.Ring) {
		for i := range kv.RingSize {
			knows(r, fmt.Sprint("b", i), "", true)
		}
	})
	if len(kept) != kv.RingSize {
		t.Errorf("%d keys, want %d", len(kept), kv.RingSize)
	}
}
