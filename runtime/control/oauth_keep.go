package control

import (
	"context"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// keepTimeout is how long tokens that were got may take to be stored, whoever
// has stopped waiting: a refresh token that was rotated is not given again.
const keepTimeout = 20 * time.Second

// keepTokens stores tokens as secrets of their connector, and has the guest that
// runs swapped for one that has them. also says what else belongs into the same
// transaction.
func (t *Tenant) keepTokens(ctx context.Context, p *oauthParty, pairs map[string]string, got tokens, also func(store.Writer, *spec.Connector) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
	defer cancel()
	book, err := t.book(ctx)
	if err != nil {
		return err
	}
	id := p.connector.ID
	err = t.space.Update(ctx, func(w store.Writer) error {
		c, err := find(w, id)
		if err != nil {
			return err
		}
		schema, err := book.Schema(w, c.Module)
		if err != nil {
			return err
		}
		before, _ := c.TestKey()
		now := time.Now().UTC()
		if err := also(w, &c); err != nil {
			return err
		}
		if err := book.Upsert(w, &c, pairs, schema); err != nil {
			return err
		}
		if after, err := c.TestKey(); err == nil && c.Tested == before {
			c.Tested = after // another token of the same account is nothing to test anew
		}
		c.OAuth = got.facts(c.OAuth, now)
		c.Revision++
		c.Updated = now
		return save(w, &c)
	})
	if err == nil {
		t.runtime.Reconcile(id)
	}
	return err
}

// facts are what may be known of tokens that came just now.
func (got tokens) facts(was *spec.OAuthTokens, now time.Time) *spec.OAuthTokens {
	is := &spec.OAuthTokens{Refreshed: now}
	if was != nil {
		is.Account, is.Scopes = was.Account, was.Scopes
		if got.Refresh == "" {
			is.RefreshExpiresAt = was.RefreshExpiresAt // the refresh token is the one of before
		}
	}
	if got.Scope != "" {
		is.Scopes = strings.Fields(fault.Clip(got.Scope, maxScopeText))
	}
	if got.Expires > 0 {
		is.ExpiresAt = now.Add(time.Duration(got.Expires))
	}
	if got.RefreshExpires > 0 {
		is.RefreshExpiresAt = now.Add(time.Duration(got.RefreshExpires))
	}
	return is
}

// maxScopeText bounds what is kept of the scopes that a server names, in bytes.
const maxScopeText = 2 << 10

// connected notes who connected a connector. A test of before says nothing of
// another account.
func (t *Tenant) connected(w store.Writer, c *spec.Connector) error {
	c.Tested, c.OAuth, c.Status, c.StatusMessage = "", nil, spec.StatusDraft, ""
	e := t.event(identity.ConnectorConnect, c)
	e.Detail = "connected"
	return identity.Append(w, e)
}

// oauthWarnings say what a person should know of a connector's tokens.
func oauthWarnings(o *spec.OAuthTokens, now time.Time) (list []string) {
	const ahead = 7 * 24 * time.Hour
	switch {
	case o == nil:
		return nil
	case o.Stopped:
		return []string{"The service takes its authorization no more (" + o.Failure + "): connect it again."}
	case o.Failure != "":
		list = append(list, "Its token was not refreshed ("+o.Failure+"); the server tries again.")
	}
	if end := o.RefreshExpiresAt; !end.IsZero() && end.Sub(now) < ahead {
		list = append(list, "Its authorization ends at "+end.UTC().Format(time.RFC3339)+": connect it again before that.")
	}
	return list
}
