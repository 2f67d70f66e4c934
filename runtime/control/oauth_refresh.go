package control

import (
	"bytes"
	"context"
	"encoding/json"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// When tokens are refreshed.
const (
	lookEvery      = 30 * time.Second // for tokens that somebody got meanwhile
	longestMargin  = 5 * time.Minute  // before a token ends
	shortestWait   = 50 * time.Millisecond
	shortestFloor  = 30 * time.Second // between two refreshes of a connector, whatever its server says
	refreshAnHour  = 60               // of a connector, in the long run
	refreshBurst   = 10               // of a connector, ahead of that
	refreshAtOnce  = 256
	refreshShare   = 4                // of one tenant
	refreshBackoff = 15 * time.Second // after the first failure; doubled with each
	refreshMost    = time.Hour
)

// RefresherConfig is what a Refresher is made of. Zero fields mean the defaults.
type RefresherConfig struct {
	Every   time.Duration // how often new tokens are looked for; 30 s
	Backoff time.Duration // after a first failure; 15 s
	Floor   time.Duration // between two refreshes of a connector; 30 s
	AnHour  int           // refreshes of a connector, in the long run; 60
	Log     *slog.Logger
}

// Refresher gets new access tokens for the connectors of all tenants before the
// old ones end. It is one goroutine, and one for each token that waits for its
// authorization server: of a tenant a few at once, so that servers that hang hold
// up nobody else's.
type Refresher struct {
	service *Service
	cfg     RefresherConfig
	cancel  context.CancelFunc
	done    chan struct{}
	ended   chan struct{} // of a refresh
	working sync.WaitGroup

	mu    sync.Mutex
	tries map[string]*try // by tenant and connector
	busy  map[string]int  // refreshes under way, by tenant
	all   int             // of them
}

// try is what is known of a connector's refreshes.
type try struct {
	underWay bool
	failures int       // since the last one that worked
	next     time.Time // not before, after failures
	paced    time.Time // when as many as are allowed are used up
}

// StartRefresher starts to refresh tokens, until Stop or the end of ctx.
func (s *Service) StartRefresher(ctx context.Context, cfg RefresherConfig) *Refresher {
	if cfg.Every <= 0 {
		cfg.Every = lookEvery
	}
	if cfg.Backoff <= 0 {
		cfg.Backoff = refreshBackoff
	}
	if cfg.Floor <= 0 {
		cfg.Floor = shortestFloor
	}
	if cfg.AnHour <= 0 {
		cfg.AnHour = refreshAnHour
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &Refresher{
		service: s, cfg: cfg, cancel: cancel, done: make(chan struct{}),
		ended: make(chan struct{}, 1), tries: map[string]*try{}, busy: map[string]int{},
	}
	go r.run(ctx)
	return r
}

// Stop ends the refresher. A token that is on its way is still stored; Stop waits
// for that. A nil one has stopped.
func (r *Refresher) Stop() {
	if r == nil {
		return
	}
	r.cancel()
	<-r.done
}

func (r *Refresher) run(ctx context.Context) {
	defer close(r.done)
	defer r.working.Wait()
	for {
		began := time.Now()
		next := r.pass(ctx)
		// However much there is to do, most of the time is not spent on looking.
		rest := max(shortestWait, 4*time.Since(began))
		if !r.sleep(ctx, rest, nil) || !r.sleep(ctx, min(time.Until(next), r.cfg.Every)-rest, r.ended) {
			return
		}
	}
}

// sleep waits, until something is sent to wake; false: ctx has ended.
func (r *Refresher) sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	wait := time.NewTimer(max(d, 0))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// pass begins to refresh whatever is due, and answers when the next is. It waits
// for none of them.
func (r *Refresher) pass(ctx context.Context) (next time.Time) {
	next = time.Now().Add(r.cfg.Every)
	known := map[string]bool{}
	for id := range r.service.cfg.Supervisor.Tenants() {
		t, err := r.service.Tenant(id)
		var due map[string]time.Time
		if err == nil {
			t = t.By(identity.OfServer(id))
			due, err = t.dueTokens(ctx, r.cfg.Floor)
		}
		if err != nil {
			if ctx.Err() == nil {
				r.cfg.Log.Warn("tokens not looked for", "tenant", id, "error", err)
			}
			continue
		}
		for connector, at := range due {
			key := id + "/" + connector
			known[key] = true
			if at = r.begin(id, key, at); !at.IsZero() {
				next = minTime(next, at)
				continue
			}
			r.working.Go(func() { r.refresh(ctx, t, key, connector) })
		}
	}
	r.forget(known)
	return next
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func maxTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// begin takes a place for a refresh that is due at a time; else it answers when
// to ask again. One for which there is no place is asked about when another ends.
func (r *Refresher) begin(tenant, key string, at time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	held := r.tries[key]
	if held == nil {
		held = &try{}
		r.tries[key] = held
	}
	each := time.Hour / time.Duration(r.cfg.AnHour)
	at = maxTime(maxTime(at, held.next), held.paced.Add(-(refreshBurst-1)*each))
	switch {
	case at.After(now):
		return at
	case held.underWay || r.busy[tenant] >= refreshShare || r.all >= refreshAtOnce:
		return now.Add(r.cfg.Every)
	}
	held.underWay = true
	held.paced = maxTime(held.paced, now).Add(each)
	r.busy[tenant]++
	r.all++
	return time.Time{}
}

// refresh refreshes one, and backs off when that fails.
func (r *Refresher) refresh(ctx context.Context, t *Tenant, key, connector string) {
	err := t.refreshTokens(ctx, connector)
	if err != nil && ctx.Err() == nil {
		r.cfg.Log.Warn("token not refreshed", "tenant", t.id, "connector", connector, "error", t.cleanError(err))
	}
	r.end(t.id, key, err)
	select {
	case r.ended <- struct{}{}:
	default: // the loop is woken already
	}
}

func (r *Refresher) end(tenant, key string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.busy[tenant]--; r.busy[tenant] == 0 {
		delete(r.busy, tenant)
	}
	held := r.tries[key]
	held.underWay = false
	if err == nil {
		held.failures, held.next = 0, time.Time{}
		return
	}
	wait := min(r.cfg.Backoff<<min(held.failures, 20), refreshMost)
	held.failures++
	held.next = time.Now().Add(time.Duration(float64(wait) * (0.9 + 0.2*rand.Float64()))) //nolint:gosec // jitter needs no secrecy
}

// forget lets go of what is known of connectors that are gone, or have no tokens
// any more.
func (r *Refresher) forget(known map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, held := range r.tries {
		if !known[key] && !held.underWay {
			delete(r.tries, key)
		}
	}
}

// dueTokens says when which connectors' tokens are to be refreshed: each refresh
// is a request, a write and a swap, so that a server whose tokens live for a
// second is not asked each second.
func (t *Tenant) dueTokens(ctx context.Context, floor time.Duration) (due map[string]time.Time, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		due = map[string]time.Time{}
		for e, err := range store.All(r, store.Connectors, "") {
			if err != nil {
				return err
			}
			if !bytes.Contains(e.Value, []byte(`"oauth"`)) {
				continue // most have none, and to decode them takes its time
			}
			var c spec.Connector
			if err := json.Unmarshal(e.Value, &c); err != nil {
				continue // it says so itself when it is to run
			}
			if at, ok := refreshAt(&c); ok {
				due[e.ID] = maxTime(at, c.OAuth.Refreshed.Add(floor))
			}
		}
		return nil
	})
	return due, err
}

// refreshAt is when a connector's token is to be refreshed: a tenth of its life
// before its end, at most five minutes, and a little earlier by a share that each
// connector has of its own, so that those that were connected together are not
// refreshed together.
func refreshAt(c *spec.Connector) (time.Time, bool) {
	o := c.OAuth
	if o == nil || o.Stopped || o.ExpiresAt.IsZero() {
		return time.Time{}, false
	}
	margin := min(o.ExpiresAt.Sub(o.Refreshed)/10, longestMargin)
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.ID))
	share := time.Duration(float64(margin) * float64(h.Sum32()%1000) / 1000)
	return o.ExpiresAt.Add(-margin - share), true
}

// refreshTokens trades a connector's refresh token for new tokens (RFC 6749, 6).
func (t *Tenant) refreshTokens(ctx context.Context, id string) error {
	p, err := t.oauthParty(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	if _, due := refreshAt(&p.connector); !due {
		return nil
	}
	seen := p.connector.OAuth.Refreshed
	got, err := t.refreshGrant(ctx, &p)
	if err != nil {
		if ctx.Err() != nil {
			return err // a stop is no failure
		}
		over := ended(err)
		err = t.cleanError(err)
		t.noteFailure(ctx, id, seen, err, over)
		return err
	}
	err = t.keepTokens(ctx, &p, p.storable(got), got, func(_ store.Writer, c *spec.Connector) error {
		if c.OAuth == nil || !c.OAuth.Refreshed.Equal(seen) {
			return errOtherTokens()
		}
		return nil
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.StaleRevision) {
		return nil
	}
	return err
}

// errOtherTokens says that somebody connected the connector while its tokens
// were refreshed: theirs are the newer ones.
func errOtherTokens() error {
	return fault.New(fault.StaleRevision, "the connector has other tokens now")
}

func (t *Tenant) refreshGrant(ctx context.Context, p *oauthParty) (tokens, error) {
	switch {
	case p.endpoints().TokenURL == "":
		return tokens{}, oauthRefused("its module names no token endpoint", grantEnded, "")
	case p.client.RefreshToken == "":
		return tokens{}, oauthRefused("it has no refresh token", grantEnded, "")
	}
	t.hideParty(p)
	form := p.form("refresh_token")
	form.Set("refresh_token", p.client.RefreshToken)
	return t.askTokens(ctx, p, form)
}

// noteFailure shows with the connector why its tokens were not refreshed, over
// says whether for good. What
// only a person can mend is not tried again.
func (t *Tenant) noteFailure(ctx context.Context, id string, seen time.Time, cause error, over bool) {
	err := t.space.Update(ctx, func(w store.Writer) error {
		c, err := find(w, id)
		if err != nil {
			return err
		}
		if c.OAuth == nil || !c.OAuth.Refreshed.Equal(seen) {
			return errOtherTokens()
		}
		c.OAuth.Failure, c.OAuth.Stopped = fault.Clip(fault.Of(cause).Text, maxOAuthText), over
		if c.OAuth.Stopped {
			e := t.event(identity.ConnectorConnect, &c)
			e.Outcome, e.Code, e.Detail = identity.Refused, fault.Of(cause).Kind.String(), "ended: "+c.OAuth.Failure
			if err := identity.Append(w, e); err != nil {
				return err
			}
		}
		return save(w, &c)
	})
	_ = err // the cause is returned, and tried again
}
