package actor

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// declare serves core.health: the guest says whether it is well. What a
// candidate says counts from the moment at which it takes over. One that is only
// tested may say it too, and nobody hears it: it is opened as it would be.
func (g *guest) declare(in []byte) error {
	var h abi.Health
	if err := h.Decode(in); err != nil {
		return fault.Wrap(fault.Invalid, err, "health")
	}
	if h.State > abi.HealthUnhealthy {
		return fault.New(fault.Invalid, "%d is no state of health", h.State)
	}
	if g.devices == nil {
		return fault.New(fault.Unsupported, "nobody asks for a converter's health").
			WithHint("only a connector declares its health")
	}
	g.said, g.well = true, h.State
	if !g.candidate && g.health != nil {
		g.health(h.State)
	}
	return nil
}

// tellHealth passes on what a guest has declared before it took over. One that
// has said nothing yet leaves the word of the one before it, so that a swap is
// no outage.
func (g *guest) tellHealth() {
	if g.said && g.health != nil {
		g.health(g.well)
	}
}

// undeclare takes back what the connector's guests declared: none runs any more.
func (a *Actor) undeclare() {
	if a.env.health != nil {
		a.env.health(abi.HealthUndeclared)
	}
}
