package identity

import (
	"context"
	"net/netip"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// TestLoginThatWasOvertaken: a password that was looked at is worth nothing when
// its user was changed before the session begins.
func TestLoginThatWasOvertaken(t *testing.T) {
	yes, by := true, Who{Kind: ByLocal}
	for name, change := range map[string]func(context.Context, *Users) error{
		"another password": func(ctx context.Context, u *Users) error {
			return u.SetPassword(ctx, by, "plant", "ada", "staple of the horse")
		},
		"disabled": func(ctx context.Context, u *Users) error {
			_, err := u.Change(ctx, by, "plant", "ada", UserChange{Disabled: &yes})
			return err
		},
		"deleted": func(ctx context.Context, u *Users) error {
			_, err := u.Delete(ctx, by, "plant", "ada", 0)
			return err
		},
		"deleted and made anew": func(ctx context.Context, u *Users) error {
			_, err := u.Delete(ctx, by, "plant", "ada", 0)
			if err == nil {
				_, err = u.Add(ctx, by, "plant", "ada", Admin)
			}
			return err
		},
		"nothing": func(context.Context, *Users) error { return nil },
	} {
		s := memory.New()
		t.Cleanup(func() { _ = s.Close() })
		u := NewUsers(s.System(), nil, Cost{MemoryKiB: 64, Passes: 1, Lanes: 1})
		_, err := u.Add(t.Context(), by, "plant", "ada", Viewer)
		if err == nil {
			_, err = u.Add(t.Context(), by, "plant", "bob", Admin)
		}
		if err == nil {
			err = u.SetPassword(t.Context(), by, "plant", "ada", "correct horse battery")
		}
		if err != nil {
			t.Fatal(err)
		}
		had, err := u.claimed(t.Context(), "plant", "ada")
		if err == nil {
			err = change(t.Context(), u)
		}
		if err != nil {
			t.Fatal(name, err)
		}
		secret, _, err := u.enter(t.Context(), had, netip.MustParsePrefix("192.0.2.0/24"), "")
		if name == "nothing" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		} else if !fault.Is(err, fault.LoginFailed) || secret != "" {
			t.Errorf("%s: %q, %v", name, secret, err)
		}
		err = u.setPassword(t.Context(), by, "plant", "ada", "battery horse staple", "", &had)
		if name == "nothing" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		} else if !fault.Is(err, fault.LoginFailed) && !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: the password was changed by who knew the old one: %v", name, err)
		}
	}
}
