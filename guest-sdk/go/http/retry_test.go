package http_test

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/go/http"
)

func TestRetryAfter(t *testing.T) {
	in := func(d time.Duration) string { return time.Now().UTC().Add(d).Format("Mon, 02 Jan 2006 15:04:05 GMT") }
	for _, c := range []struct {
		text        string
		least, most time.Duration
	}{
		{"", 0, 0},
		{"7", 7 * time.Second, 7 * time.Second},
		{"-7", 0, 0},
		{"soon", 0, 0},
		{"1000000", time.Hour, time.Hour},
		{"99999999999999999999", 0, 0},
		{in(time.Minute), 50 * time.Second, time.Minute},
		{in(-time.Minute), 0, 0},
		{in(48 * time.Hour), time.Hour, time.Hour},
	} {
		if got := (http.Response{Headers: http.Headers{"retry-after": c.text}}).RetryAfter(); got < c.least || got > c.most {
			t.Errorf("%q: %v", c.text, got)
		}
	}
}
