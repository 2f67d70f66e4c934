package actor

import (
	"context"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxHandles bounds the sessions that one guest may hold.
const maxHandles = 64

// openSession gives the guest a handle on the session with these arguments:
// the live one of the connector, or a new one.
func (g *guest) openSession(ctx context.Context, group capability.Group, args, out []byte) ([]byte, error) {
	if g.sessions == nil {
		return nil, fault.New(fault.Denied, "a converter cannot open %s", group.Name())
	}
	target, err := group.Target(args)
	if err != nil {
		return nil, err
	}
	if err := capability.CheckIn(group, grantsOf(g.grants, group.Name()), target.Resource, ""); err != nil {
		g.refuse(group.Name(), capability.OpenFunction, target.Resource, err)
		return nil, err
	}
	s, err := g.sessions.open(ctx, group, target, g.scope(group.Name()), args)
	if err != nil {
		return nil, err
	}
	for i, held := range g.handles {
		if held == s {
			g.sessions.release(s) // one hold for each guest
			return abi.Handle{Handle: uint32(i + 1)}.Append(out[:0]), nil
		}
	}
	if len(g.handles) >= maxHandles {
		g.sessions.release(s)
		return nil, fault.New(fault.Exhausted, "a guest may hold %d handles", maxHandles)
	}
	g.handles = append(g.handles, s)
	g.begin(s)
	g.claim(s)
	return abi.Handle{Handle: uint32(len(g.handles))}.Append(out[:0]), nil
}

// byHandle is the session that field 1 of a request names.
func (g *guest) byHandle(in []byte) (*session, error) {
	var h abi.Handle
	if err := h.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "request")
	}
	if g.lost {
		return nil, fault.New(fault.SessionClosed, "the connection was lost: there is nobody to talk to")
	}
	if h.Handle == 0 || int(h.Handle) > len(g.handles) {
		return nil, fault.New(fault.SessionClosed, "no session has the handle %d", h.Handle).
			WithHint("call open first and use the handle that it returns")
	}
	return g.handles[h.Handle-1], nil
}

// pending is what a ticket of the guest's is of; nil: nothing.
func (g *guest) pending(handle uint32, number uint64) capability.Pending {
	if handle == 0 || int64(handle) > int64(len(g.handles)) {
		return nil
	}
	s, ok := g.handles[handle-1].end.(capability.Deferring)
	if !ok {
		return nil
	}
	p, known := s.Pending(number)
	if !known {
		return nil
	}
	return p
}
