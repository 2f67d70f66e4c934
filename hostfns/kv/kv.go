// Package kv is the group of a connector's own key-value state. What a guest
// puts is staged, and becomes durable with the block of the step that put it,
// or not at all. Each lane of a connector has a state of its own. It reaches nothing outside of the connector, so it needs no
// grant. The composition root builds the Group; nobody else imports it.
package kv

import (
	"context"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The bounds of a key and of a value, in bytes.
const (
	MaxKey   = 256
	MaxValue = 64 << 10
)

// Group is the state of connectors.
type Group struct{}

// New is the group.
func New() *Group { return &Group{} }

// Name implements capability.Group.
func (*Group) Name() string { return "kv" }

// Contained marks the group as one that needs no grant.
func (*Group) Contained() {}

// Limit implements capability.Limited.
func (*Group) Limit() string { return spec.LimitKVCalls }

// Functions implements capability.Group.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: "get", Sentence: "read the connector's own state"},
		{Name: "put", Sentence: "change the connector's own state"},
	}
}

// Target implements capability.Group: there is nothing to open.
func (*Group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

// Open implements capability.Group.
func (*Group) Open(_ context.Context, scope capability.Scope, _ []byte) (capability.Session, error) {
	return session{scope.State}, nil
}

type session struct{ state capability.State }

// Call implements capability.Session.
func (s session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	switch function {
	case "get":
		return s.get(ctx, in, out)
	case "put":
		return out[:0], s.put(ctx, in)
	}
	return nil, fault.New(fault.Unsupported, "no host function kv.%s", function)
}

func (s session) get(ctx context.Context, in, out []byte) ([]byte, error) {
	var req abi.KVKey
	if err := req.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "kv.get")
	}
	if err := checkKey(req.Key); err != nil {
		return nil, err
	}
	value, found, err := s.state.Get(ctx, req.Key)
	if err != nil {
		return nil, err
	}
	return abi.KVValue{Found: found, Value: value}.Append(out[:0]), nil
}

func (s session) put(ctx context.Context, in []byte) error {
	var req abi.KVPut
	if err := req.Decode(in); err != nil {
		return fault.Wrap(fault.Invalid, err, "kv.put")
	}
	if err := checkKey(req.Key); err != nil {
		return err
	}
	if req.Delete {
		return s.state.Delete(ctx, req.Key)
	}
	if len(req.Value) > MaxValue {
		return fault.New(fault.TooLarge, "kv.put: a value has at most %d bytes, and this one has %d", MaxValue, len(req.Value)).
			WithHint("split the value over several keys")
	}
	return s.state.Put(ctx, req.Key, req.Value)
}

func checkKey(key string) error {
	if key == "" || len(key) > MaxKey {
		return fault.New(fault.Invalid, "kv: a key has 1 to %d bytes, and this one has %d", MaxKey, len(key))
	}
	return nil
}

// Close implements capability.Session.
func (session) Close(context.Context) error { return nil }
