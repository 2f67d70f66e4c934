package control

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The places that have names.
const (
	ToOldest = "oldest" // the oldest record that is kept
	ToNow    = "now"    // what comes from now on
)

// Rewound is where a connector that delivers goes on.
type Rewound struct {
	Block  uint64    // the first that it is handed records of; Newest+1: what comes next
	Oldest uint64    // block that is kept
	Newest uint64    // block there is
	At     time.Time // when the first block came; zero: it has not yet
	Blocks uint64    // that it is handed again, or for the first time
	Note   string    // what is not as it was asked for; "": nothing
}

// Rewind sets the place in the outbox from which a connector is handed records: the
// oldest, now, a time in RFC 3339, or the position of a record. One that runs goes
// on from there at once, and records come to it once more. revision as in
// UpdateConnector. Unsupported: it does not deliver.
func (t *Tenant) Rewind(ctx context.Context, idOrName, to string, revision uint64) (Rewound, error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return Rewound{}, err
	}
	c, err := t.delivering(ctx, idOrName)
	if err != nil {
		return Rewound{}, err
	}
	if err := current(&c, revision); err != nil {
		return Rewound{}, err
	}
	at, note, err := t.placeOf(ctx, to)
	if err != nil {
		return Rewound{}, err
	}
	err = t.runtime.Rewind(c.ID, at)
	e := t.event(identity.ConnectorRewind, &c)
	e.Detail = fmt.Sprintf("to %s: block %d", fault.Clip(to, 64), at+1)
	if err != nil { // it may have moved all the same
		e.Outcome, e.Code = identity.Refused, fault.Of(err).Kind.String()
	}
	t.tell(ctx, t.id, e)
	if err != nil {
		return Rewound{}, err
	}
	return t.rewound(at, note), nil
}

func (t *Tenant) rewound(at uint64, note string) Rewound {
	log := t.runtime.Outbox()
	r := Rewound{Block: at + 1, Oldest: log.First(), Newest: log.Head(), Note: note}
	if r.Newest > at {
		r.Blocks = r.Newest - at
	}
	if b, err := log.Read(at + 1); err == nil {
		r.At = time.Unix(0, b.Received).UTC()
	}
	return r
}

// delivering is a connector whose module delivers.
func (t *Tenant) delivering(ctx context.Context, idOrName string) (c spec.Connector, err error) {
	if c, err = t.read(ctx, idOrName); err != nil {
		return c, err
	}
	if !c.Remote {
		m, err := t.named(ctx, c.Module)
		if err != nil {
			return c, err
		}
		if m.Manifest.Delivers() {
			return c, nil
		}
	}
	return c, fault.New(fault.Unsupported, "%s delivers no records, so that it has no place among them", c.Name).
		WithHint("Name a connector that does: `snaprail types` calls their types sinks.")
}

// placeOf is the block behind which a place is, and what is not as it was asked for.
func (t *Tenant) placeOf(ctx context.Context, to string) (at uint64, note string, err error) {
	log := t.runtime.Outbox()
	oldest := max(log.First(), 1) - 1
	switch to {
	case ToOldest:
		return oldest, "", nil
	case ToNow:
		return log.Head(), "", nil
	}
	if when, err := time.Parse(time.RFC3339Nano, to); err == nil {
		return t.placeAt(ctx, when, oldest)
	}
	number, _, _ := strings.Cut(to, ".") // a position names a record of the block
	block, err := strconv.ParseUint(number, 10, 64)
	if err != nil || block == 0 {
		return 0, "", fault.New(fault.Invalid, "to: %.100q is no place in the outbox", to).
			WithHint("Say oldest, now, a time as in 2006-01-02T15:04:05Z, or the position of a record as `snaprail tail -o json` shows it.")
	}
	if head := log.Head(); block > head+1 {
		return 0, "", fault.New(fault.Invalid, "to: block %d is behind the end of the outbox, which is at block %d", block, head)
	}
	if block-1 < oldest {
		return oldest, fmt.Sprintf("blocks %d to %d are beyond retention: it goes on with the oldest that is kept", block, oldest), nil
	}
	return block - 1, "", nil
}

func (t *Tenant) placeAt(ctx context.Context, when time.Time, oldest uint64) (at uint64, note string, err error) {
	if when.After(time.Now()) {
		return 0, "", fault.New(fault.Invalid, "to: %s is yet to come", when.Format(time.RFC3339)).WithHint("Say now, or a time that has passed.")
	}
	log := t.runtime.Outbox()
	if at, err = delivery.Before(ctx, log, when); err != nil {
		return 0, "", err
	}
	if oldest > 0 && at <= oldest {
		note = "what came before the oldest block that is kept is beyond retention"
		if b, err := log.Read(oldest + 1); err == nil {
			if time.Unix(0, b.Received).Before(when) {
				return at, "", nil
			}
			note += ", and that came at " + time.Unix(0, b.Received).UTC().Format(time.RFC3339)
		}
	}
	return at, note, nil
}
