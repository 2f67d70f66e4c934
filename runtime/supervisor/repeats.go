package supervisor

import (
	"context"
	"errors"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/outbox"
)

var _ actor.KeyReader = laneHost{}

// SourceKeys implements actor.KeyReader: of the records in the lane's last block,
// and in those of the log before it. What others have written since does not count,
// or the last request of a quiet lane, of which the answer was lost, would be
// forgotten for the noise of its neighbours.
func (h laneHost) SourceKeys(ctx context.Context, most int) (keys []string, err error) {
	state, known := h.log.LaneState(h.id, h.lane.name)
	if !known || state.Last == 0 {
		return nil, nil
	}
	r := h.log.Reader(state.Last - min(state.Last-1, scanned))
	defer func() { _ = r.Close() }()
	var records abi.Batch
	for seq := uint64(0); seq < state.Last; {
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
