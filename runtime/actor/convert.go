package actor

import (
	"context"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// convert turns the step's records into what the block holds: through the
// connector's converter, if it has one.
func (l *lane) convert(ctx context.Context, b *outbox.Block, t *tally) error {
	records, err := abi.CheckBatch(l.view.Batch)
	if err != nil {
		return fault.Wrap(fault.Guest, err, "the module's records cannot be read")
	}
	if records == 0 {
		return nil
	}
	if l.version.Converter == nil {
		b.Records, b.Count = l.view.Batch, records
		return nil
	}
	out, err := l.version.Converter.Convert(ctx, l.view.Batch)
	if err == nil {
		err = l.converted(out, l.view.Batch, records, b, t)
	}
	if err == nil || !convertersFault(err) {
		return err
	}
	return l.bisect(ctx, b, t, err)
}

// convertersFault reports whether the converter failed on what it was given,
// rather than for want of a host.
func convertersFault(err error) bool {
	return guestsFault(err) || fault.Is(err, fault.GuestTrap) || fault.Is(err, fault.GuestDeadline) || fault.Is(err, fault.GuestMemory)
}

// converted adds a converter's outcome to the block.
func (l *lane) converted(out, batch []byte, records int, b *outbox.Block, t *tally) error {
	var view abi.OutcomeView
	if err := view.Decode(out); err != nil {
		return fault.Wrap(fault.Guest, err, "the converter's outcome cannot be read")
	}
	count, err := abi.CheckBatch(view.Batch)
	if err != nil {
		return fault.Wrap(fault.Guest, err, "the converter's records cannot be read")
	}
	var in abi.Batch // decoded only when something was refused
	var rejects []outbox.Reject
	var skipped uint64
	for _, v := range view.Verdicts {
		switch {
		case int(v.Input) >= records:
			return fault.New(fault.Guest, "the converter judged record %d of %d", v.Input, records)
		case v.Decision == abi.DecisionSkip:
			skipped++
		case v.Decision != abi.DecisionOK:
			// A converter has no one to wait for, so a retry is a refusal too.
			if in.Records == nil {
				if err := in.Decode(batch); err != nil {
					return fault.Wrap(fault.Guest, err, "the module's records cannot be read")
				}
			}
			r := &in.Records[v.Input]
			rejects = append(rejects, outbox.Reject{Device: r.Device, Reason: cut(v.Reason), Input: r.Payload})
		}
	}
	b.Records, b.Count = view.Batch, count
	b.Rejects = append(b.Rejects, rejects...)
	t.skipped += skipped
	return nil
}

// bisect finds the records that a converter cannot survive: the others are
// converted, the guilty ones go to quarantine with the reason.
func (l *lane) bisect(ctx context.Context, b *outbox.Block, t *tally, cause error) error {
	var in, out abi.Batch
	if err := in.Decode(l.view.Batch); err != nil {
		return fault.Wrap(fault.Guest, err, "the module's records cannot be read")
	}
	l.cfg.Host.Line(abi.LogError, FromHost, "converter", cause.Error())
	var try func(part []abi.Record, cause error) error
	try = func(part []abi.Record, cause error) error {
		if len(part) == 1 {
			b.Rejects = append(b.Rejects, outbox.Reject{Device: part[0].Device, Reason: cut(cause.Error()), Input: part[0].Payload})
			return nil
		}
		for _, half := range [][]abi.Record{part[:len(part)/2], part[len(part)/2:]} {
			batch := (&abi.Batch{Records: half}).Append(nil)
			raw, err := l.version.Converter.Convert(ctx, batch)
			var sub outbox.Block
			if err == nil {
				err = l.converted(raw, batch, len(half), &sub, t)
			}
			if err != nil {
				if !convertersFault(err) {
					return err
				}
				if err := try(half, err); err != nil {
					return err
				}
				continue
			}
			var done abi.Batch
			if err := done.Decode(sub.Records); err != nil {
				return fault.Wrap(fault.Guest, err, "the converter's records cannot be read")
			}
			out.Records = append(out.Records, done.Records...)
			b.Rejects = append(b.Rejects, sub.Rejects...)
		}
		return nil
	}
	if err := try(in.Records, cause); err != nil {
		return err
	}
	b.Records, b.Count = out.Append(nil), len(out.Records)
	return nil
}
