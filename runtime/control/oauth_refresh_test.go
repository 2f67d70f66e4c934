package control_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

// connected is a rig whose connector is connected with tokens of this life, and
// activated.
func connected(t *testing.T, life time.Duration, adjust ...func(*abi.OAuth)) *oauthRig {
	t.Helper()
	r := newOAuthRig(t, adjust...)
	r.peer.Lifetime = life
	if _, err := r.ann.FinishOAuth(t.Context(), r.agreed()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ann.Activate(t.Context(), r.id); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *oauthRig) refreshing() {
	r.t.Helper()
	f := r.service.StartRefresher(r.t.Context(), control.RefresherConfig{Backoff: 20 * time.Millisecond, Floor: time.Millisecond})
	r.t.Cleanup(f.Stop)
}

// until waits for what the refresher does.
func (r *oauthRig) until(what string, ok func() bool) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			r.t.Fatalf("not seen in time: %s; the connector has %+v", what, r.stored().OAuth)
		}
	}
}

func refreshes(asked []url.Values) (tokens []string) {
	for _, form := range asked {
		if form.Get("grant_type") == "refresh_token" {
			tokens = append(tokens, form.Get("refresh_token"))
		}
	}
	return tokens
}

// TestOAuthRefresh: a token is replaced before it ends, its refresh token with
// it, and the guest that runs is swapped, not stopped.
func TestOAuthRefresh(t *testing.T) {
	r := connected(t, time.Second)
	before := r.stored()
	r.refreshing()
	r.until("two refreshes", func() bool { return len(refreshes(r.peer.Asked())) >= 2 && r.stored().Revision >= before.Revision+2 })
	used := refreshes(r.peer.Asked())
	if used[0] == used[1] {
		t.Error("the refresh token was used twice: the rotated one was not kept")
	}
	c := r.stored()
	if c.OAuth.Failure != "" || c.OAuth.Stopped || !c.OAuth.Refreshed.After(before.OAuth.Refreshed) || len(c.OAuth.Scopes) != 2 {
		t.Errorf("known of the tokens: %+v", c.OAuth)
	}
	if c.Tested == "" || !c.Enabled {
		t.Errorf("a refresh took back the test: %q, enabled %v", c.Tested, c.Enabled)
	}
	if key, err := c.TestKey(); err != nil || key != c.Tested {
		t.Errorf("the test of before does not count any more: %v", err)
	}
	v := r.read(r.id)
	if v.Runtime.Restarts != 0 {
		t.Errorf("the guest was restarted: %+v", v.Runtime)
	}
}

// TestOAuthRefreshIsInTime: a token that lives is left alone.
func TestOAuthRefreshIsInTime(t *testing.T) {
	r := connected(t, time.Hour)
	r.refreshing()
	other := r.connector("second", r.stored().Module, true)
	r.peer.Lifetime = time.Second
	first := r.id
	r.id = other
	if _, err := r.ann.FinishOAuth(t.Context(), r.agreed()); err != nil {
		t.Fatal(err)
	}
	// The refresher is told of nothing: it finds the second by itself.
	f := r.service.StartRefresher(t.Context(), control.RefresherConfig{Every: 50 * time.Millisecond, Floor: time.Millisecond})
	defer f.Stop()
	r.until("a refresh of the second", func() bool { return r.stored().Revision > 2 && len(refreshes(r.peer.Asked())) > 0 })
	r.id = first
	if c := r.stored(); time.Since(c.OAuth.Refreshed) < 500*time.Millisecond {
		t.Errorf("the first was refreshed: %+v", c.OAuth)
	}
}

// TestOAuthRefreshEnds: what the server will not take any more is not asked
// again, and a person is told.
func TestOAuthRefreshEnds(t *testing.T) {
	r := connected(t, time.Second)
	r.peer.Revoke()
	r.refreshing()
	r.until("the end", func() bool { return r.stored().OAuth.Stopped })
	asked := len(refreshes(r.peer.Asked()))
	c := r.stored()
	if !strings.Contains(c.OAuth.Failure, "invalid_grant") || asked != 1 {
		t.Errorf("asked %d times, known: %+v", asked, c.OAuth)
	}
	v := r.read(r.id)
	if !strings.Contains(strings.Join(v.Warnings, " "), "connect it again") {
		t.Errorf("the warnings are %q", v.Warnings)
	}
	trail, _, err := r.Audit(t.Context(), control.AuditQuery{Action: "connector.connect"}, control.Page{})
	if err != nil || len(trail) == 0 || !strings.HasPrefix(trail[0].Detail, "ended") {
		t.Errorf("the trail is %+v, %v", trail, err)
	}
	r.peer.Lifetime = time.Hour
	if _, err := r.ann.FinishOAuth(t.Context(), r.agreed()); err != nil {
		t.Fatal(err)
	}
	if c := r.stored(); c.OAuth.Stopped || c.OAuth.Failure != "" || c.Status != spec.StatusConnected {
		t.Errorf("connected again: %+v, %s", c.OAuth, c.Status)
	}
}

// TestOAuthRefreshBacksOff: a server that fails is asked again, and more seldom.
func TestOAuthRefreshBacksOff(t *testing.T) {
	r := connected(t, time.Second)
	for range 3 {
		r.peer.Answer(503, `try later`)
	}
	r.refreshing()
	r.until("a failure that is shown", func() bool { return r.stored().OAuth.Failure != "" })
	if c := r.stored(); c.OAuth.Stopped || !strings.Contains(c.OAuth.Failure, "503") || strings.Contains(c.OAuth.Failure, "try later") {
		t.Errorf("known: %+v", c.OAuth)
	}
	r.until("a refresh after all", func() bool { return r.stored().OAuth.Failure == "" })
	if n := len(refreshes(r.peer.Asked())); n < 4 {
		t.Errorf("asked %d times", n)
	}
}

// TestOAuthEndIsToldAhead: seven days before a refresh token ends.
func TestOAuthEndIsToldAhead(t *testing.T) {
	r := newOAuthRig(t)
	for _, c := range []struct {
		death time.Duration
		warns bool
	}{{6 * 24 * time.Hour, true}, {30 * 24 * time.Hour, false}, {0, false}} {
		r.peer.Death = c.death
		if _, err := r.ann.FinishOAuth(t.Context(), r.agreed()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(r.read(r.id).Warnings, " "), "authorization ends"); got != c.warns {
			t.Errorf("%s: warned %v: %q", c.death, got, r.read(r.id).Warnings)
		}
	}
}

// TestOAuthRefresherStops: while a server does not answer, too.
func TestOAuthRefresherStops(t *testing.T) {
	r := connected(t, time.Second)
	for range 2 {
		f := r.service.StartRefresher(t.Context(), control.RefresherConfig{Floor: time.Millisecond})
		f.Stop()
		f.Stop()
	}
	var none *control.Refresher
	none.Stop()
}

// TestOAuthRefreshHasAFloor: a server that says that its tokens live for a second
// is not asked each second.
func TestOAuthRefreshHasAFloor(t *testing.T) {
	r := connected(t, time.Second)
	f := r.service.StartRefresher(t.Context(), control.RefresherConfig{Every: 20 * time.Millisecond, Floor: 1500 * time.Millisecond})
	defer f.Stop()
	got := r.stored().OAuth.Refreshed
	for range 2 {
		before := got
		r.until("a refresh", func() bool { got = r.stored().OAuth.Refreshed; return got.After(before) })
		if wait := got.Sub(before); wait < 1500*time.Millisecond {
			t.Errorf("refreshed after %s", wait)
		}
	}
}

// TestOAuthRefreshesAnHour: nor is it asked more often in an hour than is allowed,
// whatever comes of it.
func TestOAuthRefreshesAnHour(t *testing.T) {
	r := connected(t, time.Second)
	for range 30 {
		r.peer.Answer(503, `{}`)
	}
	f := r.service.StartRefresher(t.Context(), control.RefresherConfig{
		Every: 5 * time.Millisecond, Backoff: time.Microsecond, Floor: time.Millisecond, AnHour: 1,
	})
	defer f.Stop()
	r.until("all that are allowed at first", func() bool { return len(refreshes(r.peer.Asked())) >= 10 })
	still := time.NewTimer(600 * time.Millisecond)
	<-still.C
	if n := len(refreshes(r.peer.Asked())); n != 10 {
		t.Errorf("%d refreshes", n)
	}
}

// TestAbuseOAuthServersThatHang: those of one tenant take a few places, and hold
// up nobody else.
func TestAbuseOAuthServersThatHang(t *testing.T) {
	var waiting, most atomic.Int64
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.FormValue("grant_type") == "refresh_token" {
			n := waiting.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			<-end
			waiting.Add(-1)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"at-hangs","refresh_token":"rt-hangs","expires_in":1}`)
	}))
	defer server.Close()
	defer close(end)
	r := connected(t, time.Second)
	held := *r.rig
	held.Tenant = held.tenant("other")
	ann := person("ann")
	ann.Tenant = "other"
	if _, err := r.SetCeiling(t.Context(), "other", spec.Ceiling{Grantable: []spec.Grant{{Group: "http", Rights: []spec.Right{spec.Read, spec.Write}}}}, 0); err != nil {
		t.Fatal(err)
	}
	other := &oauthRig{rig: &held, peer: r.peer, ann: r.tenantOf(ann)}
	digest := other.oauthModule("drive", &abi.OAuth{AuthorizeURL: r.peer.AuthorizeURL(), TokenURL: server.URL, Issuer: r.peer.Issuer()})
	for i := range 10 {
		other.id = other.connector(fmt.Sprint("hangs ", i), digest, true)
		if _, err := other.ann.FinishOAuth(t.Context(), other.agreed()); err != nil {
			t.Fatal(err)
		}
	}
	r.refreshing()
	r.until("four that hang", func() bool { return waiting.Load() == 4 })
	before := len(refreshes(r.peer.Asked()))
	r.until("three refreshes of another tenant", func() bool { return len(refreshes(r.peer.Asked())) >= before+3 })
	if n := most.Load(); n != 4 {
		t.Errorf("%d at once", n)
	}
}
