package identity_test

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

const (
	good  = "correct horse battery"
	other = "staple of the horse"
)

// cheap is a cost for tests that are about something else.
var cheap = identity.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1}

func root() identity.Who { return identity.Who{Kind: identity.ByLocal} }

func users(t *testing.T, cost identity.Cost) (*identity.Users, store.Store) {
	t.Helper()
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	return identity.NewUsers(s.System(), nil, cost), s
}

// person is a user with a password.
func person(t *testing.T, u *identity.Users, tenant, name string, role identity.Role) identity.User {
	t.Helper()
	user, err := u.Add(t.Context(), root(), tenant, name, role)
	if err == nil {
		err = u.SetPassword(t.Context(), root(), tenant, name, good)
	}
	if err != nil {
		t.Fatal(err)
	}
	return user
}

func from(text string) netip.Addr { return netip.MustParseAddr(text) }

func attempt(tenant, name, password, addr string) identity.Attempt {
	return identity.Attempt{Tenant: tenant, Name: name, Password: password, From: from(addr)}
}

func TestLogin(t *testing.T) {
	u, s := users(t, cheap)
	ada := person(t, u, "plant", "Ada", identity.Operator)
	secret, who, err := u.Login(t.Context(), attempt("plant", "ada", good, "192.0.2.1")) // names know no case
	want := identity.Identity{Tenant: "plant", Kind: identity.KindUser, ID: ada.ID, Name: "Ada", Role: identity.Operator, User: ada.ID, UserName: "Ada", Session: who.Session}
	if err != nil || who != want || who.Session == "" {
		t.Fatalf("%+v, %v", who, err)
	}
	if again, err := u.VerifySession(t.Context(), secret, true); err != nil || again != who {
		t.Errorf("%+v, %v", again, err)
	}
	for _, wrong := range []identity.Attempt{
		attempt("plant", "ada", other, "192.0.2.1"), attempt("plant", "bob", good, "192.0.2.9"), attempt("other", "ada", good, "192.0.3.1"),
		attempt("", "ada", good, "192.0.4.1"), attempt("plant", "a/b", good, "192.0.5.1"), attempt("plant", "ada", strings.Repeat("x", 1<<20), "192.0.6.1"),
	} {
		if _, _, err := u.Login(t.Context(), wrong); !fault.Is(err, fault.LoginFailed) {
			t.Errorf("%.60v: %v", wrong, err)
		}
	}
	for _, wrong := range []string{"", "x", secret + "x", strings.Replace(secret, "sns_", "snl_", 1), secret[:len(secret)-1] + "~"} {
		_, err := u.VerifySession(t.Context(), wrong, true)
		wantFault(t, fault.Unauthenticated, err)
	}
	if err := s.System().View(t.Context(), func(r store.Reader) error {
		for _, b := range store.Buckets() {
			for e, err := range store.All(r, b, "") {
				if err != nil || strings.Contains(string(e.Value), secret) || strings.Contains(string(e.Value), good) {
					t.Errorf("%s %s holds a secret, %v", b, e.ID, err)
				}
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := u.Logout(t.Context(), secret); err != nil {
		t.Error(err)
	}
	_, err = u.VerifySession(t.Context(), secret, true)
	wantFault(t, fault.Unauthenticated, err)
}

// TestSessionsSlide: a session lives 12 hours from its last use, a look that
// nobody asked for does not count, and none lives longer than a week.
func TestSessionsSlide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, _ := users(t, cheap)
		person(t, u, "plant", "ada", identity.Viewer)
		secret, _, err := u.Login(t.Context(), attempt("plant", "ada", good, "192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		alive := func(touch bool) bool {
			_, err := u.VerifySession(t.Context(), secret, touch)
			return err == nil
		}
		for range 16 { // 6.6 days
			time.Sleep(10 * time.Hour) //nolint:forbidigo // in a bubble, where it takes no time
			if !alive(true) {
				t.Fatal("a session that is used has ended")
			}
		}
		time.Sleep(11 * time.Hour) //nolint:forbidigo // in a bubble
		if alive(true) {
			t.Error("a session lives longer than a week")
		}
		secret, _, err = u.Login(t.Context(), attempt("plant", "ada", good, "192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Hour) //nolint:forbidigo // in a bubble
		if !alive(false) {
			t.Error("it has ended too early")
		}
		time.Sleep(time.Hour + time.Second) //nolint:forbidigo // in a bubble
		if alive(true) {
			t.Error("a look has lengthened the session")
		}
	})
}

func TestSessionsAreBounded(t *testing.T) {
	u, s := users(t, cheap)
	person(t, u, "plant", "ada", identity.Viewer)
	var secrets []string
	for range 20 {
		secret, _, err := u.Login(t.Context(), attempt("plant", "ada", good, "192.0.2.1"))
		for fault.Is(err, fault.LoginDelayed) { // the budget of those who are known
			u = identity.NewUsers(s.System(), nil, cheap)
			secret, _, err = u.Login(t.Context(), attempt("plant", "ada", good, "192.0.2.1"))
		}
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, secret)
	}
	alive := 0
	for _, secret := range secrets {
		if _, err := u.VerifySession(t.Context(), secret, false); err == nil {
			alive++
		}
	}
	if _, err := u.VerifySession(t.Context(), secrets[19], false); err != nil || alive != 16 {
		t.Errorf("%d sessions, the last: %v", alive, err)
	}
}

// TestWhatEndsAUsersCredentials: each of these ends sessions and own tokens at
// once.
func TestWhatEndsAUsersCredentials(t *testing.T) {
	for name, end := range map[string]func(context.Context, *identity.Users) error{
		"disabled": func(ctx context.Context, u *identity.Users) error {
			yes := true
			_, err := u.Change(ctx, root(), "plant", "ada", identity.UserChange{Disabled: &yes})
			return err
		},
		"deleted": func(ctx context.Context, u *identity.Users) error {
			_, err := u.Delete(ctx, root(), "plant", "ada", 0)
			return err
		},
		"deleted and made anew": func(ctx context.Context, u *identity.Users) error {
			_, err := u.Delete(ctx, root(), "plant", "ada", 0)
			if err == nil {
				_, err = u.Add(ctx, root(), "plant", "ada", identity.Admin)
			}
			return err
		},
		"tenant dropped": func(ctx context.Context, u *identity.Users) error { return u.DropTenant(ctx, "plant") },
		"tenant dropped and made anew": func(ctx context.Context, u *identity.Users) error {
			err := u.DropTenant(ctx, "plant") // which leaves the sessions to be refused
			if err == nil {
				_, err = u.Add(ctx, root(), "plant", "ada", identity.Admin)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			u, s := users(t, cheap)
			person(t, u, "plant", "ada", identity.Operator)
			secret, _, err := u.Login(t.Context(), attempt("plant", "ada", good, "192.0.2.1"))
			if err != nil {
				t.Fatal(err)
			}
			tokens := identity.New(s.System())
			token, info, err := tokens.Issue(t.Context(), root(), identity.NewToken{Tenant: "plant", Name: "own", Role: identity.Admin, User: "ada"})
			if err != nil || info.Role != identity.Operator {
				t.Fatalf("%+v, %v: an own token has a higher role than its user", info, err)
			}
			if _, err := tokens.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			if err := end(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			_, err = u.VerifySession(t.Context(), secret, true)
			wantFault(t, fault.Unauthenticated, err)
			_, err = tokens.Verify(t.Context(), token)
			wantFault(t, fault.Unauthenticated, err)
		})
	}
}

func TestOwnTokenFollowsItsUsersRole(t *testing.T) {
	u, s := users(t, cheap)
	person(t, u, "plant", "ada", identity.Admin)
	person(t, u, "plant", "bob", identity.Admin)
	tokens := identity.New(s.System())
	token, _, err := tokens.Issue(t.Context(), root(), identity.NewToken{Tenant: "plant", Name: "own", Role: identity.Admin, User: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	viewer := identity.Viewer
	if _, err := u.Change(t.Context(), root(), "plant", "ada", identity.UserChange{Role: &viewer}); err != nil {
		t.Fatal(err)
	}
	if who, err := tokens.Verify(t.Context(), token); err != nil || who.Role != identity.Viewer {
		t.Errorf("%+v, %v", who, err)
	}
}

func TestTokensExpireAndAreNarrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, _ := tokens(t)
		token, _, err := tokens.Issue(t.Context(), root(), identity.NewToken{
			Tenant: "a", Name: "x", Role: identity.Operator, Scopes: []string{"stream", "connectors:read", "stream"}, Expires: time.Now().Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		who, err := tokens.Verify(t.Context(), token)
		if err != nil || who.Scopes != "connectors:read stream" || who.Role != identity.Operator {
			t.Errorf("%+v, %v", who, err)
		}
		time.Sleep(time.Hour) //nolint:forbidigo // in a bubble
		_, err = tokens.Verify(t.Context(), token)
		wantFault(t, fault.Unauthenticated, err)
		for _, bad := range []identity.NewToken{
			{Role: "root"},
			{Role: ""},
			{Role: identity.Viewer, Scopes: []string{"everything"}},
			{Role: identity.Viewer, Scopes: []string{"connectors:delete"}},
			{Role: identity.Viewer, Scopes: []string{"stream:write"}},
			{Role: identity.Viewer, Expires: time.Now()},
		} {
			bad.Tenant, bad.Name = "a", "x"
			_, _, err := tokens.Issue(t.Context(), root(), bad)
			wantFault(t, fault.Invalid, err)
		}
	})
}

// TestOldTokensAreReadable: what was stored before there were roles, scopes and
// ends is an administrator's token.
func TestOldTokensAreReadable(t *testing.T) {
	tokens, s := tokens(t)
	token, info := create(t, tokens, "a", "old")
	if err := s.System().Update(t.Context(), func(w store.Writer) error {
		e, err := w.Get(store.Tokens, info.ID)
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(string(e.Value), `"hash":"`)
		hash, _, _ := strings.Cut(rest, `"`)
		_, err = w.Put(store.Tokens, info.ID, []byte(`{"id":"`+info.ID+`","tenant":"a","name":"old","role":"admin","created":"2026-01-01T00:00:00Z","hash":"`+hash+`"}`))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if who, err := tokens.Verify(t.Context(), token); err != nil || who.Role != identity.Admin || who.Scopes != "" {
		t.Errorf("%+v, %v", who, err)
	}
}

// TestFirstLinkMakesTheFirst: it stands in logs, and makes nobody an
// administrator of a tenant that has users.
func TestFirstLinkMakesTheFirst(t *testing.T) {
	u, _ := users(t, cheap)
	first, err := u.FirstLink(t.Context(), "plant")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := u.Invite(t.Context(), root(), "plant", "ada", identity.Admin); err != nil {
		t.Fatal(err)
	}
	_, err = u.Redeem(t.Context(), first, "eve", good)
	wantFault(t, fault.Unauthenticated, err)
}

func TestLinksAreGoodOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, _ := users(t, cheap)
		first, err := u.FirstLink(t.Context(), "plant")
		if err != nil || first == "" {
			t.Fatal(first, err)
		}
		if _, err := u.Redeem(t.Context(), first, "ada", "short"); !fault.Is(err, fault.Invalid) {
			t.Errorf("a short password: %v", err)
		}
		user, err := u.Redeem(t.Context(), first, "ada", good)
		if err != nil || user.Role != identity.Admin || user.Tenant != "plant" || !user.PasswordSet {
			t.Fatalf("%+v, %v", user, err)
		}
		_, err = u.Redeem(t.Context(), first, "eve", good)
		wantFault(t, fault.Unauthenticated, err)
		if again, err := u.FirstLink(t.Context(), "plant"); again != "" || err != nil {
			t.Errorf("a second first link: %v", err)
		}
		if _, _, err := u.Login(t.Context(), attempt("plant", "ada", good, "192.0.2.1")); err != nil {
			t.Error(err)
		}
		old, _, err := u.Link(t.Context(), root(), "plant", "ada")
		if err != nil {
			t.Fatal(err)
		}
		link, _, err := u.Link(t.Context(), root(), "plant", "ada")
		if err != nil {
			t.Fatal(err)
		}
		_, err = u.Redeem(t.Context(), old, "", other)
		wantFault(t, fault.Unauthenticated, err)
		if tenant, name, err := u.Invited(t.Context(), link); tenant != "plant" || name != "ada" || err != nil {
			t.Error(tenant, name, err)
		}
		time.Sleep(identity.LinkLife) //nolint:forbidigo // in a bubble
		_, err = u.Redeem(t.Context(), link, "", other)
		wantFault(t, fault.Unauthenticated, err)
	})
}

// TestLinksEndWithWhatTheyWereFor: a link is no way in for whoever has a password
// meanwhile, nor for another user who got the name.
func TestLinksEndWithWhatTheyWereFor(t *testing.T) {
	for name, change := range map[string]func(context.Context, *identity.Users) error{
		"password set": func(ctx context.Context, u *identity.Users) error {
			return u.SetPassword(ctx, root(), "plant", "ada", good)
		},
		"deleted": func(ctx context.Context, u *identity.Users) error {
			_, err := u.Delete(ctx, root(), "plant", "ada", 0)
			return err
		},
		"deleted and made anew": func(ctx context.Context, u *identity.Users) error {
			_, err := u.Delete(ctx, root(), "plant", "ada", 0)
			if err == nil {
				_, err = u.Add(ctx, root(), "plant", "ada", identity.Admin)
			}
			return err
		},
	} {
		u, _ := users(t, cheap)
		person(t, u, "plant", "ada", identity.Viewer)
		link, _, err := u.Link(t.Context(), root(), "plant", "ada")
		if err == nil {
			err = change(t.Context(), u)
		}
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := u.Redeem(t.Context(), link, "", other); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPasswordChangeEndsOtherSessions(t *testing.T) {
	u, _ := users(t, cheap)
	person(t, u, "plant", "ada", identity.Viewer)
	login := func(password string) (string, identity.Identity, error) {
		return u.Login(t.Context(), attempt("plant", "ada", password, "192.0.2.1"))
	}
	mine, who, err := login(good)
	if err != nil {
		t.Fatal(err)
	}
	others, _, err := login(good)
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, fault.LoginFailed, u.ChangePassword(t.Context(), attempt("plant", "ada", other, "192.0.2.1"), other, who.Session))
	if err := u.ChangePassword(t.Context(), attempt("plant", "ada", good, "192.0.2.1"), other, who.Session); err != nil {
		t.Fatal(err)
	}
	if _, err := u.VerifySession(t.Context(), mine, true); err != nil {
		t.Error(err)
	}
	_, err = u.VerifySession(t.Context(), others, true)
	wantFault(t, fault.Unauthenticated, err)
	if _, _, err := login(good); !fault.Is(err, fault.LoginFailed) {
		t.Errorf("the old password: %v", err)
	}
}

// TestCostIsStored: a password of another cost is good, and is stored anew
// under the one of now.
func TestCostIsStored(t *testing.T) {
	u, s := users(t, identity.Cost{MemoryKiB: 32, Passes: 2, Lanes: 1})
	person(t, u, "plant", "ada", identity.Viewer)
	u = identity.NewUsers(s.System(), nil, cheap)
	if _, _, err := u.Login(t.Context(), attempt("plant", "ada", good, "192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	if err := s.System().View(t.Context(), func(r store.Reader) error {
		e, err := r.Get(store.Users, "plant/ada")
		if err == nil && !strings.Contains(string(e.Value), "$argon2id$v=19$m=64,t=1,p=1$") {
			t.Errorf("%s", e.Value)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestTheLastAdministratorStays(t *testing.T) {
	u, _ := users(t, cheap)
	person(t, u, "plant", "ada", identity.Admin)
	person(t, u, "plant", "bob", identity.Viewer)
	viewer, yes := identity.Viewer, true
	for name, change := range map[string]identity.UserChange{"role": {Role: &viewer}, "disabled": {Disabled: &yes}} {
		if _, err := u.Change(t.Context(), root(), "plant", "ada", change); !fault.Is(err, fault.WrongState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := u.Delete(t.Context(), root(), "plant", "ada", 0)
	wantFault(t, fault.WrongState, err)
	admin := identity.Admin
	bob, err := u.Change(t.Context(), root(), "plant", "bob", identity.UserChange{Role: &admin})
	if err != nil {
		t.Fatal(err)
	}
	_, err = u.Delete(t.Context(), root(), "plant", "ada", bob.Revision+7)
	wantFault(t, fault.StaleRevision, err)
	if _, err := u.Delete(t.Context(), root(), "plant", "ada", 0); err != nil {
		t.Error(err)
	}
}

// TestNamesDoNotLookAlike: what is no name is refused, and case makes no other.
func TestNamesDoNotLookAlike(t *testing.T) {
	u, _ := users(t, cheap)
	person(t, u, "plant", "ada", identity.Admin)
	_, err := u.Add(t.Context(), root(), "plant", "ADA", identity.Admin)
	wantFault(t, fault.Exists, err)
	for _, name := range []string{"", "a b", "a/b", "аdа", "a\x00", strings.Repeat("a", 65), "<b>"} {
		_, err := u.Add(t.Context(), root(), "plant", name, identity.Viewer)
		wantFault(t, fault.Invalid, err)
	}
	if _, err := u.Add(t.Context(), root(), "other", "ada", identity.Admin); err != nil {
		t.Errorf("the same name in another tenant: %v", err)
	}
}

// TestFailuresAreSlowedDown: one network against one account gets no further
// than 10 attempts in a minute, and the account's owner is not kept out of
// where they logged in before.
func TestFailuresAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, _ := users(t, cheap)
		person(t, u, "plant", "ada", identity.Admin)
		if _, _, err := u.Login(t.Context(), attempt("plant", "ada", good, "198.51.100.7")); err != nil {
			t.Fatal(err)
		}
		looked, begin := 0, time.Now()
		for time.Since(begin) < time.Minute {
			_, _, err := u.Login(t.Context(), attempt("plant", "ada", other, "192.0.2.1"))
			if fault.Is(err, fault.LoginFailed) {
				looked++
			} else if f := fault.Of(err); f.Kind != fault.LoginDelayed || f.RetryAfter <= 0 {
				t.Fatalf("%v, after %s", err, f.RetryAfter)
			}
			time.Sleep(100 * time.Millisecond) //nolint:forbidigo // in a bubble
		}
		if looked < 5 || looked > 10 {
			t.Errorf("%d passwords were looked at in a minute", looked)
		}
		// The network is slowed down for other accounts, too, and the account for
		// other networks; the right password is as slow as a wrong one.
		for _, a := range []identity.Attempt{
			attempt("plant", "bob", good, "192.0.2.200"), attempt("plant", "ada", good, "203.0.113.1"), attempt("plant", "ada", good, "192.0.2.1"),
		} {
			_, _, err := u.Login(t.Context(), a)
			wantFault(t, fault.LoginDelayed, err)
		}
		if _, _, err := u.Login(t.Context(), attempt("plant", "ada", good, "198.51.100.99")); err != nil {
			t.Errorf("the owner is kept out of their own network: %v", err)
		}
		time.Sleep(16 * time.Minute) //nolint:forbidigo // in a bubble
		if _, _, err := u.Login(t.Context(), attempt("plant", "ada", good, "192.0.2.1")); err != nil {
			t.Errorf("it is not forgotten: %v", err)
		}
	})
}

// TestNobodyIsLockedOut: however often it failed, after the wait that it was told
// somebody is heard again, and that is a minute at most.
func TestNobodyIsLockedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, _ := users(t, cheap)
		person(t, u, "plant", "ada", identity.Admin)
		longest := time.Duration(0)
		for range 60 {
			_, _, err := u.Login(t.Context(), attempt("plant", "ada", other, "192.0.2.1"))
			if wait := fault.Of(err).RetryAfter; fault.Is(err, fault.LoginDelayed) {
				longest = max(longest, wait)
				time.Sleep(wait) //nolint:forbidigo // in a bubble
			}
		}
		if longest < 30*time.Second || longest > 61*time.Second {
			t.Errorf("the longest wait is %s", longest)
		}
		time.Sleep(longest) //nolint:forbidigo // in a bubble
		if _, _, err := u.Login(t.Context(), attempt("plant", "ada", good, "192.0.2.1")); err != nil {
			t.Error(err)
		}
	})
}

// TestManyAttemptsCostLittle: 100,000 attempts, of one network, of many
// networks on one account, and of many on many, look at few passwords, at most
// two at once, and take little of a processor.
func TestManyAttemptsCostLittle(t *testing.T) {
	cost := identity.Cost{MemoryKiB: 4 << 10, Passes: 1, Lanes: 1}
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		cost = identity.Cost{} // the real one, which takes half a minute here
	}
	u, _ := users(t, cost)
	person(t, u, "plant", "ada", identity.Admin)
	const attempts = 100_000
	var looked, delayed atomic.Int64
	before, began := cpu(t), time.Now()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := worker; i < attempts; i += 8 {
				a := identity.Attempt{Tenant: "plant", Name: "ada", Password: other, From: from("192.0.2.1")}
				if i%3 > 0 {
					a.From = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
				}
				if i%3 > 1 {
					a.Name = "user-" + string(rune('a'+i%26)) + string(rune('a'+i/26%26))
				}
				switch _, _, err := u.Login(context.WithoutCancel(t.Context()), a); {
				case fault.Is(err, fault.LoginFailed):
					looked.Add(1)
				case fault.Is(err, fault.LoginDelayed):
					delayed.Add(1)
				default:
					t.Errorf("%v", err)
				}
			}
		})
	}
	wg.Wait()
	took, used := time.Since(began), cpu(t)-before
	t.Logf("%d looked at, %d delayed, %s, %s of the processor", looked.Load(), delayed.Load(), took, used)
	if most := 3 * int64(8+2*took.Seconds()+2); looked.Load() > most { // as they come from three wide networks
		t.Errorf("%d passwords were looked at, want at most %d", looked.Load(), most)
	}
	if looked.Load()+delayed.Load() != attempts {
		t.Errorf("%d + %d of %d", looked.Load(), delayed.Load(), attempts)
	}
	if used > 30*time.Second { // half of a processor, over the minute that so many are spread over
		t.Errorf("%s of the processor", used)
	}
}

// TestNobodyIsKeptOutByOthers: neither who logs in again and again with the right
// password, nor strangers from ever new networks, keep another tenant's people
// from logging in, from where they did before or from elsewhere.
func TestNobodyIsKeptOutByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, _ := users(t, cheap)
		person(t, u, "evil", "eve", identity.Viewer)
		person(t, u, "plant", "ada", identity.Admin)
		login := func(a identity.Attempt) error { _, _, err := u.Login(t.Context(), a); return err }
		for _, a := range []identity.Attempt{attempt("evil", "eve", good, "192.0.2.1"), attempt("plant", "ada", good, "192.0.2.9")} {
			if err := login(a); err != nil {
				t.Fatal(err)
			}
		}
		delayed := 0
		for second := range 12 {
			for i := range 10 {
				stranger := attempt("plant", "nobody", other, netip.AddrFrom4([4]byte{10, byte(second), byte(i), 1}).String())
				stranger.Name += string(rune('a'+second)) + string(rune('a'+i))
				for _, a := range []identity.Attempt{attempt("evil", "eve", good, "192.0.2.1"), stranger} {
					if err := login(a); fault.Is(err, fault.LoginDelayed) {
						delayed++
					}
				}
			}
			for name, a := range map[string]identity.Attempt{
				"known": attempt("plant", "ada", good, "192.0.2.9"), "elsewhere": attempt("plant", "ada", good, netip.AddrFrom4([4]byte{203, 0, byte(second), 1}).String()),
			} {
				if err := login(a); err != nil {
					t.Errorf("%d s, %s: %v", second, name, err)
				}
			}
			time.Sleep(time.Second) //nolint:forbidigo // in a bubble
		}
		if delayed < 80 {
			t.Errorf("only %d of what one account has asked for was delayed", delayed)
		}
	})
}

func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestOwnTokensAreFew: one user's leave room for everybody else's.
func TestOwnTokensAreFew(t *testing.T) {
	u, s := users(t, cheap)
	person(t, u, "plant", "ada", identity.Viewer)
	person(t, u, "plant", "bob", identity.Viewer)
	tokens := identity.New(s.System())
	issue := func(user string) (identity.Info, error) {
		_, info, err := tokens.Issue(t.Context(), root(), identity.NewToken{Tenant: "plant", Name: "mine", Role: identity.Viewer, User: user})
		return info, err
	}
	var last identity.Info
	for range 20 {
		var err error
		if last, err = issue("ada"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := issue("ada")
	wantFault(t, fault.Exhausted, err)
	for _, user := range []string{"bob", ""} {
		if _, err := issue(user); err != nil {
			t.Errorf("%q: %v", user, err)
		}
	}
	if err := tokens.Revoke(t.Context(), root(), "plant", last.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := issue("ada"); err != nil {
		t.Errorf("after one was revoked: %v", err)
	}
}
