package actor

import "context"

// gate lets one in at a time, and whoever waits for it hears the end of its
// context: what is inside may be a device that takes nothing for an hour, and a
// stop must not wait for it (I6).
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

// enter waits until nobody else is inside. After an error it is not entered.
func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	default:
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g }
