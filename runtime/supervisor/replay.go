package supervisor

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/store"
)

// watermark is the last block of a connector that was applied to the store.
func watermark(r store.Reader, connector string) (uint64, error) {
	return number(r, store.Applied, connector)
}

func mark(w store.Writer, connector string, seq uint64) error {
	return setNumber(w, store.Applied, connector, seq)
}

// nextEpoch is an epoch that no record of the connector has in its key. It is
// in the store before the first block of it is in the log, so that a log whose
// end was damaged cannot make a key come twice.
func (t *Tenant) nextEpoch(ctx context.Context, connector string) (epoch uint64, err error) {
	state, _ := t.log.State(connector)
	err = t.space.Update(ctx, func(w store.Writer) error {
		last, err := number(w, store.Epochs, connector)
		if err != nil {
			return err
		}
		epoch = max(last, state.Epoch) + 1
		return setNumber(w, store.Epochs, connector, epoch)
	})
	return epoch, err
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
// yet: at most the last one, as its actor applies each before the next.
func (t *Tenant) replay(ctx context.Context, connector string) error {
	state, known := t.log.State(connector)
	if !known {
		return nil
	}
	var done uint64
	err := t.space.View(ctx, func(r store.Reader) (err error) {
		done, err = watermark(r, connector)
		return err
	})
	if err != nil || done >= state.Effects {
		return err
	}
	r := t.log.Reader(done + 1)
	defer func() { _ = r.Close() }()
	for {
		b, err := r.Next(ctx)
		var gap *outbox.Gap
		switch {
		case errors.As(err, &gap):
			t.notes.Error("blocks are missing that were not applied", "connector", connector, "from", gap.From, "to", gap.To, "reason", gap.Reason)
			if gap.To >= state.Effects {
				return nil
			}
			continue
		case err != nil:
			return err
		}
		if b.Connector == connector && b.Effects() {
			if _, err := t.apply(ctx, b); neverApplies(err) {
				err = t.skip(ctx, b, err)
				if err != nil {
					return err
				}
			} else if err != nil {
				return err
			}
		}
		if b.Seq >= state.Effects {
			return nil
		}
	}
}

// Purge forgets all that a deleted connector left: its state, its devices, its
// place in the log. Its records stay until retention takes them.
func (t *Tenant) Purge(ctx context.Context, connector string) error {
	for _, bucket := range []store.Bucket{store.KV, store.Devices} {
		if err := store.Empty(ctx, t.space, bucket, within(connector, "")); err != nil {
			return err
		}
	}
	err := t.space.Update(ctx, func(w store.Writer) error {
		return errors.Join(put(w, store.Applied, connector, nil, true), put(w, store.Epochs, connector, nil, true))
	})
	if err != nil {
		return err
	}
	t.writing.Lock()
	delete(t.journals, connector)
	t.writing.Unlock()
	return t.log.Forget(ctx, connector)
}
