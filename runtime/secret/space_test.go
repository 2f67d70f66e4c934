package secret_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/store"
)

// TestMaskFollowsTransactions: what did not happen changes nothing of what is
// masked for good. A live secret stays masked through any number of changes that
// were taken back, and what they tried is given up.
func TestMaskFollowsTransactions(t *testing.T) {
	for name, of := range map[string]func(store.Space) func(context.Context, func(store.Writer) error) error{
		"in turn": func(s store.Space) func(context.Context, func(store.Writer) error) error { return s.Update },
		"ahead":   func(s store.Space) func(context.Context, func(store.Writer) error) error { return s.UpdateAhead },
		"finally": func(s store.Space) func(context.Context, func(store.Writer) error) error {
			return func(ctx context.Context, fn func(store.Writer) error) error {
				return s.Update(ctx, func(w store.Writer) error {
					w.Finally(fn)
					return nil
				})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			maskFollows(t, r, of(r.vault("acme").Space(r.space("acme"))))
		})
	}
}

func maskFollows(t *testing.T, r *rig, update func(context.Context, func(store.Writer) error) error) {
	t.Helper()
	v := r.vault("acme")
	masked := func(text string, want bool) {
		t.Helper()
		if got := v.Mask().Text(text) == secret.Masked; got != want {
			t.Errorf("%q is masked: %t", text, got)
		}
	}
	seal := func(name, value string, end error) {
		t.Helper()
		err := update(t.Context(), func(w store.Writer) error {
			if _, err := v.Seal(w, name, []byte(value)); err != nil {
				return err
			}
			return end
		})
		if !errors.Is(err, end) {
			t.Fatal(err)
		}
	}
	tried := errors.New("tried")
	live, other := secret.Named("live"), secret.Named("other")
	seal(live, "the live value", nil)
	for i := range 1500 {
		seal(live, fmt.Sprintf("never kept, number %d", i), tried)
		seal(secret.OfConnector(fmt.Sprint("con_", i), "key"), fmt.Sprintf("never made, number %d", i), tried)
		if err := update(t.Context(), func(w store.Writer) error { return errors.Join(v.Drop(w, live), tried) }); !errors.Is(err, tried) {
			t.Fatal(err)
		}
	}
	masked("the live value", true)
	masked("never kept, number 1499", true) // whoever is refused may be told of it
	masked("never kept, number 1", false)
	masked("never made, number 1", false)
	seal(live, "the next value", nil)
	seal(other, "the value of another", nil)
	masked("the live value", true)
	if err := update(t.Context(), func(w store.Writer) error { return v.Drop(w, other) }); err != nil {
		t.Fatal(err)
	}
	masked("the value of another", true)
	for i := range 1500 {
		seal(other, fmt.Sprintf("another number %d", i), nil)
	}
	masked("the live value", false)
	masked("the value of another", false)
	masked("the next value", true)
}

// TestHammerSettle: of changes at the same time, the last one is masked for good.
func TestHammerSettle(t *testing.T) {
	r := newRig(t)
	v := r.vault("acme")
	space := v.Space(r.space("acme"))
	var wait sync.WaitGroup
	for g := range 4 {
		wait.Go(func() {
			for i := range 100 {
				if err := space.Update(t.Context(), func(w store.Writer) error {
					_, err := v.Seal(w, secret.Named("a"), fmt.Appendf(nil, "value %d of hammer %d", i, g))
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	last, _, err := r.unseal("acme", secret.Named("a"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 { // whatever is not held for good is given up
		v.Mask().Pass(fmt.Appendf(nil, "passing by, number %d", i))
		r.seal("acme", secret.Named("b"), fmt.Sprintf("changing, number %d", i))
	}
	if got := v.Mask().Text(last); got != secret.Masked {
		t.Errorf("what is stored is shown: %q", got)
	}
}
