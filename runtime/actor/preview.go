package actor

import (
	"context"
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Preview is what a chain makes of one record.
type Preview struct {
	Records []abi.Record
	Reasons []string // why something of it would be in quarantine
	Skipped uint64   // records that would be dropped and counted
}

// Preview takes one record through the chain, as a step of its own that nothing
// is kept of. An error means that a converter could not be asked at all.
func (c *Chain) Preview(ctx context.Context, r abi.Record, mask func(string) string) (p Preview, err error) {
	run := conversion{mask: mask}
	batch := (&abi.Batch{Records: []abi.Record{r}}).Append(nil)
	if _, err := abi.CheckBatch(batch); err != nil {
		return p, fault.Wrap(fault.Invalid, err, "the sample")
	}
	if err := run.run(ctx, []part{{c, batch, 1}}); err != nil {
		return p, err
	}
	for _, reject := range run.rejects {
		p.Reasons = append(p.Reasons, reject.Reason)
	}
	p.Skipped = run.skipped
	for rest := run.records; len(rest) > 0; {
		one, behind, ok := outbox.CutBatch(rest)
		var made abi.Batch
		if !ok {
			return p, fault.New(fault.Internal, "the converted records cannot be read")
		}
		if err := made.Decode(one); err != nil {
			return p, fault.Wrap(fault.Internal, err, "the converted records")
		}
		p.Records, rest = append(p.Records, made.Records...), behind
	}
	return p, nil
}

// PreviewMessage is what the guest would be handed for a message: by the rows of
// its device's mapping if it is an update of attributes and there are any, else
// by the encoders of the chain. Reasons are those of parts that are refused.
func (c *Chain) PreviewMessage(ctx context.Context, m abi.Message, rows []spec.AttributeUpdate) (made []abi.Message, reasons []string, err error) {
	if m.Type == abi.MessageAttributes && len(rows) > 0 {
		made, refused, err := attributeUpdates(&m, rows)
		for _, one := range refused {
			reasons = append(reasons, fmt.Sprintf("%s: %s", one.Item, one.Error.Text))
		}
		return made, reasons, err
	}
	made, _, err = c.encode(ctx, &m)
	return made, nil, err
}
