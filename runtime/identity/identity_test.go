package identity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

func tokens(t testing.TB) (*identity.Tokens, store.Store) {
	t.Helper()
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	return identity.New(s.System()), s
}

func create(t testing.TB, tokens *identity.Tokens, tenant, name string) (string, identity.Info) {
	t.Helper()
	token, info, err := tokens.Create(t.Context(), tenant, name)
	if err != nil {
		t.Fatal(err)
	}
	return token, info
}

func wantFault(t testing.TB, k fault.Kind, err error) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Errorf("got %v, want the fault %v", err, k)
	}
}

func TestVerify(t *testing.T) {
	tokens, _ := tokens(t)
	a, infoA := create(t, tokens, "a", "laptop")
	b, infoB := create(t, tokens, "b", "laptop")
	for token, info := range map[string]identity.Info{a: infoA, b: infoB} {
		got, err := tokens.Verify(t.Context(), token)
		want := identity.Identity{Tenant: info.Tenant, Kind: identity.KindToken, ID: info.ID, Name: "laptop", Role: identity.Admin}
		if err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	if infoA.Tenant != "a" || infoB.Tenant != "b" || a == b || infoA.ID == infoB.ID {
		t.Errorf("%+v %+v", infoA, infoB)
	}
}

func TestRevoke(t *testing.T) {
	tokens, _ := tokens(t)
	token, info := create(t, tokens, "a", "laptop")
	other, _ := create(t, tokens, "a", "phone")
	for _, at := range [][2]string{
		{"b", info.ID}, {"a", "nothing"}, {"a", ""}, {"a", strings.Repeat("x", 1000)}, {"", "a/" + info.ID},
	} {
		wantFault(t, fault.NotFound, tokens.Revoke(t.Context(), identity.Who{Kind: identity.ByServer}, at[0], at[1]))
	}
	if _, err := tokens.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if got, err := tokens.Get(t.Context(), "a", info.ID); err != nil || got.ID != info.ID || got.Name != "laptop" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err := tokens.Get(t.Context(), "b", info.ID)
	wantFault(t, fault.NotFound, err)
	if err := tokens.Revoke(t.Context(), identity.Who{Kind: identity.ByServer}, "a", info.ID); err != nil {
		t.Fatal(err)
	}
	_, err = tokens.Verify(t.Context(), token)
	wantFault(t, fault.Unauthenticated, err)
	if _, err := tokens.Verify(t.Context(), other); err != nil {
		t.Error(err)
	}
	wantFault(t, fault.NotFound, tokens.Revoke(t.Context(), identity.Who{Kind: identity.ByServer}, "a", info.ID))
}

func TestList(t *testing.T) {
	tokens, _ := tokens(t)
	want := map[string]bool{}
	for range 3 {
		_, info := create(t, tokens, "a", "laptop")
		want[info.ID] = true
	}
	_, gone := create(t, tokens, "a", "gone")
	create(t, tokens, "ab", "another tenant's")
	if err := tokens.Revoke(t.Context(), identity.Who{Kind: identity.ByServer}, "a", gone.ID); err != nil {
		t.Fatal(err)
	}
	list, err := tokens.List(t.Context(), "a")
	if err != nil || len(list) != 3 {
		t.Fatal(list, err)
	}
	for _, info := range list {
		if !want[info.ID] || info.Tenant != "a" || info.Name != "laptop" || info.Created.IsZero() {
			t.Errorf("got %+v", info)
		}
	}
	if list, err := tokens.List(t.Context(), "nobody"); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
}

func TestFirst(t *testing.T) {
	tokens, _ := tokens(t)
	kept := ""
	keep := func(token string) error {
		kept = token
		return nil
	}
	// What could not be kept does not count, or nobody would have a way in.
	full := errors.New("the disk is full")
	token, _, err := tokens.First(t.Context(), "default", "lost", func(token string) error { return errors.Join(keep(token), full) })
	if token != "" || !errors.Is(err, full) {
		t.Fatal(token, err)
	}
	_, err = tokens.Verify(t.Context(), kept)
	wantFault(t, fault.Unauthenticated, err)

	token, info, err := tokens.First(t.Context(), "default", "first", keep)
	if err != nil || info.Tenant != "default" || info.Name != "first" || kept != token {
		t.Fatal(info, err)
	}
	if _, err := tokens.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	if token, _, err := tokens.First(t.Context(), "other", "second", keep); token != "" || err != nil {
		t.Errorf("a second first token: %v", err)
	}
	if err := tokens.Revoke(t.Context(), identity.Who{Kind: identity.ByServer}, "default", info.ID); err != nil {
		t.Fatal(err)
	}
	if again, _, err := tokens.First(t.Context(), "default", "again", keep); again == "" || again != kept || err != nil {
		t.Errorf("no way in after the last token was revoked: %v", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	tokens, s := tokens(t)
	for _, at := range [][2]string{
		{"", "x"},
		{"A", "x"},
		{"a/b", "x"},
		{strings.Repeat("a", 64), "x"},
		{"a", ""},
		{"a", strings.Repeat("x", 101)},
		{"a", "line\nbreak"},
		{"a", "\x1b[31m"},
		{"a", "\xff"},
	} {
		token, _, err := tokens.Create(t.Context(), at[0], at[1])
		wantFault(t, fault.Invalid, err)
		if token != "" {
			t.Errorf("%q: got a token with the error", at)
		}
	}
	for i := range 1000 {
		create(t, tokens, "many", fmt.Sprint(i))
	}
	_, _, err := tokens.Create(t.Context(), "many", "one more")
	wantFault(t, fault.Exhausted, err)
	create(t, tokens, "few", "one")
	_ = s.Close()
	_, _, err = tokens.Create(t.Context(), "a", "x")
	wantFault(t, fault.ShuttingDown, err)
}

// TestStored: what is stored does not hold the secret.
func TestStored(t *testing.T) {
	tokens, s := tokens(t)
	token, _ := create(t, tokens, "a", "laptop")
	secret := strings.Split(token, "_")[2]
	err := s.System().View(t.Context(), func(r store.Reader) error {
		for _, b := range store.Buckets() {
			for e, err := range store.All(r, b, "") {
				if err != nil || strings.Contains(e.ID+string(e.Value), secret) {
					return errors.Join(err, fmt.Errorf("%s %q holds the secret", b, e.ID))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestVerifyStore: a store that does not answer is not a wrong token, and a
// damaged record is not a right one.
func TestVerifyStore(t *testing.T) {
	tokens, s := tokens(t)
	token, info := create(t, tokens, "a", "laptop")
	for _, raw := range []string{"", "{}", `{"id":"x","hash":""}`, "null"} {
		err := s.System().Update(t.Context(), func(w store.Writer) error {
			_, err := w.Put(store.Tokens, info.ID, []byte(raw))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tokens.Verify(t.Context(), token)
		wantFault(t, fault.Integrity, err)
	}
	_ = s.Close()
	_, err := tokens.Verify(t.Context(), token)
	wantFault(t, fault.ShuttingDown, err)
}
