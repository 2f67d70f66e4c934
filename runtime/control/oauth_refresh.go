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
	refreshAtOnce  = 16
	refreshBackoff = 15 * time.Second // after the first failure; doubled with each
	refreshMost    = time.Hour
)

// RefresherConfig is what a Refresher is made of. Zero fields mean the defaults.
type RefresherConfig struct {
	Every   time.Duration // how often new tokens are looked for; 30 s
	Backoff time.Duration // after a first failure; 15 s
	Log     *slog.Logger
}

// Refresher gets new access tokens for the connectors of all tenants before the
// old ones end. It is one goroutine, and a few for the time that they wait for an
// authorization server.
type Refresher struct {
	service *Service
	cfg     RefresherConfig
	cancel  context.CancelFunc
	done    chan struct{}

	mu    sync.Mutex
	tries map[string]try // by tenant and connector
}

// try is what is known of a connector whose refresh has failed.
type try struct {
	failures int
	next     time.Time
}

// StartRefresher starts to refresh tokens, until Stop or the end of ctx.
func (s *Service) StartRefresher(ctx context.Context, cfg RefresherConfig) *Refresher {
	if cfg.Every <= 0 {
		cfg.Every = lookEvery
	}
	if cfg.Backoff <= 0 {
		cfg.Backoff = refreshBackoff
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &Refresher{service: s, cfg: cfg, cancel: cancel, done: make(chan struct{}), tries: map[string]try{}}
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
	for {
		next := r.pass(ctx)
		wait := time.NewTimer(min(max(time.Until(next), shortestWait), r.cfg.Every))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return
		}
	}
}

// pass refreshes whatever is due and answers when the next is.
func (r *Refresher) pass(ctx context.Context) (next time.Time) {
	var wait sync.WaitGroup
	places := make(chan struct{}, refreshAtOnce)
	next = time.Now().Add(r.cfg.Every)
	known := map[string]bool{}
	for id := range r.service.cfg.Supervisor.Tenants() {
		t, err := r.service.Tenant(id)
		var due map[string]time.Time
		if err == nil {
			t = t.By(identity.OfServer(id))
			due, err = t.dueTokens(ctx)
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
			if at = r.notBefore(key, at); at.After(time.Now()) {
				next = minTime(next, at)
				continue
			}
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				continue
			}
			next = time.Now() // for when the new token ends
			wait.Go(func() {
				defer func() { <-places }()
				r.refresh(ctx, t, key, connector)
			})
		}
	}
	wait.Wait()
	r.forget(known)
	return r.earliest(next)
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// notBefore holds a connector back whose last refresh has failed.
func (r *Refresher) notBefore(key string, at time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if held, failed := r.tries[key]; failed && held.next.After(at) {
		return held.next
	}
	return at
}

// refresh refreshes one, and backs off when that fails.
func (r *Refresher) refresh(ctx context.Context, t *Tenant, key, connector string) {
	err := t.refreshTokens(ctx, connector)
	if err != nil && ctx.Err() == nil {
		r.cfg.Log.Warn("token not refreshed", "tenant", t.id, "connector", connector, "error", t.cleanError(err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		delete(r.tries, key)
		return
	}
	held := r.tries[key]
	wait := min(r.cfg.Backoff<<min(held.failures, 20), refreshMost)
	held.failures++
	held.next = time.Now().Add(time.Duration(float64(wait) * (0.9 + 0.2*rand.Float64()))) //nolint:gosec // jitter needs no secrecy
	r.tries[key] = held
}

// forget lets go of what is known of connectors that are gone, or have no tokens
// any more.
func (r *Refresher) forget(known map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.tries {
		if !known[key] {
			delete(r.tries, key)
		}
	}
}

// earliest is the next time that something is due, with those that failed.
func (r *Refresher) earliest(next time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, held := range r.tries {
		next = minTime(next, held.next)
	}
	return next
}

// dueTokens says when which connectors' tokens are to be refreshed.
func (t *Tenant) dueTokens(ctx context.Context) (due map[string]time.Time, err error) {
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
				due[e.ID] = at
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
