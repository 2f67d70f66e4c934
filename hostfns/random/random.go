// Package random is the group of the system's source of randomness. The composition
// root builds the Group; nobody else imports it.
//
// A guest has a generator of its own without it, seeded per instance, which makes a
// recording of it replayable; this group is for keys and nonces, whose bytes nobody
// may come by again. It reaches nothing outside of the connector, so that it needs
// no grant; what is read counts as bytes of host calls.
package random

import (
	"context"
	"crypto/rand"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

const (
	name = "random"

	// maxRead bounds one call, in bytes.
	maxRead = 4096
)

// Group is the source.
type Group struct{}

// New is the group.
func New() *Group { return &Group{} }

// Name is "random".
func (*Group) Name() string { return name }

// Contained implements capability.Contained.
func (*Group) Contained() {}

// Functions lists the host functions.
func (*Group) Functions() []capability.Function {
	return []capability.Function{{Name: "read", Sentence: "read random bytes that are good for keys"}}
}

// Target implements capability.Group: there is nothing to open.
func (*Group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

// Open implements capability.Group.
func (*Group) Open(context.Context, capability.Scope, []byte) (capability.Session, error) {
	return session{}, nil
}

var _ capability.Contained = (*Group)(nil)

type session struct{}

// Call serves read.
func (session) Call(_ context.Context, function string, in, out []byte) ([]byte, error) {
	if function != "read" {
		return nil, fault.New(fault.Unsupported, "random has no function %q", function)
	}
	var q abi.RandomRead
	if err := q.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "random.read: the request cannot be read")
	}
	if q.Count > maxRead {
		return nil, fault.New(fault.TooLarge, "random.read: %d bytes: at most %d at once", q.Count, maxRead)
	}
	data := make([]byte, q.Count)
	if _, err := rand.Read(data); err != nil { // it ends the process rather than fail
		return nil, fault.Wrap(fault.Internal, err, "random.read")
	}
	return abi.RandomBytes{Data: data}.Append(slices.Grow(out[:0], len(data)+4)), nil
}

// Close implements capability.Session: there is nothing to give back.
func (session) Close(context.Context) error { return nil }
