package supervisor

import (
	"context"
	"encoding/json"
	nethttp "net/http"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/interlock"
	"github.com/snaprail/snaprail/runtime/spec"
)

// groupHTTP is the group that a deployment's HTTP resources are made through.
const groupHTTP = "http"

// Deploy calls deploy or tear_down of a throw-away guest of the connector's
// module, beside whatever runs: it is not opened, and its own sessions end with
// it. config takes the place of the connector's, and d is what the guest makes
// resources by. fault.Unsupported: the module has no such entry point.
func (t *Tenant) Deploy(ctx context.Context, c *spec.Connector, entry string, in abi.DeployInput, d capability.Deployment) (json.RawMessage, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "%s", entry)
	}
	if err := fits(entry, "input", raw); err != nil {
		return nil, err
	}
	asked := *c
	asked.Converter, asked.Params, asked.Config = nil, nil, in.Config
	v, release, err := t.loaded(ctx, &asked)
	if err != nil {
		return nil, err
	}
	defer release(context.WithoutCancel(ctx))
	h := t.newHost(c.ID)
	if err := h.countKept(ctx); err != nil {
		return nil, err
	}
	cfg := t.actorConfig(c.ID, "", sandboxed{h})
	cfg.Account, cfg.Deployment = t.account(c.ID)+"/deploy", d
	a := actor.New(cfg)
	defer func() {
		if err := a.Close(context.WithoutCancel(ctx)); err != nil {
			t.notes.Warn("session not closed", "connector", c.ID, "error", err)
		}
	}()
	out, err := a.Ask(ctx, v, entry, raw)
	if err == nil {
		err = fits(entry, "answer", out)
	}
	if err == nil && len(out) > 0 && !json.Valid(out) {
		err = fault.New(fault.GuestOutput, "%s answered what is no JSON", entry)
	}
	if err != nil {
		return nil, t.maskedFault(err)
	}
	return t.vault.Mask().Bytes(out), nil
}

// Request sends one request for a connector, under its grants of the group http
// and with its named secrets, as a guest of it would. What a grant with an
// interlock covers is not written to, whatever other grants cover it: no message
// is there that the interlock could judge. The body has no
// more than was asked for, and what is longer is an error. Errors and the reply
// are free of secrets.
func (t *Tenant) Request(ctx context.Context, c *spec.Connector, q *abi.HTTPRequest) (reply abi.HTTPResponse, err error) {
	group, ok := t.super.cfg.Groups.Group(groupHTTP)
	if !ok {
		return reply, fault.New(fault.Unsupported, "this server has no group http")
	}
	q, err = unlocked(c.Grants, q)
	if err != nil {
		return reply, err
	}
	config, err := t.config(ctx, c)
	if err != nil {
		return reply, err
	}
	h := t.newHost(c.ID)
	session, err := group.Open(ctx, capability.Scope{
		Grants: plainGrants(c.Grants, groupHTTP), Owner: c.ID, Log: h.notes, Purse: t.purse,
		Secrets: actor.SecretsOf(config, c.Grants, h.Secret),
	}, nil)
	if err != nil {
		return reply, err
	}
	defer func() { t.closed(session.Close(context.WithoutCancel(ctx))) }()
	out, err := session.Call(ctx, "request", q.Append(nil), nil)
	if err != nil {
		return reply, t.maskedFault(err)
	}
	if err := reply.Decode(out); err != nil {
		return reply, fault.Wrap(fault.Internal, err, "http")
	}
	reply.Body = t.vault.Mask().Bytes(reply.Body)
	return reply, nil
}

// unlocked refuses a request that would write to what an interlock covers. Where
// there is one, a request that writes follows no redirect: it may lead there.
func unlocked(all []spec.Grant, q *abi.HTTPRequest) (*abi.HTTPRequest, error) {
	method := strings.ToUpper(q.Method)
	if method == "" {
		method = nethttp.MethodGet
	}
	if egress.RightOf(method) != spec.Write {
		return q, nil
	}
	var locks []spec.Grant
	for _, g := range interlock.Locked(all) {
		if g.Group == groupHTTP {
			locks = append(locks, g)
		}
	}
	if len(locks) == 0 {
		return q, nil
	}
	bounds, err := egress.NewRules(locks)
	if err != nil {
		return nil, err
	}
	to, err := egress.Canonical(q.URL)
	if err != nil {
		return nil, err
	}
	if bounds.Check(method, to) == nil {
		return nil, fault.New(fault.Interlocked, "http.request: the grant that covers %s has an interlock, and no message is there that it could judge",
			fault.Clip(q.URL, 256)).WithHint("Give the connector a grant without an interlock for what is deployed, beside that of the device.")
	}
	here, none := *q, uint32(0)
	here.Redirects = &none
	return &here, nil
}

// plainGrants are the connector's for a group, without the right to write of those
// that have an interlock.
func plainGrants(all []spec.Grant, group string) (grants []spec.Grant) {
	for _, g := range all {
		if g.Group != group {
			continue
		}
		if g.Interlock != nil {
			g.Rights = slices.DeleteFunc(slices.Clone(g.Rights), func(r spec.Right) bool { return r == spec.Write })
			g.Interlock = nil
		}
		grants = append(grants, g)
	}
	return grants
}
