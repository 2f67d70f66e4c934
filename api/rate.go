package api

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/fault"
)

// What a tenant may ask for in a minute when nobody has set it. A script that
// makes hundreds of connectors at once stays below it.
const (
	defaultRequests = 12000
	defaultChanges  = 3000
	rateWindow      = time.Minute
)

// The headers that say what is left (draft-ietf-httpapi-ratelimit-headers).
const (
	headerRateLimit  = "RateLimit"
	headerRatePolicy = "RateLimit-Policy"
)

// rates bound how often each tenant asks for something, and how often it
// changes something. Use by several goroutines is safe.
type rates struct {
	mu      sync.Mutex
	tenants map[string]*allowance
}

// perMinute is the most that a tenant may have of both.
type perMinute struct{ requests, changes uint64 }

// allowance is what one tenant has left.
type allowance struct{ requests, changes bucket }

func newRates() *rates { return &rates{tenants: map[string]*allowance{}} }

// manyTenants is how many allowances are kept before those that are whole,
// and so say nothing, are forgotten.
const manyTenants = 4096

// take takes one request of a tenant's allowance, and one change if it is
// one. Both are taken, or none.
func (r *rates) take(tenant string, most perMinute, change bool, now time.Time) (requests, changes left) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.tenants[tenant]
	if a == nil {
		r.forget(now)
		a = &allowance{}
		r.tenants[tenant] = a
	}
	requests, changes = a.requests.look(most.requests, now), a.changes.look(most.changes, now)
	if requests.wait > 0 || (change && changes.wait > 0) {
		return requests, changes
	}
	requests = a.requests.spend(requests)
	if change {
		changes = a.changes.spend(changes)
	}
	return requests, changes
}

func (r *rates) forget(now time.Time) {
	if len(r.tenants) < manyTenants {
		return
	}
	for tenant, a := range r.tenants {
		if now.Sub(a.requests.at) > rateWindow {
			delete(r.tenants, tenant)
		}
	}
}

// bucket holds so many requests, is full at first, and refills within the
// window.
type bucket struct {
	spent float64 // of the limit; 0: the bucket is full
	at    time.Time
}

// left is what a bucket has at one moment.
type left struct {
	limit uint64
	whole uint64        // requests that are there
	wait  time.Duration // until there is one; 0: there is
	full  time.Duration // until all are back
}

// look refills the bucket and says what is in it. A limit that was changed
// holds from now on.
func (t *bucket) look(limit uint64, now time.Time) left {
	each := rateWindow.Seconds() / float64(limit)
	if !t.at.IsZero() {
		t.spent = max(0, t.spent-now.Sub(t.at).Seconds()/each)
	}
	t.at = now
	return t.state(limit)
}

// spend takes one, which is there, and says what is left.
func (t *bucket) spend(l left) left {
	t.spent++
	l = t.state(l.limit)
	l.wait = 0 // that is for whoever comes next
	return l
}

func (t *bucket) state(limit uint64) left {
	each := rateWindow.Seconds() / float64(limit)
	there := float64(limit) - t.spent
	l := left{limit: limit, full: seconds(t.spent * each)}
	if there >= 1 {
		l.whole = uint64(there)
	} else {
		l.wait = seconds((1 - there) * each)
	}
	return l
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// limited takes a request of the tenant's allowance, and says in the answer's
// headers what is left.
func (s *Server) limited(c echo.Context) error {
	var most perMinute
	most.requests, most.changes = s.cfg.Control.Rates(identityOf(c).Tenant)
	most.requests, most.changes = cmp.Or(most.requests, defaultRequests), cmp.Or(most.changes, defaultChanges)
	change := changes(c.Request().Method)
	requests, changed := s.rates.take(identityOf(c).Tenant, most, change, time.Now())
	h := c.Response().Header()
	h.Set(headerRatePolicy, fmt.Sprintf(`"requests";q=%d;w=60, "changes";q=%d;w=60`, requests.limit, changed.limit))
	h.Set(headerRateLimit, requests.text("requests")+", "+changed.text("changes"))
	switch {
	case requests.wait > 0:
		return fault.New(fault.RateLimited, "the tenant may ask for %d things a minute", requests.limit).WithRetryAfter(requests.wait)
	case change && changed.wait > 0:
		return fault.New(fault.RateLimited, "the tenant may change %d things a minute", changed.limit).WithRetryAfter(changed.wait)
	}
	return nil
}

func (l left) text(name string) string {
	return fmt.Sprintf(`%q;r=%d;t=%d`, name, l.whole, int64(math.Ceil(l.full.Seconds())))
}

// changes reports whether a method is one of those that change something.
func changes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}
