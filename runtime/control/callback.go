package control

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
)

// How often, and how patiently, a callback is tried.
const (
	callbackTries    = 4
	callbackTimeout  = 10 * time.Second
	callbackFirst    = time.Second // before the second try; each further one waits four times as long
	callbackLonger   = 4
	maxCallbackURL   = 2048
	maxCallbackError = 256
)

// typeCloudEvent is the content type of an event in the structured mode of
// CloudEvents 1.0.
const typeCloudEvent = "application/cloudevents+json"

// caller posts a ticket to where its caller wants it.
type caller struct {
	url    string
	client *http.Client
	tenant string
	form   func(Ticket) (json.RawMessage, error)
}

// callback is the way to a callback's URL; nil: there is none. What the tenant
// may not grant to a connector, it may not call back either.
func (t *Tenant) callback(text string) (*caller, error) {
	if text == "" {
		return nil, nil
	}
	if t.cfg.Egress == nil {
		return nil, fault.New(fault.Unsupported, "this server has no way out").WithHint("Ask the operator of the server.")
	}
	if len(text) > maxCallbackURL {
		return nil, wrongCallback("has at most 2048 bytes")
	}
	u, err := egress.Canonical(text)
	if err != nil {
		return nil, wrongCallback(fault.Of(err).Text)
	}
	g := spec.Grant{
		Group: groupHTTP, Resources: []string{u.Scheme + "://" + u.Host + "/*"},
		Rights: []spec.Right{spec.Read, spec.Write}, Reason: "to call back",
	}
	if err := t.mayGrant([]spec.Grant{g}); err != nil {
		return nil, err
	}
	g.Resources = append(g.Resources, t.callbackNetworks()...)
	rules, err := egress.NewRules([]spec.Grant{g})
	if err != nil {
		return nil, err
	}
	if err := rules.Check(http.MethodPost, u); err != nil {
		return nil, err
	}
	return &caller{url: u.String(), client: t.cfg.Egress.Client(rules.Within(t.runtime.Purse()))}, nil
}

func wrongCallback(detail string) error {
	return fault.New(fault.Invalid, "callback: %s", detail).WithFields(fault.Field{Pointer: "/callback", Detail: detail})
}

// callbackNetworks are the private networks that a callback may be in: those
// that the tenant may grant. Where it may grant all of them, an administrator may
// call back to all of them.
func (t *Tenant) callbackNetworks() (networks []string) {
	list := t.runtime.Ceiling().Grantable
	if list == nil && t.operates() && t.as.Role.Includes(identity.Admin) {
		return []string{networkMark + "0.0.0.0/0", networkMark + "::/0"}
	}
	for _, g := range list {
		if g.Group != groupHTTP {
			continue
		}
		for _, r := range g.Resources {
			if strings.HasPrefix(r, networkMark) {
				networks = append(networks, r)
			}
		}
	}
	return networks
}

// call posts the ticket, until it is taken or all tries are used up.
func (c *caller) call(ctx context.Context, h *heldTicket) {
	defer c.client.CloseIdleConnections()
	select {
	case h.set.calls <- struct{}{}:
		defer func() { <-h.set.calls }()
	case <-ctx.Done():
		return
	}
	event, err := c.event(h.now())
	if err != nil {
		h.called(CallbackFailed, err)
		return
	}
	wait := callbackFirst
	for try := 1; ; try++ {
		again, err := c.post(ctx, event)
		switch {
		case err == nil:
			h.called(CallbackDelivered, nil)
			return
		case !again || try == callbackTries || ctx.Err() != nil:
			h.called(CallbackFailed, err)
			return
		}
		h.called(CallbackWaiting, err)
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
		wait *= callbackLonger
	}
}

// event is the ticket in the envelope of CloudEvents. Its id is the ticket's, so
// that a callback that comes twice is known as one.
func (c *caller) event(ticket Ticket) ([]byte, error) {
	data, err := c.form(ticket)
	if err != nil {
		return nil, err
	}
	event := struct {
		SpecVersion string          `json:"specversion"`
		ID          string          `json:"id"`
		Source      string          `json:"source"`
		Type        string          `json:"type"`
		Subject     string          `json:"subject,omitempty"`
		Time        time.Time       `json:"time"`
		ContentType string          `json:"datacontenttype"`
		Data        json.RawMessage `json:"data"`
	}{
		"1.0", ticket.ID, "/tenants/" + url.PathEscape(c.tenant) + "/connectors/" + ticket.Connector,
		"io.snaprail.ticket." + string(ticket.State), ticket.Device, ticket.Ended, typeJSON, data,
	}
	raw, err := json.Marshal(event)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "callback")
	}
	return raw, nil
}

// post tries once. again reports whether another try may help.
func (c *caller) post(ctx context.Context, event []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callbackTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(event))
	if err != nil {
		return false, fault.Wrap(fault.Invalid, err, "callback")
	}
	r.Header.Set("Content-Type", typeCloudEvent)
	resp, err := c.client.Do(r)
	if err != nil {
		f := egress.Explain(err)
		return !fault.Is(f, fault.EgressForbidden), f
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10)) // so that the connection can be used again
	switch {
	case resp.StatusCode/100 == 2:
		return false, nil
	case resp.StatusCode >= http.StatusInternalServerError, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		again = true
	}
	return again, fault.New(fault.Unreachable, "the callback answered %d", resp.StatusCode)
}
