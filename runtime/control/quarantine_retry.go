package control

import (
	"context"
	"crypto/sha256"
	"strings"

	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// What becomes of a record that is handed in again.
const (
	RetryDelivered = "delivered" // or skipped
	RetryRefused   = "refused"   // and in quarantine again, at another position
	RetryWaits     = "waiting"   // behind what waits already, or for whom it is delivered to
	RetryDropped   = "dropped"   // not handed in: the connector stopped, or changed
	RetryFailed    = "failed"    // not handed in: Fault says why
)

// MaxRetry is how many records are handed in again at once: as many as may wait.
const MaxRetry = delivery.MaxAgain

// Retried is what became of a record that was handed in again.
type Retried struct {
	From     string // the position at which it was
	State    string
	Reason   string       // why it was refused
	Position string       // where it is then
	Fault    *fault.Fault // why it was not handed in
}

// RetryQuarantined hands a record that a connector could not deliver to it once
// more, behind what waits, and waits a while for what becomes of it. One that is
// settled is in quarantine no more; what is refused again is there anew.
// Unsupported: it is no record on its way out. WrongState: the connector does not
// run.
func (t *Tenant) RetryQuarantined(ctx context.Context, idOrName, at string) (Retried, error) {
	all, err := t.RetryQuarantine(ctx, idOrName, []string{at})
	if err != nil {
		return Retried{}, err
	}
	if all[0].State == RetryFailed {
		return Retried{}, all[0].Fault
	}
	return all[0], nil
}

// RetryQuarantine does so with several, in their order, and waits as long for all of
// them together. One that cannot be handed in says why, and stops no other.
func (t *Tenant) RetryQuarantine(ctx context.Context, idOrName string, positions []string) ([]Retried, error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return nil, err
	}
	if n := len(positions); n == 0 || n > MaxRetry {
		return nil, fault.New(fault.Invalid, "positions: are %d, and 1 to %d can be handed in at once", n, MaxRetry)
	}
	c, err := t.read(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	err = t.space.Update(ctx, func(w store.Writer) error {
		e := t.event(identity.QuarantineRetry, &c)
		if e.On = positions[0]; len(positions) > 1 {
			e.Detail = strings.Join(positions, " ")
		}
		return identity.Append(w, e)
	})
	if err != nil {
		return nil, err
	}
	since := t.runtime.Outbox().Head()
	all := make([]retry, len(positions))
	for i, at := range positions {
		all[i] = t.again(ctx, &c, at)
		if i == 0 && fault.Is(all[i].err, fault.WrongState) { // it is so for all
			return nil, all[i].err
		}
	}
	return t.retried(ctx, c.ID, since, all)
}

// retry is a record that was handed in again, or why it was not.
type retry struct {
	from  string
	sum   [sha256.Size]byte // of its content
	again *delivery.Again
	err   error
}

func (t *Tenant) again(ctx context.Context, c *spec.Connector, at string) retry {
	k, err := t.aside(ctx, c, at)
	if err == nil && k.Of != outbox.RejectDelivery {
		err = fault.New(fault.Unsupported, "%s at %s came in and was refused: only records on their way out can be handed in again", withArticle(k.Of), at).
			WithHint("Mend the module or its config, and have the source send it again; `snaprail quarantine show` has its content.")
	}
	if err != nil {
		return retry{from: at, err: err}
	}
	again, err := t.runtime.Again(c.ID, k.at, k.Reject, t.settled)
	return retry{from: at, sum: sha256.Sum256(k.Input), again: again, err: err}
}

func withArticle(of outbox.RejectOf) string {
	if of == outbox.RejectEvent {
		return "the event"
	}
	return "what is"
}

// retried waits a while for records, and is what became of them. One that is settled
// was delivered, or put aside once more, with the same content, in a block since.
func (t *Tenant) retried(ctx context.Context, id string, since uint64, all []retry) ([]Retried, error) {
	wait, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	done := make([]Retried, len(all))
	settled := false
	for i := range all {
		done[i] = Retried{From: all[i].from, State: RetryFailed}
		if all[i].err != nil {
			done[i].Fault = fault.Of(all[i].err)
			continue
		}
		done[i].State = all[i].outcome(wait)
		settled = settled || done[i].State == RetryDelivered
	}
	if !settled {
		return done, nil
	}
	aside, _, err := t.runtime.Aside(ctx, id)
	if err != nil {
		return nil, err
	}
	anew := map[[sha256.Size]byte]*delivery.Aside{}
	for i := range aside {
		if aside[i].Block > since {
			anew[aside[i].Sum] = &aside[i]
		}
	}
	for i := range done {
		if a := anew[all[i].sum]; a != nil && done[i].State == RetryDelivered {
			done[i] = Retried{From: all[i].from, State: RetryRefused, Reason: t.runtime.Vault().Mask().Text(a.Reason), Position: a.String()}
		}
	}
	return done, nil
}

// outcome is delivered also for what was refused once more.
func (r *retry) outcome(ctx context.Context) string {
	select {
	case <-r.again.Done(): // rather than that there is no time left
	default:
		select {
		case <-r.again.Done():
		case <-ctx.Done():
			return RetryWaits
		}
	}
	if !r.again.Settled() {
		return RetryDropped
	}
	return RetryDelivered
}
