package actor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// The bounds of what a converter may make of one step.
const (
	maxConverted      = 16 * abi.MaxItems // records
	maxConvertedBytes = 8 * abi.MaxBatch
	// conversionTime is what one step may spend in its converter, however many
	// of its records the converter does not survive. The call that is under way
	// when it ends goes on to its own deadline.
	conversionTime = 15 * time.Second
)

// conversion is one step's records on their way through their converters. A
// part of the batch that a converter does not survive, or whose result is too
// large for one batch, is cut in two; a single record that it does not survive
// goes to quarantine with the reason, and the others go on.
type conversion struct {
	until time.Time // the end of the time that the step may spend here
	mask  func(string) string

	records []byte // as outbox.AppendBatch adds them
	count   int
	rejects []outbox.Reject
	skipped uint64
	traps   uint64
	cause   error // the first failure of a converter
}

// run converts the parts of a batch. An error means that a converter could not
// be asked at all, and that nothing of the step may be kept.
func (c *conversion) run(ctx context.Context, parts []part) error {
	c.until = time.Now().Add(conversionTime)
	for _, p := range parts {
		t := transit{conversion: c}
		if p.chain != nil {
			t.stages, t.made = p.chain.stages, make([]int, len(p.chain.stages))
		}
		if err := t.pass(ctx, 0, p.batch, p.records); err != nil {
			return err
		}
	}
	return nil
}

// transit is the way of one part through the stages of its chain.
type transit struct {
	*conversion
	stages []flow.Converter
	made   []int // records that each stage has made
}

// pass takes a batch through the stages from one on.
func (t *transit) pass(ctx context.Context, stage int, batch []byte, records int) error {
	if records == 0 {
		return nil
	}
	if stage == len(t.stages) {
		t.records, t.count = outbox.AppendBatch(t.records, batch), t.count+records
		return nil
	}
	var view abi.OutcomeView
	count := 0
	out, err := t.stages[stage].Convert(ctx, batch)
	if err == nil {
		count, err = t.take(stage, &view, out, batch, records)
	}
	if err == nil {
		t.made[stage] += count
		return t.pass(ctx, stage+1, view.Batch, count)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !convertersFault(err) {
		return err
	}
	if !tooMuch(err) {
		t.traps++
		t.cause = errors.Join(t.cause, err)
	}
	return t.cut(ctx, stage, batch, records, err)
}

// cut takes the halves of a batch through a stage that failed on the whole. One
// record is kept with the reason, and so are all when there is no more time.
func (t *transit) cut(ctx context.Context, stage int, batch []byte, records int, cause error) error {
	var in abi.Batch
	if err := in.Decode(batch); err != nil {
		return fault.Wrap(fault.Guest, err, "the module's records cannot be read")
	}
	if records == 1 || !time.Now().Before(t.until) {
		for i := range in.Records {
			t.reject(stage, &in.Records[i], cause.Error())
		}
		return nil
	}
	for _, half := range [][]abi.Record{in.Records[:records/2], in.Records[records/2:]} {
		if err := t.pass(ctx, stage, (&abi.Batch{Records: half}).Append(nil), len(half)); err != nil {
			return err
		}
	}
	return nil
}

// convertersFault reports whether the converter failed on what it was given,
// rather than for want of a host.
func convertersFault(err error) bool {
	return guestsFault(err) || died(err)
}

// died reports whether the guest is dead of what it did.
func died(err error) bool {
	switch fault.Of(err).Kind {
	case fault.GuestTrap, fault.GuestDeadline, fault.GuestMemory, fault.GuestStack, fault.GuestTable:
		return true
	default:
		return false
	}
}

// take reads a converter's outcome, and counts what it refused, whole or not at
// all. The records of the outcome are in view.
func (t *transit) take(stage int, view *abi.OutcomeView, out, batch []byte, records int) (count int, err error) {
	if err := view.Decode(out); err != nil {
		return 0, fault.Wrap(fault.Guest, err, "the converter's outcome cannot be read")
	}
	if count, err = converterQuota(t.stages[stage]).checkBatch(view.Batch); err != nil {
		return 0, err
	}
	// What other parts of the step have become counts where all come together.
	made, size := t.made[stage]+count, 0
	if stage == len(t.stages)-1 {
		made, size = max(made, t.count+count), len(t.records)+len(view.Batch)
	}
	if made > maxConverted || size > maxConvertedBytes {
		return 0, fault.New(fault.TooLarge, "the converter makes more than %d records or %d bytes of one step", maxConverted, maxConvertedBytes)
	}
	refused, skipped, err := verdicts(view, batch, records)
	if err != nil {
		return 0, err
	}
	for i := range refused {
		t.reject(stage, &refused[i].record, refused[i].reason)
	}
	t.skipped += skipped
	return count, nil
}

// refusal is a record that a converter cannot handle.
type refusal struct {
	record abi.Record
	reason string
}

// verdicts reads what a converter says of its input. The batch is decoded only
// when something was refused.
func verdicts(view *abi.OutcomeView, batch []byte, records int) (refused []refusal, skipped uint64, err error) {
	var in abi.Batch
	judged := make(map[uint32]bool, len(view.Verdicts))
	for _, v := range view.Verdicts {
		if int64(v.Input) >= int64(records) || judged[v.Input] {
			return nil, 0, fault.New(fault.Guest, "the converter judged record %d of %d, or judged it twice", v.Input, records)
		}
		judged[v.Input] = true
		switch v.Decision {
		case abi.DecisionOK:
			continue
		case abi.DecisionSkip:
			skipped++
			continue
		default: // a converter has no one to wait for, so a retry is a refusal too
		}
		if in.Records == nil {
			if err := in.Decode(batch); err != nil {
				return nil, 0, fault.Wrap(fault.Guest, err, "the module's records cannot be read")
			}
		}
		refused = append(refused, refusal{in.Records[v.Input], v.Reason})
	}
	return refused, skipped, nil
}

// reject keeps a record: its payload, or all of it when it has none. Behind the
// first of several converters it is what the one before has made of a record.
func (t *transit) reject(stage int, r *abi.Record, reason string) {
	kept := r.Payload
	if len(kept) == 0 {
		kept = (&abi.Batch{Records: []abi.Record{*r}}).Append(nil)
	}
	if n := len(t.stages); n > 1 {
		reason = fmt.Sprintf("converter %d of %d: %s", stage+1, n, reason)
	}
	t.rejects = append(t.rejects, outbox.Reject{
		Device: r.Device, Reason: fault.Clip(t.mask(reason), maxReason), Input: append([]byte(nil), kept...), Of: outbox.RejectRecord,
	})
}

// checkBatch is abi.CheckBatch with the fault of whoever made the batch, and
// with the limit of its records. A quota of nil has none.
func (q *quota) checkBatch(batch []byte) (records int, err error) {
	records, err = abi.CheckBatch(batch)
	switch {
	case errors.Is(err, abi.ErrTooLarge):
		return 0, fault.Wrap(fault.TooLarge, err, "the records are too many or too large")
	case err != nil:
		return 0, fault.Wrap(fault.Guest, err, "the records cannot be read")
	case q == nil:
		return records, nil
	}
	return records, q.outcome(records)
}
