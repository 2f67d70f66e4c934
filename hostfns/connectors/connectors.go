// Package connectors is the group through which a connector calls others of its
// tenant: by their names, which its grants say, and through their mailboxes, as
// anybody else asks them. The right to read is for queries, the right to write
// for everything else. The composition root builds the Group; nobody else
// imports it.
package connectors

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

const (
	name         = "connectors"
	functionCall = "call"
)

// maxName is the bytes of a connector's name: 255 characters.
const maxName = 1020

// Group is the way to other connectors.
type Group struct{}

// New is the group.
func New() *Group { return &Group{} }

// Name implements capability.Group.
func (*Group) Name() string { return name }

// Inward marks the group as one that reaches the tenant's own connectors alone.
func (*Group) Inward() {}

// Functions implements capability.Group. The right depends on what is sent, so
// that the session checks it.
func (*Group) Functions() []capability.Function {
	return []capability.Function{{Name: functionCall, Sentence: "ask and command the other connectors that it is granted"}}
}

// Target implements capability.Group: there is nothing to open.
func (*Group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

// Open implements capability.Group.
func (*Group) Open(_ context.Context, scope capability.Scope, _ []byte) (capability.Session, error) {
	return session{scope}, nil
}

type session struct{ scope capability.Scope }

// Call implements capability.Session. It waits until the connector has answered,
// and for no longer than the caller's call has.
func (s session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	if function != functionCall {
		return nil, fault.New(fault.Unsupported, "no host function connectors.%s", function)
	}
	var req abi.ConnectorCall
	if err := req.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "connectors.call")
	}
	if req.Connector == "" || len(req.Connector) > maxName || req.Message == nil || abi.EntryFor(req.Message.Type) == "" {
		return nil, fault.New(fault.Invalid, "connectors.call: it takes the name of a connector and a message of a known type")
	}
	if err := s.may(ctx, &req); err != nil {
		return nil, err
	}
	if s.scope.Peers == nil {
		return nil, fault.New(fault.NotFound, "connectors.call: there are no other connectors here")
	}
	replies, err := s.scope.Peers.Call(ctx, strings.Clone(req.Connector), req.Message.Clone(), timeout(req.TimeoutMS), req.OneWay)
	if err != nil {
		return nil, err
	}
	return (&abi.ConnectorReplies{Replies: replies}).Append(out[:0]), nil
}

// may refuses a call that no grant covers.
func (s session) may(ctx context.Context, req *abi.ConnectorCall) error {
	right := spec.Write
	if req.Message.Type == abi.MessageQuery {
		right = spec.Read
	}
	err := capability.Check(name, s.scope.Grants, req.Connector, right)
	if s.scope.Caller == nil {
		return err
	}
	if err != nil {
		s.scope.Caller.Refused(functionCall, req.Connector, err)
		return err
	}
	return s.scope.Caller.Allow(ctx, functionCall, right)
}

func timeout(ms uint64) time.Duration {
	return time.Duration(min(ms, math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
}

// Close implements capability.Session.
func (session) Close(context.Context) error { return nil }
