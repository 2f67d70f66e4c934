package control_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// saysAtOnce is what a token endpoint refuses with, with these values in it.
func saysAtOnce(values ...string) string {
	raw, _ := json.Marshal(map[string]string{"error": "invalid_client", "error_description": "told " + strings.Join(values, ", ")})
	return string(raw)
}

// saysAtTheEnd says the first of them where what is passed on is cut.
func saysAtTheEnd(values ...string) string {
	return saysAtOnce(strings.Repeat("so it is ", 30) + values[0])
}

// clean fails the test if any value, or the beginning of one, is in a text.
func clean(t *testing.T, where, text string, values ...string) {
	t.Helper()
	for _, v := range values {
		if strings.Contains(text, v[:min(len(v), 12)]) {
			t.Errorf("%s holds %q: %s", where, v, text)
		}
	}
}

// refusedTrail is the newest event of the trail about a connection.
func (r *oauthRig) refusedTrail() string {
	r.t.Helper()
	var detail string
	r.until("the refusal in the trail", func() bool {
		trail, _, err := r.Audit(r.t.Context(), control.AuditQuery{Action: "connector.connect"}, control.Page{})
		if err != nil {
			r.t.Fatal(err)
		}
		detail = ""
		if len(trail) > 0 && trail[0].Code != "" {
			detail = trail[0].Detail
		}
		return detail != ""
	})
	return detail
}

// TestAbuseOAuthServerRepeatsWhatItWasTold: what an authorization server says is
// passed on, shown and kept without what proves who asks.
func TestAbuseOAuthServerRepeatsWhatItWasTold(t *testing.T) {
	for name, say := range map[string]func(...string) string{"whole": saysAtOnce, "cut": saysAtTheEnd} {
		t.Run(name, func(t *testing.T) {
			r := newOAuthRig(t)
			cb := r.agreed()
			r.peer.Answer(400, say(cb.Code, r.peer.ClientSecret))
			_, err := r.ann.FinishOAuth(t.Context(), cb)
			f := wanted(t, err, fault.OAuthFailed)
			detail := r.refusedTrail()
			for where, text := range map[string]string{"the answer": f.Text, "the trail": detail} {
				clean(t, where, text, cb.Code, r.peer.ClientSecret)
				if !strings.Contains(text, "invalid_client") || !strings.Contains(text, "[mask") {
					t.Errorf("%s does not say why: %s", where, text)
				}
			}
		})
	}
}

// TestAbuseOAuthBrowserBringsSecrets: nor what a browser brings back.
func TestAbuseOAuthBrowserBringsSecrets(t *testing.T) {
	r := newOAuthRig(t)
	cb := r.agreed()
	cb.Error, cb.ErrorDescription = "access_denied", "the client's secret "+r.peer.ClientSecret+" is known"
	_, err := r.ann.FinishOAuth(t.Context(), cb)
	clean(t, "the answer", wanted(t, err, fault.OAuthFailed).Text, r.peer.ClientSecret)
	clean(t, "the trail", r.refusedTrail(), r.peer.ClientSecret)
}

// lockedLog is the text of a log.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestAbuseOAuthRefreshRepeatsWhatItWasTold: what is shown with the connector and
// written into the server's log.
func TestAbuseOAuthRefreshRepeatsWhatItWasTold(t *testing.T) {
	r := connected(t, time.Second)
	token := r.secretOf("refresh_token")
	for _, say := range []func(...string) string{saysAtOnce, saysAtTheEnd} {
		r.peer.Answer(400, say(token, r.peer.ClientSecret))
	}
	log := &lockedLog{}
	f := r.service.StartRefresher(t.Context(), control.RefresherConfig{Backoff: 20 * time.Millisecond, Floor: time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil))})
	defer f.Stop()
	r.until("both failures in the log", func() bool { return strings.Count(log.String(), "token not refreshed") >= 2 })
	clean(t, "the log", log.String(), token, r.peer.ClientSecret)
	if !strings.Contains(log.String(), "[masked]") {
		t.Errorf("the log does not say why: %s", log.String())
	}
	r.peer.Answer(400, saysAtOnce(token, r.peer.ClientSecret))
	for range 3 {
		r.peer.Answer(400, saysAtTheEnd(token, r.peer.ClientSecret))
	}
	r.until("a failure that is shown", func() bool { return r.stored().OAuth.Failure != "" })
	shown := strings.Join(r.read(r.id).Warnings, " ") + r.stored().OAuth.Failure
	clean(t, "the connector", shown, token, r.peer.ClientSecret)
}

// secretOf is the value of a secret of the connector.
func (r *oauthRig) secretOf(key string) string {
	r.t.Helper()
	raw, err := r.ann.Config(r.t.Context(), r.id, true)
	if err != nil {
		r.t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(raw, &config); err != nil {
		r.t.Fatal(err)
	}
	text, _ := config[key].(string)
	if text == "" {
		r.t.Fatalf("no %s in %s", key, raw)
	}
	return text
}

// TestAbuseOAuthGuestRepeatsTokens: nor are tokens shown that a guest got and puts
// into its error, though nobody has told them to the host yet.
func TestAbuseOAuthGuestRepeatsTokens(t *testing.T) {
	r, _ := newDriveRig(t, func(*abi.OAuth) {})
	cb := r.driven()
	const token = "ya29.A0ARrdaM-4qXbS7kq_9TzF"
	r.peer.Answer(400, `{"error":"invalid_request","error_description":"the code `+cb.Code+` gave `+token+` for `+r.peer.ClientSecret+`"}`)
	_, err := r.ann.FinishOAuth(t.Context(), cb)
	f := wanted(t, err, fault.OAuthFailed)
	detail := r.refusedTrail()
	for where, text := range map[string]string{"the answer": f.Text + f.Hint, "the trail": detail} {
		clean(t, where, text, cb.Code, token, r.peer.ClientSecret)
		if !strings.Contains(text, "invalid_request") {
			t.Errorf("%s does not say why: %s", where, text)
		}
	}
}
