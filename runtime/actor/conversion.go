package actor

import (
	"context"
	"errors"
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

// conversion is one step's records on their way through a converter. A part of
// the batch that the converter does not survive, or whose result is too large
// for one batch, is cut in two; a single record that it does not survive goes
// to quarantine with the reason, and the others go on.
type conversion struct {
	converter flow.Converter
	quota     *quota    // of the converter
	until     time.Time // the end of the time that the step may spend here
	mask      func(string) string

	records []byte // as outbox.AppendBatch adds them
	count   int
	rejects []outbox.Reject
	skipped uint64
	traps   uint64
	cause   error // the first failure of the converter
}

// run converts a batch of so many records. An error means that the converter
// could not be asked at all, and that nothing was converted.
func (c *conversion) run(ctx context.Context, batch []byte, records int) error {
	c.until = time.Now().Add(conversionTime)
	return c.part(ctx, batch, records)
}

// part converts one part.
func (c *conversion) part(ctx context.Context, batch []byte, records int) error {
	out, err := c.converter.Convert(ctx, batch)
	if err == nil {
		err = c.take(out, batch, records)
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !convertersFault(err) {
		return err
	}
	if !tooMuch(err) {
		c.traps++
		c.cause = errors.Join(c.cause, err)
	}
	var in abi.Batch
	if err := in.Decode(batch); err != nil {
		return fault.Wrap(fault.Guest, err, "the module's records cannot be read")
	}
	if records == 1 || !time.Now().Before(c.until) {
		for i := range in.Records {
			c.reject(&in.Records[i], err.Error())
		}
		return nil
	}
	for _, half := range [][]abi.Record{in.Records[:records/2], in.Records[records/2:]} {
		if err := c.part(ctx, (&abi.Batch{Records: half}).Append(nil), len(half)); err != nil {
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

// take adds a converter's outcome, whole or not at all.
func (c *conversion) take(out, batch []byte, records int) error {
	var view abi.OutcomeView
	if err := view.Decode(out); err != nil {
		return fault.Wrap(fault.Guest, err, "the converter's outcome cannot be read")
	}
	count, err := c.quota.checkBatch(view.Batch)
	if err != nil {
		return err
	}
	if c.count+count > maxConverted || len(c.records)+len(view.Batch) > maxConvertedBytes {
		return fault.New(fault.TooLarge, "the converter makes more than %d records or %d bytes of one step", maxConverted, maxConvertedBytes)
	}
	refused, skipped, err := verdicts(&view, batch, records)
	if err != nil {
		return err
	}
	for i := range refused {
		c.reject(&refused[i].record, refused[i].reason)
	}
	c.skipped += skipped
	if count > 0 {
		c.records, c.count = outbox.AppendBatch(c.records, view.Batch), c.count+count
	}
	return nil
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

// reject keeps a record: its payload, or all of it when it has none.
func (c *conversion) reject(r *abi.Record, reason string) {
	kept := r.Payload
	if len(kept) == 0 {
		kept = (&abi.Batch{Records: []abi.Record{*r}}).Append(nil)
	}
	c.rejects = append(c.rejects, outbox.Reject{Device: r.Device, Reason: fault.Clip(c.mask(reason), maxReason), Input: append([]byte(nil), kept...)})
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
