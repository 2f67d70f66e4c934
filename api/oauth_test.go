package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// browser is a request as a browser makes it that another site sends here.
func browser(session string) []func(*http.Request) {
	edits := []func(*http.Request){
		header("Authorization", ""), header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
		header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate"),
	}
	if session != "" {
		edits = append(edits, header("Cookie", sessionCookie+"="+session))
	}
	return edits
}

// TestOAuthAnswersWithAnAction is S3.91: a program is told where a console goes.
func TestOAuthAnswersWithAnAction(t *testing.T) {
	w := newWorld(t)
	p := w.party()
	back := w.begun(p)
	if !strings.HasPrefix(back.String(), w.http.URL+callbackPath+p.provider+"?") {
		t.Fatalf("the browser is sent to %s", back)
	}
	var done client.OAuthResult
	w.call(http.MethodGet, back.RequestURI(), "").ok(http.StatusOK, &done)
	if done.Action != (client.Action{Type: "redirect", URL: "/connectors/" + p.id}) || done.Connector != p.id || !done.Test.Success {
		t.Errorf("%+v", done)
	}
	var c client.Connector
	answer := w.call(http.MethodGet, "/api/connectors/"+p.id, "")
	answer.ok(http.StatusOK, &c)
	if c.OAuth == nil || c.OAuth.ExpiresAt.IsZero() || c.Status != "connected" {
		t.Errorf("the connector shows %+v, %s", c.OAuth, c.Status)
	}
	for _, secret := range []string{"at-", "rt-", p.peer.ClientSecret} {
		if strings.Contains(string(answer.body), secret) || strings.Contains(w.log.String(), secret) {
			t.Errorf("%s is in the answer or in the log", secret)
		}
	}
	if code := back.Query().Get("code"); strings.Contains(w.log.String(), code) {
		t.Error("the code is in the log")
	}
}

// TestAbuseOAuthCallbackOfABrowser is case 32 as a browser does it: without a
// session nothing happens, with somebody else's neither, and no answer sends it
// to where a stranger likes.
func TestAbuseOAuthCallbackOfABrowser(t *testing.T) {
	w := newWorld(t)
	p := w.party()
	back := w.begun(p)
	at := back.RequestURI() + "&next=https%3A%2F%2Fevil.example&redirect_uri=//evil.example"

	first := w.call(http.MethodGet, at, "", browser("")...)
	page := string(first.body)
	if first.status != http.StatusOK || !strings.Contains(page, `http-equiv="refresh" content="0;url=`+callbackPath) || !strings.Contains(page, comeBack+"=1") {
		t.Errorf("at first: %d %s", first.status, page)
	}
	again := w.call(http.MethodGet, at+"&"+comeBack+"=1", "", browser("")...)
	if page = string(again.body); again.status != http.StatusUnauthorized || strings.Contains(page, "refresh") || !strings.Contains(page, "copy the address") {
		t.Errorf("then: %d %s", again.status, page)
	}
	for _, r := range []reply{first, again} {
		policy := r.header.Get("Content-Security-Policy")
		if r.header.Get("Location") != "" || !strings.Contains(policy, "default-src 'none'") || r.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("headers %v", r.header)
		}
	}
	if asked := p.peer.Asked(); len(asked) > 0 {
		t.Errorf("without a session the token endpoint was asked: %v", asked)
	}
	w.call(http.MethodGet, back.RequestURI(), "", header("Authorization", "Bearer "+w.newToken("plant"))).problem(fault.OAuthState)
	w.call(http.MethodGet, back.RequestURI(), "", header("Authorization", "Bearer "+w.other)).problem(fault.NotFound)
	w.call(http.MethodGet, back.RequestURI(), "").ok(http.StatusOK, nil) // who began it
	w.call(http.MethodGet, back.RequestURI(), "").problem(fault.OAuthState)
}

// TestOAuthPageIsInert: what a stranger puts into the address stays text.
func TestOAuthPageIsInert(t *testing.T) {
	w := newWorld(t)
	p := w.party()
	const evil = `"><script>alert(1)</script><meta http-equiv=refresh content=0;url=//evil.example>`
	q := url.Values{"state": {evil}, "error": {evil}, "error_description": {evil}, "code": {evil}}
	for _, more := range []string{"", "&" + comeBack + "=1"} {
		page := string(w.call(http.MethodGet, callbackPath+p.provider+"?"+q.Encode()+more, "", browser("")...).body)
		if strings.Contains(page, "<script") || strings.Contains(page, "url=//") || strings.Count(page, "<meta") > 3 {
			t.Errorf("%q: %s", more, page)
		}
	}
	page := w.call(http.MethodGet, "/api/connectors/oauth/callback/%22%3E%3Cscript%3E?x=%22onload=%22y", "", browser("")...)
	if strings.Contains(string(page.body), "<script") || strings.Contains(string(page.body), `"onload`) {
		t.Errorf("%s", page.body)
	}
}

// TestOAuthRedirectAddressOfAProxy: behind one, the server's own address is the
// one that it was told.
func TestOAuthRedirectAddressOfAProxy(t *testing.T) {
	w := newWorld(t)
	w.api.cfg.PublicURL = "https://rail.example/"
	p := w.party()
	var s client.OAuthStart
	w.call(http.MethodPost, "/api/connectors/"+p.id+"/oauth/start", "{}").ok(http.StatusOK, &s)
	u, err := url.Parse(s.AuthorizeURL)
	if err != nil || u.Query().Get("redirect_uri") != "https://rail.example"+callbackPath+p.provider {
		t.Errorf("%s, %v", s.AuthorizeURL, err)
	}
}

// TestOAuthStateIsNotKept: of the nonce nothing is stored but its digest, also
// when its caller has sent an Idempotency-Key.
func TestOAuthStateIsNotKept(t *testing.T) {
	w := newWorld(t)
	p := w.party()
	w.begun(p, withKey("o1"))
	again := w.call(http.MethodPost, "/api/connectors/"+p.id+"/oauth/start", "", withKey("o1"))
	again.problem(fault.Exists)
	if strings.Contains(string(again.body), "state") {
		t.Errorf("the state is given again: %s", again.body)
	}
}
