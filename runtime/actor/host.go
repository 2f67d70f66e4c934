package actor

import (
	"context"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// Host is everything that an actor may ask of the node that it runs on. It is
// narrowed to one connector. Its methods are safe for use by several
// goroutines.
type Host interface {
	// Commit makes the block durable, applies its effects to the store and
	// answers its place in the log. After an error nothing of the block may be
	// acknowledged; fault.DiskFull means that it can be tried again.
	Commit(ctx context.Context, b *outbox.Block) (sequence uint64, err error)
	// Begin begins a Commit of a block without effects on the store, whose end the
	// caller waits for at what it answers. It does not keep b. Blocks that are begun
	// one behind another become durable in that order; after one that failed, none
	// that was begun behind it does.
	Begin(ctx context.Context, b *outbox.Block, behind bool) (outbox.Pending, error)
	// Lookup reads the connector's committed key-value state.
	Lookup(ctx context.Context, key string) (value []byte, found bool, err error)
	// Secret is the value of secret://name, or fault.SecretMissing.
	Secret(ctx context.Context, name string) ([]byte, error)
	// Line takes one line of the connector's log, from the guest or the host.
	Line(level abi.LogLevel, source, target, text string)
	// Kept is how many bytes the connector's committed state has, keys and
	// values together. It is cheap: nothing is counted for the call.
	Kept() uint64
	// Report takes every change of state.
	Report(lifecycle.Status)
	// Refused takes host calls that were refused for want of a right: each
	// kind at once when it comes first, then at most one a second with their
	// number, and of 64 kinds at most.
	Refused(Refusal)
}

// The sources of log lines.
const (
	FromGuest = "guest"
	FromHost  = "host"
)
