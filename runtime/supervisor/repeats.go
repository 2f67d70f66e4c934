package supervisor

import (
	"context"
	"errors"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/outbox"
)

var _ actor.KeyReader = laneHost{}

// SourceKeys implements actor.KeyReader: of the records in the newest blocks of
// the log.
func (h laneHost) SourceKeys(ctx context.Context, most int) (keys []string, err error) {
	head := h.log.Head()
	if _, known := h.log.LaneState(h.id, h.lane.name); !known || head == 0 {
		return nil, nil
	}
	r := h.log.Reader(head - min(head-1, scanned))
	defer func() { _ = r.Close() }()
	var records abi.Batch
	for seq := uint64(0); seq < head; {
		b, err := r.Next(ctx)
		if gap, ok := errors.AsType[*outbox.Gap](err); ok {
			seq = gap.To
			continue
		}
		if err != nil {
			return nil, err
		}
		if seq = b.Seq; b.Connector != h.id || b.Lane != h.lane.name {
			continue
		}
		for rest := b.Records; ; {
			batch, behind, ok := outbox.CutBatch(rest)
			if !ok {
				break
			}
			rest = behind
			if !abi.HasSourceKeys(batch) || records.Decode(batch) != nil {
				continue
			}
			for i := range records.Records {
				if key := records.Records[i].SourceKey; key != "" {
					keys = append(keys, key)
				}
			}
		}
		keys = keys[max(0, len(keys)-most):]
	}
	return keys, nil
}
