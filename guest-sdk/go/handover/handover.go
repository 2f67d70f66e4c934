// Package handover is what connectors share that deliver: how each record ends that
// they were handed, and how long one is held that could not be delivered now. A
// guest imports it; it knows no protocol.
//
//	s.ends.Begin(in)
//	at := 0
//	for p := range in.Parts {
//		for i := range in.Parts[p].Batch.Records {
//			... s.ends.Delivered(at), or Skip, Reject, Hold
//			at++
//		}
//	}
//	if reason := s.ends.Settle(step); reason != "" { ... }
package handover

import (
	"errors"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

// Ends are how the records of one call of deliver ended, by their number in all
// parts. It is used again for the next call, of which it knows what was delivered
// already: a record that is held holds all behind it, so that those of them which
// have gone out are handed in again, too. The zero value is ready.
//
// It knows that only while the hold lasts: a call goes on where the last one was
// held when its first record is the one that was held. Any other begins somewhere
// else: somebody set the sink's place back or on, or the held record is gone. Then
// what is handed in is to go out, whether it did before or not. A place that is set
// to the very record that is held cannot be told from going on: what went out behind
// it does not go out again.
type Ends struct {
	in   *abi.DeliverInput
	list []end
	done map[string]bool // by idempotency key
	held string          // idempotency key of the record that is held, while done has any
	key  []byte
}

type end struct {
	state  state
	after  time.Duration
	reason string
	why    *abi.Error // the reason with more; nil: there is no more
}

type state byte

const (
	waiting state = iota // nothing was said of it
	delivered
	skipped
	refused
	held
)

// Begin begins a call.
func (e *Ends) Begin(in *abi.DeliverInput) {
	e.in = in
	n := in.Count()
	e.list = slices.Grow(e.list[:0], n)[:n]
	clear(e.list)
	if n > 0 && len(e.done) > 0 && string(e.keyOf(0)) != e.held {
		clear(e.done)
	}
}

// keyOf is the idempotency key of a record, until it is asked again.
func (e *Ends) keyOf(at int) []byte {
	part, i := e.Record(at)
	e.key = part.AppendKey(e.key[:0], i)
	return e.key
}

// Untouched reports whether nothing was said of any record yet, in this call or an
// earlier one: a sink may then leave it to the host when they are settled.
func (e *Ends) Untouched() bool {
	return len(e.done) == 0 && !slices.ContainsFunc(e.list, func(r end) bool { return r.state != waiting })
}

// Before reports whether a record went out in an earlier call, behind the one that is
// held since: then it is delivered. The key is the record's idempotency key.
func (e *Ends) Before(at int, key []byte) bool {
	if len(e.done) == 0 || !e.done[string(key)] {
		return false
	}
	e.Delivered(at)
	return true
}

// Delivered says that a record is where it was to go.
func (e *Ends) Delivered(at int) { e.list[at] = end{state: delivered} }

// Skip says that a record is not for where the others go.
func (e *Ends) Skip(at int, reason string) { e.list[at] = end{state: skipped, reason: reason} }

// SkipGap skips a record of KindGap, which the form has no room for.
func (e *Ends) SkipGap(at int) { e.Skip(at, "a gap is no value") }

// Reject says that a record will never be taken: it goes to quarantine.
func (e *Ends) Reject(at int, reason string) { e.list[at] = end{state: refused, reason: reason} }

// Hold says that a record is to be tried again after a time, with all behind it.
func (e *Ends) Hold(at int, after time.Duration, reason string) {
	e.list[at] = end{state: held, after: after, reason: reason}
}

// HoldFor is Hold for an error of a host call, for as long as Wait says: who looks at
// the sink is told what to do about it.
func (e *Ends) HoldFor(at int, err error) {
	after, reason := Wait(err)
	why, _ := errors.AsType[*abi.Error](err)
	e.list[at] = end{state: held, after: after, reason: reason, why: why}
}

// Record is the record with a number: the part that it is in, and where there.
func (e *Ends) Record(at int) (part *abi.DeliverPart, i int) {
	for p := range e.in.Parts {
		part = &e.in.Parts[p]
		n := len(part.Batch.Records)
		if at < n {
			return part, at
		}
		at -= n
	}
	return nil, 0
}

// Settle says in the step how the records ended, and answers why they are held from
// one on, or nothing. A record of which nothing was said was not tried: it is held.
func (e *Ends) Settle(step *snaprail.Step) (heldFor string) {
	for at := range e.list {
		switch r := &e.list[at]; r.state {
		case delivered:
		case skipped:
			step.Skip(at, r.reason)
		case refused:
			step.Reject(at, r.reason)
		case waiting, held:
			if r.state == waiting {
				r.reason = "it was not tried yet"
			}
			e.remember(at)
			if r.why != nil {
				step.RetryFor(at, r.after, r.why)
			} else {
				step.Retry(at, r.after, r.reason)
			}
			return r.reason
		}
	}
	clear(e.done)
	return ""
}

// remember keeps what has gone out of those that are handed in again.
func (e *Ends) remember(from int) {
	done := map[string]bool{}
	for at := from; at < len(e.list); at++ {
		if e.list[at].state == delivered {
			done[string(e.keyOf(at))] = true
		}
	}
	e.done = done
	e.held = string(e.keyOf(from))
}

// How long records are held.
const (
	Shortly = 500 * time.Millisecond // for what comes right by itself
	Long    = 5 * time.Second        // for what somebody has to put right
)

// Wait is how long records are held for an error of a host call, and why.
func Wait(err error) (after time.Duration, reason string) {
	said, ok := errors.AsType[*abi.Error](err)
	if !ok {
		return Long, err.Error()
	}
	switch said.Kind {
	case abi.FaultTimeout, abi.FaultUnavailable, abi.FaultExhausted, abi.FaultNotActive, abi.FaultClosed:
		after = Shortly
	default:
		after = Long
	}
	if said.RetryAfterMS > 0 {
		after = time.Duration(min(said.RetryAfterMS, uint64(Long.Milliseconds()))) * time.Millisecond
	}
	return after, said.Text
}
