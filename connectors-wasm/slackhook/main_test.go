package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// webhook plays Slack's side and keeps what was posted.
type webhook struct {
	status int // 0: as Slack does
	said   string
	posted []message
}

func (w *webhook) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	var m message
	body, _ := io.ReadAll(r.Body)
	switch err := json.Unmarshal(body, &m); {
	case w.status != 0:
		out.Header().Set("Retry-After", "7")
		http.Error(out, w.said, w.status)
	case r.URL.Path != "/services/T/B/X":
		http.Error(out, "no_service", http.StatusNotFound)
	case r.Method != http.MethodPost:
		http.Error(out, "method_not_allowed", http.StatusMethodNotAllowed)
	case err != nil || r.Header.Get("Content-Type") != "application/json":
		http.Error(out, "invalid_payload", http.StatusBadRequest)
	case m.Text == "":
		http.Error(out, "no_text", http.StatusBadRequest)
	default:
		w.posted = append(w.posted, m)
		_, _ = out.Write([]byte("ok"))
	}
}

const good = `{"url":"https://hooks.test/services/T/B/X","username":"Plant 3","channel":"#all"}`

func rig(t *testing.T) (*guesttest.Harness, *webhook) {
	t.Helper()
	peer := &webhook{}
	h := guesttest.New(t, &hook{})
	h.Web(peer)
	h.MustOpen(good)
	return h, peer
}

func TestTextsArePosted(t *testing.T) {
	h, peer := rig(t)
	if got := h.MustOperate("send", `{"text":"back to normal <ok> & \"fine\"","title":"Boiler","channel":"#ops"}`); got != `{"sent":true}` {
		t.Errorf("send answers %s", got)
	}
	h.MustOperate("send", `{"text":"x"}`)
	want := []message{
		{Text: "*Boiler*\nback to normal <ok> & \"fine\"", Channel: "#ops", Username: "Plant 3"},
		{Text: "x", Channel: "#all", Username: "Plant 3"},
	}
	if len(peer.posted) != 2 || peer.posted[0] != want[0] || peer.posted[1] != want[1] {
		t.Errorf("posted %+v", peer.posted)
	}
}

func TestWhatAWebhookSaysAgainstIt(t *testing.T) {
	h, peer := rig(t)
	for _, c := range []struct {
		status int
		said   string
		kind   abi.FaultKind
		wait   uint64
	}{
		{429, "", abi.FaultExhausted, 7000},
		{404, "no_service", abi.FaultUnauthenticated, 0},
		{400, "channel_not_found", abi.FaultInvalid, 0},
		{500, "<html>secret page</html>", abi.FaultUnavailable, 0},
	} {
		peer.status, peer.said = c.status, c.said
		_, err := h.Operate("send", `{"text":"x"}`)
		var fault *abi.Error
		if !errors.As(err, &fault) || fault.Kind != c.kind || fault.RetryAfterMS != c.wait {
			t.Errorf("%d: %#v", c.status, err)
		} else if says := strings.Contains(fault.Text, c.said); says == (c.status == 500) {
			t.Errorf("%d: %s", c.status, fault.Text)
		}
	}
	for _, args := range []string{`{}`, `{"text":"  "}`, `{"text":1}`, `{"text":"` + strings.Repeat("x", maxText+1) + `"}`} {
		if _, err := h.Operate("send", args); err == nil {
			t.Errorf("%.20s was sent", args)
		}
	}
	if len(peer.posted) > 0 {
		t.Errorf("posted %+v", peer.posted)
	}
}

// TestConnectionPostsNothing: a test tells a webhook that is alive from one that
// is not, and nobody sees it.
func TestConnectionPostsNothing(t *testing.T) {
	peer := &webhook{}
	h := guesttest.New(t, &hook{})
	h.Web(peer)
	for config, want := range map[string]bool{
		good: true, `{"url":"https://hooks.test/services/T/B/Y"}`: false, `{}`: false, `{"url":"file:///etc/passwd"}`: false,
	} {
		result, err := h.Test(config)
		if err != nil || result.Success != want || result.Message == "" || strings.Contains(result.Message, "hooks.test") {
			t.Errorf("%s: %+v, %v", config, result, err)
		}
	}
	if len(peer.posted) > 0 {
		t.Errorf("a test posted %+v", peer.posted)
	}
}
