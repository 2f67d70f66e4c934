package remote

import (
	"context"
	"time"

	"github.com/coder/websocket"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// watch ends the session when it has to go, when nobody answers, and when its
// token lets nobody in any more.
func (x *session) watch(ctx context.Context) error {
	ping, check := time.NewTicker(pinging), time.NewTicker(x.server.cfg.Check)
	defer ping.Stop()
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-x.server.cfg.Ending:
			return fault.New(fault.ShuttingDown, "the server is stopping")
		case reason := <-x.left:
			return x.sendAway(ctx, reason)
		case <-ping.C:
			if err := x.ping(ctx); err != nil {
				return err
			}
		case <-check.C:
			if err := x.guard.Holds(ctx, x.token); fault.Is(err, fault.Unauthenticated) {
				return err
			}
		}
	}
}

func (x *session) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pinging)
	defer cancel()
	if err := x.conn.Ping(ctx); err != nil {
		return fault.New(fault.NotConnected, "nobody answers")
	}
	return nil
}

// sendAway asks the code to go, and sees that it does. Whoever is to come again
// is told so in the words of the protocol.
func (x *session) sendAway(ctx context.Context, reason string) error {
	x.why.Store(&reason)
	switch reason {
	case abi.ReasonStop:
		return fault.New(fault.NotActive, "the connector was stopped")
	case abi.ReasonLost:
		return fault.New(fault.Exists, "another session has taken its place")
	}
	if err := x.write(ctx, order{Op: opReconnect, ResourceName: sources, ResourceID: x.source}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(parting):
	}
	return nil
}

// reason is why the session ended, as close has it.
func (x *session) reason(err error) string {
	if why := x.why.Load(); why != nil {
		return *why
	}
	if said := websocket.CloseStatus(err); said == websocket.StatusNormalClosure || said == websocket.StatusGoingAway {
		return abi.ReasonRequested
	}
	if fault.Is(err, fault.ShuttingDown) {
		return abi.ReasonStop
	}
	return abi.ReasonLost
}
