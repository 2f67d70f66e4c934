package actor

import (
	"context"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// HostCall serves a host function for the engine, within the guest's limits.
// It runs on the goroutine that called the guest.
func (g *guest) HostCall(ctx context.Context, group, function string, in, out []byte) ([]byte, error) {
	own := g.own[group]
	if err := g.quota.call(own.draws, len(in)); err != nil {
		return nil, err
	}
	defer g.quota.ended(own.draws)
	reply, err := g.serve(ctx, own, group, function, in, out)
	g.quota.replied(len(reply))
	return reply, err
}

func (g *guest) serve(ctx context.Context, own end, group, function string, in, out []byte) ([]byte, error) {
	if g.rehearsal != nil && g.consumes(group, function) {
		return nil, fault.New(fault.Interlocked, "%s.%s: this is a dry run, and what it takes is the running module's", group, function)
	}
	if own.Session != nil {
		if g.candidate && g.consumes(group, function) {
			return nil, capability.Function{Name: function, Consumes: true}.Withheld(group)
		}
		if gr, _ := g.groups.Group(group); !capability.IsContained(gr) {
			if err := g.settled(ctx); err != nil {
				return nil, err
			}
		}
		g.input = in
		defer func() { g.input = nil }()
		return own.Call(ctx, function, in, out)
	}
	if group == abi.CoreGroup {
		return g.core(ctx, function, in, out)
	}
	gr, ok := g.groups.Group(group)
	if !ok {
		return nil, fault.New(fault.Unsupported, "no group %q", group)
	}
	if function == capability.OpenFunction {
		if err := g.settled(ctx); err != nil {
			return nil, err
		}
		return g.openSession(ctx, gr, in, out)
	}
	if d, ok := gr.(capability.Direct); ok && d.Direct(function) {
		return d.CallDirect(ctx, g.scope(group), function, in, out)
	}
	s, err := g.byHandle(in)
	if err != nil {
		return nil, err
	}
	if s.group != group {
		return nil, fault.New(fault.SessionClosed, "%s: the handle belongs to %s", group, s.group)
	}
	f, _ := capability.Find(gr, function)
	if err := g.mayCall(ctx, gr, f, s.resource); err != nil {
		g.refuse(group, function, s.resource, err)
		return nil, err
	}
	if f.Right == spec.Write && g.rehearsal != nil {
		return g.rehearsal.take(g, group, f, s.resource, in, out), nil
	}
	if f.Shapes {
		if d := g.draftOf(s); d != nil {
			return d.Call(ctx, function, in, out)
		}
	}
	if f.Right != spec.Read || f.Consumes {
		if err := g.settled(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.calls.enter(ctx); err != nil {
		return nil, err
	}
	defer s.calls.leave()
	return s.end.Call(ctx, function, in, out)
}

// settled waits until the guest's earlier steps are durable. What it does to the
// world outside may say that it has taken what it was handed, as an acknowledgement
// of its protocol does, and nobody may hear that before it is so (I1).
func (g *guest) settled(ctx context.Context) error {
	if g.loop == nil {
		return nil
	}
	return g.loop.settle(ctx)
}

// Denied takes a call to a group that was not granted, which the engine has
// refused.
func (g *guest) Denied(group, function string) {
	g.refusals.add(time.Now(), Refusal{Group: group, Function: function, Code: fault.Denied.String()})
}

// refuse counts a call that was refused for want of a right. What it asked for
// is kept and logged, and the guest has made it up.
func (s *surroundings) refuse(group, function, resource string, err error) {
	s.refusals.add(time.Now(), Refusal{
		Group: group, Function: function, Resource: strings.Clone(fault.Clip(s.masked(resource), maxRefused)),
		Code: fault.Of(err).Kind.String(),
	})
}

func (g *guest) mayCall(ctx context.Context, gr capability.Group, f capability.Function, resource string) error {
	group := gr.Name()
	var err error
	if f.Right != "" {
		err = capability.CheckIn(gr, grantsOf(g.grants, group), resource, f.Right)
	}
	if g.candidate && g.rehearsal == nil && err == nil { // what it may never do a test is to learn
		err = f.Withheld(group)
	}
	if f.Right == "" || err != nil {
		return err
	}
	if f.Right == spec.Write && g.rehearsal == nil {
		return g.interlocked(ctx, group, f.Name, resource)
	}
	return nil
}

// caller is a guest as its own session of a group sees it.
type caller struct {
	guest *guest
	group string
}

// Allow implements capability.Caller.
func (c caller) Allow(ctx context.Context, function string, right spec.Right) error {
	if right == spec.Write && c.guest.rehearsal != nil {
		group, _ := c.guest.groups.Group(c.group)
		f, _ := capability.Find(group, function)
		c.guest.rehearsal.take(c.guest, c.group, f, "", c.guest.input, nil)
		return fault.New(fault.Interlocked, "%s.%s: this is a dry run", c.group, function)
	}
	if right == spec.Write && c.guest.candidate {
		return fault.New(fault.NotActive, "%s.%s: the running version still owns the writes", c.group, function)
	}
	if right != spec.Write {
		return nil
	}
	err := c.guest.interlocked(ctx, c.group, function, "")
	if err != nil {
		c.Refused(function, "", err)
	}
	return err
}

// Refused implements capability.Caller.
func (c caller) Refused(function, resource string, err error) {
	c.guest.refuse(c.group, function, resource, err)
}

func (g *guest) core(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	if function == "health" {
		return out[:0], g.declare(in)
	}
	if g.loop == nil {
		return nil, g.notTheLanes(function)
	}
	switch function {
	case "receive":
		return g.loop.receive(ctx, in, out)
	case "emit":
		return g.loop.emit(ctx, in, out)
	}
	return nil, fault.New(fault.Unsupported, "no host function core.%s", function)
}
