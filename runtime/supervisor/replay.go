package supervisor

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/store"
)

// watermark is the last block of a connector's lane that was applied to the
// store.
func watermark(r store.Reader, connector, lane string) (uint64, error) {
	return number(r, store.Applied, lanePlace(connector, lane))
}

func mark(w store.Writer, b *outbox.Block) error {
	return setNumber(w, store.Applied, lanePlace(b.Connector, b.Lane), b.Seq)
}

// lanePlace is where something is kept for a lane.
func lanePlace(connector, lane string) string {
	if lane == "" {
		return connector
	}
	return within(connector, lane)
}

// number reads a number that is kept for a connector; 0: none is.
func number(r store.Reader, bucket store.Bucket, connector string) (uint64, error) {
	e, err := r.Get(bucket, connector)
	if fault.Is(err, fault.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(e.Value) != 8 {
		return 0, fault.New(fault.Integrity, "what %s keeps of connector %s is damaged", bucket, connector)
	}
	return binary.BigEndian.Uint64(e.Value), nil
}

func setNumber(w store.Writer, bucket store.Bucket, connector string, n uint64) error {
	_, err := w.Put(bucket, connector, binary.BigEndian.AppendUint64(nil, n))
	return err
}

// lastApplied is the highest block of the tenant's log that the store has
// seen: the log must reach it, or it has lost blocks.
func (t *Tenant) lastApplied(ctx context.Context) (last uint64, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		for e, err := range store.All(r, store.Applied, "") {
			if err != nil {
				return err
			}
			if len(e.Value) == 8 {
				last = max(last, binary.BigEndian.Uint64(e.Value))
			}
		}
		return nil
	})
	return last, err
}

// replay applies the blocks of a connector that are durable and not applied
// yet: at most the last one of each lane, as its actor applies each before the
// next. No lane may be at work.
func (t *Tenant) replay(ctx context.Context, connector string) error {
	return t.replayThose(ctx, connector, t.log.Lanes(connector), func(int64) {})
}

// replayLane is replay of one lane, beside which others are at work.
func (r *runner) replayLane(ctx context.Context, lane string) error {
	state, known := r.log.LaneState(r.id, lane)
	if !known {
		return nil
	}
	grew := func(by int64) { r.host.kept.Add(uint64(by)) }
	return r.replayThose(ctx, r.id, map[string]outbox.State{lane: state}, grew)
}

// replayThose applies what these lanes have not applied, in the order of the
// log. grew is told by how many bytes the connector's state has become larger.
func (t *Tenant) replayThose(ctx context.Context, connector string, lanes map[string]outbox.State, grew func(int64)) error {
	from, to, err := t.unapplied(ctx, connector, lanes)
	if err != nil || to == 0 {
		return err
	}
	r := t.log.Reader(from)
	defer func() { _ = r.Close() }()
	for {
		b, err := r.Next(ctx)
		var gap *outbox.Gap
		switch {
		case errors.As(err, &gap):
			t.notes.Error("blocks are missing that were not applied", "connector", connector, "from", gap.From, "to", gap.To, "reason", gap.Reason)
			if gap.To >= to {
				return nil
			}
			continue
		case err != nil:
			return err
		}
		if _, ours := lanes[b.Lane]; ours && b.Connector == connector && b.Effects() {
			grown, err := t.apply(ctx, b)
			if neverApplies(err) {
				err = t.skip(ctx, b, err)
			}
			if err != nil {
				return err
			}
			grew(grown)
		}
		if b.Seq >= to {
			return nil
		}
	}
}

// unapplied is from where to where the blocks are that these lanes have not
// applied; to is 0 when there are none.
func (t *Tenant) unapplied(ctx context.Context, connector string, lanes map[string]outbox.State) (from, to uint64, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		from, to = 0, 0
		for lane, state := range lanes {
			done, err := watermark(r, connector, lane)
			if err != nil {
				return err
			}
			if done >= state.Effects {
				continue
			}
			if to == 0 || done+1 < from {
				from = done + 1
			}
			to = max(to, state.Effects)
		}
		return nil
	})
	return from, to, err
}

// forgetLane forgets what one lane left whose device is gone: its state, its
// place in the log, and how far it was applied.
func (r *runner) forgetLane(ctx context.Context, lane string) error {
	place := statePlace(r.id, lane)
	size, err := r.sizeOf(ctx, place)
	if err == nil {
		err = store.Empty(ctx, r.space, store.KV, place)
	}
	if err != nil {
		return err
	}
	r.host.kept.Add(-size)
	err = r.space.Update(ctx, func(w store.Writer) error {
		return put(w, store.Applied, lanePlace(r.id, lane), nil, true)
	})
	if err != nil {
		return err
	}
	return r.log.ForgetLane(ctx, r.id, lane)
}

// Purge forgets all that a deleted connector left: its state, its devices, its
// place in the log. Its records stay until retention takes them.
func (t *Tenant) Purge(ctx context.Context, connector string) error {
	t.twins.Drop(connector, "")
	t.interlocks.Forget(connector)
	t.Respecified(connector)
	t.forgetExchange(connector)
	t.forgetCaptured(connector)
	delivery.Forget(t.log, connector)
	if err := store.Empty(ctx, t.space, store.KV, statePlaces(connector)); err != nil {
		return err
	}
	for _, bucket := range []store.Bucket{store.KV, store.Devices, store.Applied, store.Twins} {
		if err := store.Empty(ctx, t.space, bucket, within(connector, "")); err != nil {
			return err
		}
	}
	if err := store.Empty(ctx, t.space, store.Notifications, connector+"."); err != nil {
		return err
	}
	if err := store.Empty(ctx, t.space, store.Quarantine, connector); err != nil { // ids are of one length
		return err
	}
	if err := store.Empty(ctx, t.space, store.DeviceSyncs, within(connector, "")); err != nil {
		return err
	}
	err := t.space.Update(ctx, func(w store.Writer) error {
		return errors.Join(put(w, store.Applied, connector, nil, true), put(w, store.Epochs, connector, nil, true),
			put(w, store.DeviceSyncs, connector, nil, true))
	})
	if err != nil {
		return err
	}
	t.writing.Lock()
	delete(t.journals, connector)
	t.writing.Unlock()
	return t.log.Forget(ctx, connector)
}
