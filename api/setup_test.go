package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

// TestSetUpPageOfALinkThatHasEnded: a person is told so on a page, on whichever
// step; a program is told as of everything else.
func TestSetUpPageOfALinkThatHasEnded(t *testing.T) {
	r := newRig(t)
	nobody, browser := header("Authorization", ""), header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	for _, p := range []reply{
		r.call(http.MethodGet, "/setup?link=snl_usr_none_x", "", nobody, browser),
		r.call(http.MethodPost, "/setup", "link=snl_usr_none_x&password=a&again=a", nobody, browser, header("Content-Type", mediaForm)),
	} {
		if p.status != http.StatusUnauthorized || !strings.HasPrefix(p.header.Get("Content-Type"), typeHTML) ||
			!strings.Contains(string(p.body), "ask an administrator for a new link") || p.header.Get("Content-Security-Policy") != formPolicy {
			t.Errorf("%d %s: %s", p.status, p.header.Get("Content-Type"), p.body)
		}
	}
	r.call(http.MethodGet, "/setup?link=snl_usr_none_x", "", nobody).problem(fault.Unauthenticated)
}
