package api

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
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
// changes something. Whoever is no administrator of it has a share of that, and
// all of those together have one, so that no credential but an administrator's
// keeps the administrators out. Use by several goroutines is safe.
type rates struct {
	mu   sync.Mutex
	kept map[spender]*allowance
}

// spender is a tenant, one identity of it, or all of those that are no
// administrators.
type spender struct{ tenant, who string }

// The spenders of a tenant that are no identities; an identity's begins with
// its kind.
const (
	everybody = ""
	others    = "others"
)

// perMinute is the most that a spender may have of both.
type perMinute struct{ requests, changes uint64 }

// part is a part of it, in quarters.
func (m perMinute) part(quarters uint64) perMinute {
	part := func(n uint64) uint64 { return max(1, n/4*quarters+n%4*quarters/4) } // n may be anything
	return perMinute{part(m.requests), part(m.changes)}
}

// What whoever is no administrator may have of a tenant's allowance, in
// quarters: each, and all together.
const (
	quartersOfEach   = 2
	quartersOfOthers = 3
)

// allowance is what one spender has left.
type allowance struct{ requests, changes bucket }

func newRates() *rates { return &rates{kept: map[spender]*allowance{}} }

// manySpenders is how many allowances are kept before those that are whole,
// and so say nothing, are forgotten.
const manySpenders = 4096

// take takes one request of a tenant's allowance, and one change if it is
// one. Both are taken, or none. who is the identity that asks, whose own share
// counts, too; everybody: an administrator, who has all of the tenant's.
func (r *rates) take(tenant, who string, most perMinute, change bool, now time.Time) (requests, changes left) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from := []*allowance{r.of(spender{tenant, everybody}, now)}
	share := []perMinute{most}
	if who != everybody {
		from = append(from, r.of(spender{tenant, others}, now), r.of(spender{tenant, who}, now))
		share = append(share, most.part(quartersOfOthers), most.part(quartersOfEach))
	}
	for i, a := range from {
		requests, changes = scarcer(i, requests, a.requests.look(share[i].requests, now)), scarcer(i, changes, a.changes.look(share[i].changes, now))
	}
	if requests.wait > 0 || (change && changes.wait > 0) {
		return requests, changes
	}
	for i, a := range from {
		requests = scarcer(i, requests, a.requests.spend(share[i].requests))
		if change {
			changes = scarcer(i, changes, a.changes.spend(share[i].changes))
		}
	}
	return requests, changes
}

// scarcer is the one of two of which less is left; the first one there is, is.
func scarcer(i int, a, b left) left {
	if i == 0 || b.wait > a.wait || (b.wait == a.wait && b.whole < a.whole) {
		return b
	}
	return a
}

func (r *rates) of(s spender, now time.Time) *allowance {
	a := r.kept[s]
	if a == nil {
		r.forget(now)
		a = &allowance{}
		r.kept[s] = a
	}
	return a
}

func (r *rates) forget(now time.Time) {
	if len(r.kept) < manySpenders {
		return
	}
	for s, a := range r.kept {
		if now.Sub(a.requests.at) > rateWindow {
			delete(r.kept, s)
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
func (t *bucket) spend(limit uint64) left {
	t.spent++
	l := t.state(limit)
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

// spenderOf is whose share of a tenant's allowance an identity spends: a user's
// by whatever session or token of their own they come.
func spenderOf(who identity.Identity) string {
	switch {
	case who.Role == identity.Admin:
		return everybody
	case who.User != "":
		return "user " + who.User
	}
	return string(who.Kind) + " " + who.ID
}

// limited takes a request of the tenant's allowance, and says in the answer's
// headers what is left. A message changes nothing of what the tenant has.
func (s *Server) limited(c echo.Context) error {
	change := changes(c.Request().Method) && !isMessage(c.Path())
	return s.spend(identityOf(c), change, c.Response().Header())
}

// isMessage reports whether a path of the router takes messages.
func isMessage(path string) bool {
	rest, ok := strings.CutPrefix(path, "/api/connectors/:id/")
	return ok && slices.ContainsFunc(messageKinds(), func(k messageKind) bool { return k.name == rest })
}

// spend takes a request of an identity's tenant's allowance. h is told what is
// left; nil: nobody is.
func (s *Server) spend(who identity.Identity, change bool, h http.Header) error {
	var most perMinute
	most.requests, most.changes = s.cfg.Control.Rates(who.Tenant)
	most.requests, most.changes = cmp.Or(most.requests, defaultRequests), cmp.Or(most.changes, defaultChanges)
	requests, changed := s.rates.take(who.Tenant, spenderOf(who), most, change, time.Now())
	if h != nil {
		h.Set(headerRatePolicy, fmt.Sprintf(`"requests";q=%d;w=60, "changes";q=%d;w=60`, requests.limit, changed.limit))
		h.Set(headerRateLimit, requests.text("requests")+", "+changed.text("changes"))
	}
	switch {
	case requests.wait > 0:
		return fault.New(fault.RateLimited, "you may ask for %d things a minute", requests.limit).WithRetryAfter(requests.wait)
	case change && changed.wait > 0:
		return fault.New(fault.RateLimited, "you may change %d things a minute", changed.limit).WithRetryAfter(changed.wait)
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
