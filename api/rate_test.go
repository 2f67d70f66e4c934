package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestRatesRefill(t *testing.T) {
	r := newRates()
	now := time.Unix(1e9, 0)
	most := perMinute{requests: 60, changes: 6}
	for i := range 6 {
		requests, changes := r.take("a", most, true, now)
		if requests.wait > 0 || changes.wait > 0 || requests.whole != uint64(59-i) || changes.whole != uint64(5-i) {
			t.Fatalf("%d: %+v %+v", i, requests, changes)
		}
	}
	requests, changes := r.take("a", most, true, now)
	if requests.wait > 0 || changes.wait != 10*time.Second || requests.whole != 54 {
		t.Errorf("%+v %+v: a refused change takes no request", requests, changes)
	}
	for range 54 {
		if requests, _ := r.take("a", most, false, now); requests.wait > 0 {
			t.Fatalf("%+v", requests)
		}
	}
	if requests, _ := r.take("a", most, false, now); requests.wait != time.Second || requests.full != time.Minute {
		t.Errorf("%+v", requests)
	}
	if requests, _ := r.take("b", most, true, now); requests.wait > 0 {
		t.Errorf("another tenant waits: %+v", requests)
	}
	now = now.Add(10 * time.Second)
	if requests, changes := r.take("a", most, true, now); requests.wait > 0 || changes.wait > 0 || requests.whole != 9 {
		t.Errorf("%+v %+v", requests, changes)
	}
	now = now.Add(time.Hour)
	if requests, _ := r.take("a", most, false, now); requests.whole != 59 {
		t.Errorf("it holds more than its limit: %+v", requests)
	}
}

func TestRatesForget(t *testing.T) {
	r := newRates()
	now := time.Unix(1e9, 0)
	for i := range 3 * manyTenants {
		r.take(itoa(i), perMinute{1, 1}, false, now)
		now = now.Add(time.Minute)
	}
	if len(r.tenants) > manyTenants {
		t.Errorf("%d tenants are remembered", len(r.tenants))
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
		r.api.rates.take("plant", perMinute{defaultRequests, defaultChanges}, true, time.Now())
	}
	endless := &endless{left: 1 << 30}
	var got reply
	r.until("the changes are used up", func() bool {
		got = r.do(r.request("POST", "/api/connectors", endless))
		return got.status == http.StatusTooManyRequests
	})
	got.problem(fault.RateLimited)
	if got.header.Get("Retry-After") != "1" || endless.left < 1<<30-16<<20 {
		t.Errorf("%v, %d bytes read", got.header, 1<<30-endless.left)
	}
	if p := r.call("POST", "/api/done", "{}", withKey("k")); p.status != http.StatusOK { // unless a change has come back meanwhile
		p.problem(fault.RateLimited)
	} else {
		t.Error("an answer that was kept is given as often as anybody likes")
	}
	r.call("GET", "/api/limits", "").ok(http.StatusOK, nil)
	r.call("POST", "/api/connectors", "{}", header("Authorization", "Bearer "+r.other)).problem(fault.Invalid)
}
