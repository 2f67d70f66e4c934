package control_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
)

// TestOAuthRefreshThatWasOvertaken: who connects a connector while its tokens
// are being refreshed has the newer ones, and they stay.
func TestOAuthRefreshThatWasOvertaken(t *testing.T) {
	var r *oauthRig
	connect := func(code string) {
		cb := control.OAuthCallback{ProviderType: "drive", Code: code, State: r.begun(r.ann, control.OAuthInput{}).State, Issuer: r.peer.Issuer()}
		if _, err := r.ann.FinishOAuth(t.Context(), cb); err != nil {
			t.Error(err)
		}
	}
	var refreshed atomic.Int32
	answered := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		name, life := req.FormValue("code"), 3600
		switch {
		case req.FormValue("grant_type") == "refresh_token":
			if refreshed.Add(1) == 1 {
				defer close(answered)
				connect("second")
			}
			name = "stale"
		case name == "first":
			life = 1
		}
		fmt.Fprintf(w, `{"access_token":"at-of-%[1]s","refresh_token":"rt-of-%[1]s","expires_in":%[2]d}`, name, life)
	}))
	t.Cleanup(server.Close)
	r = newOAuthRig(t, func(o *abi.OAuth) { o.TokenURL = server.URL })
	connect("first")
	refresher := r.service.StartRefresher(t.Context(), control.RefresherConfig{Every: 20 * time.Millisecond, Floor: time.Millisecond})
	<-answered
	has := func(what string) bool {
		config, err := r.Config(t.Context(), r.id, true)
		return err == nil && strings.Contains(string(config), what)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 30 { // for what is on its way to be stored, or not
		if <-tick.C; has("stale") {
			t.Fatal("the tokens of the refresh took the place of newer ones")
		}
	}
	refresher.Stop()
	if !has("at-of-second") || !has("rt-of-second") {
		t.Error("the newer tokens are not there")
	}
	if n := refreshed.Load(); n != 1 {
		t.Errorf("it was refreshed %d times", n)
	}
}
