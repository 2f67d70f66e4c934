package twin

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Twin is what is known of a device now.
type Twin struct {
	Telemetry  map[string]Reading
	Attributes map[string]Reading // as the device reports them
}

// Of is what is known of a device: nothing, perhaps. It waits until what is
// stored was read, after a start.
func (t *Twins) Of(ctx context.Context, connector, device string) (Twin, error) {
	tw := Twin{Telemetry: map[string]Reading{}, Attributes: map[string]Reading{}}
	if err := t.ready(ctx); err != nil {
		return tw, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.all[key{connector, device}]
	if s == nil {
		return tw, nil
	}
	for n, of := range s.tags {
		switch {
		case of.Received == 0: // a place without a reading
		case n.kind == abi.KindAttributes:
			tw.Attributes[n.tag] = of.Reading
		default:
			tw.Telemetry[n.tag] = of.Reading
		}
	}
	return tw, nil
}

// Range says which part of a history is wanted.
type Range struct {
	Tag   string    // "": all
	Since time.Time // zero: as far as there is
	Limit int       // of each tag, the newest; 0: all
}

// History are the readings of a device's telemetry in the window that is kept, by
// tag and in the order of their time.
func (t *Twins) History(ctx context.Context, connector, device string, in Range) (map[string][]Sample, error) {
	all := map[string][]Sample{}
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	if in.Limit <= 0 {
		in.Limit = t.lim.Points
	}
	if oldest := time.Now().Add(-t.lim.Age); in.Since.Before(oldest) {
		in.Since = oldest
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.all[key{connector, device}]
	if s == nil {
		return all, nil
	}
	for n, of := range s.tags {
		if n.kind != abi.KindTelemetry || (in.Tag != "" && n.tag != in.Tag) {
			continue
		}
		if samples := of.past.since(in.Since, in.Limit); len(samples) > 0 {
			all[n.tag] = samples
		}
	}
	return all, nil
}

// Await waits until this block was read, or ctx ends. It is for who has written
// the block and wants to see what became of it.
func (t *Twins) Await(ctx context.Context, seq uint64) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		t.mu.Lock()
		read := t.seq
		t.mu.Unlock()
		if read >= seq {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
