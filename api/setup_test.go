package api

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

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

// TestSlowFormsAreCutOff: a stranger who sends a form byte by byte does not hold
// its connection.
func TestSlowFormsAreCutOff(t *testing.T) {
	r := newRig(t)
	r.api.pace.silence = 200 * time.Millisecond
	conn := r.dial()
	_, err := io.WriteString(conn, "POST /setup HTTP/1.1\r\nHost: x\r\nContent-Type: "+mediaForm+"\r\nContent-Length: 16000\r\n\r\nlink=s")
	r.must(err)
	began := time.Now()
	if _, err := io.Copy(io.Discard, conn); err != nil || time.Since(began) > 15*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
