package api

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

func TestRatesRefill(t *testing.T) {
	r := newRates()
	now := time.Unix(1e9, 0)
	most := perMinute{requests: 60, changes: 6}
	for i := range 6 {
		requests, changes := r.take("a", everybody, most, true, now)
		if requests.wait > 0 || changes.wait > 0 || requests.whole != uint64(59-i) || changes.whole != uint64(5-i) {
			t.Fatalf("%d: %+v %+v", i, requests, changes)
		}
	}
	requests, changes := r.take("a", everybody, most, true, now)
	if requests.wait > 0 || changes.wait != 10*time.Second || requests.whole != 54 {
		t.Errorf("%+v %+v: a refused change takes no request", requests, changes)
	}
	for range 54 {
		if requests, _ := r.take("a", everybody, most, false, now); requests.wait > 0 {
			t.Fatalf("%+v", requests)
		}
	}
	if requests, _ := r.take("a", everybody, most, false, now); requests.wait != time.Second || requests.full != time.Minute {
		t.Errorf("%+v", requests)
	}
	if requests, _ := r.take("b", everybody, most, true, now); requests.wait > 0 {
		t.Errorf("another tenant waits: %+v", requests)
	}
	now = now.Add(10 * time.Second)
	if requests, changes := r.take("a", everybody, most, true, now); requests.wait > 0 || changes.wait > 0 || requests.whole != 9 {
		t.Errorf("%+v %+v", requests, changes)
	}
	now = now.Add(time.Hour)
	if requests, _ := r.take("a", everybody, most, false, now); requests.whole != 59 {
		t.Errorf("it holds more than its limit: %+v", requests)
	}
}

// TestNobodyStarvesTheirAdministrators: each who is none has half, all of them
// together three quarters, and the administrators what is left at least.
func TestNobodyStarvesTheirAdministrators(t *testing.T) {
	r := newRates()
	now := time.Unix(1e9, 0)
	most := perMinute{requests: 80, changes: 40}
	all := func(who string, change bool) (n int) {
		for ; n < 1000; n++ {
			requests, changes := r.take("plant", who, most, change, now)
			if requests.wait > 0 || (change && changes.wait > 0) {
				return n
			}
		}
		return n
	}
	for _, step := range []struct {
		who    string
		change bool
		want   int
	}{{"user eve", true, 20}, {"token x", true, 10}, {everybody, true, 10}, {"token x", false, 30}, {"user eve", false, 0}, {everybody, false, 10}} {
		if got := all(step.who, step.change); got != step.want {
			t.Errorf("%q had %d (changes: %t), want %d", step.who, got, step.change, step.want)
		}
	}
	if n := all("user eve", true); n != 0 {
		t.Errorf("%d more", n)
	}
	now = now.Add(time.Hour)
	if n := all(everybody, true); n != 40 {
		t.Errorf("an administrator alone has %d", n)
	}
	if requests, changes := r.take("small", "user eve", perMinute{1, 1}, true, now); requests.wait > 0 || changes.wait > 0 {
		t.Error("a share of little is nothing")
	}
}

// TestViewersLeaveTheirAdministratorsRoom: what a viewer asks for, refused or not,
// leaves an administrator room to revoke their token.
func TestViewersLeaveTheirAdministratorsRoom(t *testing.T) {
	r := newRig(t)
	ada := r.browser("ada", identity.Viewer)
	var token client.NewToken
	r.call(http.MethodPost, "/api/tokens", `{"name":"leaked","own":true}`, ada).ok(http.StatusCreated, &token)
	leaked := header("Authorization", "Bearer "+token.Secret)
	r.until("the viewer is held up", func() bool {
		for range 500 {
			if p := r.call(http.MethodPost, "/api/connectors", "{}", leaked); p.status == http.StatusTooManyRequests {
				return true
			}
		}
		return false
	})
	r.call(http.MethodPost, "/api/tokens", "{}", ada).problem(fault.RateLimited) // by whatever they come
	r.call(http.MethodDelete, "/api/tokens/"+token.ID, "", header("If-Match", "*")).ok(http.StatusNoContent, nil)
}

func TestRatesForget(t *testing.T) {
	r := newRates()
	now := time.Unix(1e9, 0)
	for i := range 3 * manySpenders {
		r.take(itoa(i), everybody, perMinute{1, 1}, false, now)
		now = now.Add(time.Minute)
	}
	if len(r.kept) > manySpenders {
		t.Errorf("%d tenants are remembered", len(r.kept))
	}
}

// TestRateOfTheAPI: whoever asks too often is told when to come again, before
// the body is read, and nobody else is held up.
func TestRateOfTheAPI(t *testing.T) {
	r := newRig(t)
	p := r.call("GET", "/api/limits", "")
	if got := p.header.Get(headerRatePolicy); got != `"requests";q=12000;w=60, "changes";q=3000;w=60` {
		t.Error(got)
	}
	if got := p.header.Get(headerRateLimit); !strings.HasPrefix(got, `"requests";r=11999;t=1`) {
		t.Error(got)
	}
	r.api.echo.POST("/api/done", r.api.authenticated(func(c echo.Context, _ *control.Tenant) error { return c.JSON(http.StatusOK, "done") }))
	r.call("POST", "/api/done", "{}", withKey("k")).ok(http.StatusOK, nil)
	for range defaultChanges {
		r.api.rates.take("plant", everybody, perMinute{defaultRequests, defaultChanges}, true, time.Now())
	}
	endless := &endless{left: 1 << 30}
	var got reply
	r.until("the changes are used up", func() bool {
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r.request("POST", "/api/connectors", endless))
		if err != nil {
			return false // cut off while it was sent, as a busy machine may
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		got = reply{r.t, resp.StatusCode, resp.Header, body}
		return err == nil && got.status == http.StatusTooManyRequests
	})
	got.problem(fault.RateLimited)
	if got.header.Get("Retry-After") != "1" || endless.left < 1<<30-16<<20 {
		t.Errorf("%v, %d bytes read", got.header, 1<<30-endless.left)
	}
	r.until("an answer that was kept is no longer given", func() bool { // 50 a second come back
		p := r.call("POST", "/api/done", "{}", withKey("k"))
		if p.status == http.StatusOK {
			r.api.rates.take("plant", everybody, perMinute{defaultRequests, defaultChanges}, true, time.Now())
			return false
		}
		p.problem(fault.RateLimited)
		return true
	})
	r.call("GET", "/api/limits", "").ok(http.StatusOK, nil)
	r.call("POST", "/api/connectors", "{}", header("Authorization", "Bearer "+r.other)).problem(fault.Invalid)
}
