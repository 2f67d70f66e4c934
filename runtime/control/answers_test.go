package control_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// answersIn are a token's answers in a store of their own, and what the tenant
// has in its bucket.
func answersIn(t *testing.T) (answers *control.Answers, kept func() int) {
	t.Helper()
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	answers, err := control.New(control.Config{Store: s}).Answers(identity.Identity{Tenant: "plant", Kind: identity.KindToken, ID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	space, err := s.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	return answers, func() (n int) {
		err := space.View(t.Context(), func(r store.Reader) error {
			for _, err := range store.All(r, store.Answers, "") {
				if err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

// TestAnswersAreBounded: however many there are, a tenant keeps a few thousand,
// and the newest is always among them.
func TestAnswersAreBounded(t *testing.T) {
	answers, kept := answersIn(t)
	const many, most = 5000, 2048
	for i := range many {
		key := fmt.Sprint("key ", i)
		want := control.Answer{Request: []byte("request"), Status: 201, Header: map[string]string{"Location": key}, Body: []byte("body of " + key)}
		if err := answers.Keep(t.Context(), key, want); err != nil {
			t.Fatal(err)
		}
		got, ok, err := answers.Find(t.Context(), key)
		if err != nil || !ok || got.Status != 201 || got.Header["Location"] != key || string(got.Body) != "body of "+key || string(got.Request) != "request" {
			t.Fatalf("%+v, %t, %v", got, ok, err)
		}
	}
	if n := kept(); n > most || n < most*9/10 {
		t.Errorf("%d answers are kept", n)
	}
	if _, ok, err := answers.Find(t.Context(), "another key"); ok || err != nil {
		t.Errorf("a key that was never used: %t, %v", ok, err)
	}
}

// TestAnswersEndAfterADay, and a key that is used again then is a new one, in
// the place of the old one.
func TestAnswersEndAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers, kept := answersIn(t)
		for round := range 3 {
			if _, ok, err := answers.Find(t.Context(), "key"); ok || err != nil {
				t.Fatalf("round %d: %t, %v", round, ok, err)
			}
			if err := answers.Keep(t.Context(), "key", control.Answer{Status: 200 + round}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(24*time.Hour - time.Minute) //nolint:forbidigo // in a bubble, where time is not the clock's
			if got, ok, err := answers.Find(t.Context(), "key"); !ok || err != nil || got.Status != 200+round {
				t.Fatalf("round %d: %+v, %t, %v", round, got, ok, err)
			}
			time.Sleep(time.Minute) //nolint:forbidigo // in a bubble, where time is not the clock's
		}
		if n := kept(); n != 1 {
			t.Errorf("%d answers are kept", n)
		}
	})
}

// TestLargeAnswersAreWithheld: only that the request was done is kept.
func TestLargeAnswersAreWithheld(t *testing.T) {
	answers, _ := answersIn(t)
	var noise bytes.Buffer
	for i := range 40_000 {
		fmt.Fprint(&noise, i*i%9973)
	}
	for name, c := range map[string]struct {
		body     []byte
		withheld bool
	}{
		"noise": {noise.Bytes(), true}, "what gets small": {bytes.Repeat([]byte("x"), 200<<10), false}, "nothing": {nil, false},
	} {
		if err := answers.Keep(t.Context(), name, control.Answer{Status: 200, Body: c.body}); err != nil {
			t.Fatal(err)
		}
		got, ok, err := answers.Find(t.Context(), name)
		if err != nil || !ok || (got.Withheld != "") != c.withheld || (!c.withheld && !bytes.Equal(got.Body, c.body)) {
			t.Errorf("%s: %d bytes, %q, %t, %v", name, len(got.Body), got.Withheld, ok, err)
		}
	}
}
