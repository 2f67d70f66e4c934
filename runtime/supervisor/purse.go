package supervisor

import (
	"context"
	"errors"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// share is the part of what there is once in the process that one tenant may
// take: three that take all they can leave as much to the others.
const share = 4

// purse is a tenant's part of what all tenants share.
type purse struct {
	places chan struct{} // holds a token for each request that is under way
	*room
}

// room goes by this name so that Hold is the purse's own.
type room = capability.Room

var _ capability.Turns = (*purse)(nil)

func newPurse() *purse {
	return &purse{
		places: make(chan struct{}, egress.Concurrent/share),
		room:   capability.NewRoom(capability.MaxHeld / share),
	}
}

// Request implements capability.Purse.
func (p *purse) Request(ctx context.Context) (done func(), err error) {
	select {
	case p.places <- struct{}{}:
		return func() { <-p.places }, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		return nil, fault.New(fault.Exhausted, "the tenant's connectors have %d requests under way already", cap(p.places))
	}
}

// Hold implements capability.Purse.
func (p *purse) Hold(n int64) error {
	if !p.room.Hold(n) {
		return fault.New(fault.Exhausted, "the tenant's connectors hold too much: long replies, and what their sessions have received").
			WithHint("Try again later, or ask for less at once, as by a page or a range.")
	}
	return nil
}

// Purse is the tenant's part of what all tenants share, for what is done for it
// outside of its connectors.
func (t *Tenant) Purse() capability.Purse { return t.purse }

// Held is how many bytes the host holds in its own memory for the tenant: the
// twins with their histories, messages and replies on their way, long replies to
// guests, and what sessions have received or have yet to send.
func (t *Tenant) Held() uint64 {
	twins := t.twins.Stats()
	return uint64(max(0, int64(twins.Bytes+twins.History+t.exchanges.held())+t.purse.Held()))
}
