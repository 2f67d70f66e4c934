package actor

import (
	"context"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Part says why the guest that runs is about to be stopped, which its close is
// told. Without a word it is abi.ReasonStop.
func (a *Actor) Part(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.parting = reason
}

// parted is why the guest closes.
func (a *Actor) parted() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	reason := a.parting
	a.parting = ""
	if reason == "" {
		return abi.ReasonStop
	}
	return reason
}

// Disconnect closes all sessions between two guests, so that the next one
// connects anew. No guest may run.
func (a *Actor) Disconnect(ctx context.Context) {
	a.letGo()
	a.closeUnused(ctx)
}

// Lost reports whether a guest ended because what it is connected to went away.
func Lost(err error) bool {
	f := fault.Of(err)
	if f == nil {
		return false
	}
	if f.Kind == fault.Guest {
		return f.Said == abi.FaultUnavailable || f.Said == abi.FaultClosed
	}
	return f.Kind == fault.ResourceUnavailable || f.Kind == fault.SessionClosed
}

// farewell tells a guest that failed and is still alive that it closes, so that
// it can clean up. One that lost its connection can use no session any more.
func (g *guest) farewell(ctx context.Context, cause error) {
	reason := abi.ReasonFailed
	if g.lost = Lost(cause); g.lost {
		reason = abi.ReasonLost
	}
	g.sayClose(ctx, reason)
}

// sayClose calls the guest's close, if it can still be called.
func (g *guest) sayClose(ctx context.Context, reason string) {
	if g.inst == nil || g.inst.State() != engine.Idle || !g.inst.Has(abi.EntryClose) {
		return
	}
	g.in = abi.CloseInput{Reason: reason}.Append(g.in[:0])
	if _, err := g.call(ctx, abi.EntryClose, g.in); err != nil && !fault.Is(err, fault.Unsupported) {
		g.line(abi.LogWarning, FromHost, "", "close: "+err.Error())
	}
}
