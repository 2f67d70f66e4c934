package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// The bounds of what a feed holds ahead: what fills a few calls. A block that
// goes beyond is taken whole, so that it is at most one block more.
const (
	maxAhead      = 8 * abi.MaxItems
	maxAheadBytes = 2 << 20
)

// readAgain is how long the feed waits after an error of the disk.
const readAgain = time.Second

// read fills the queue until the feed is closed.
func (f *Feed) read(ctx context.Context) {
	if first := f.cfg.Log.First(); f.seen == 0 && first > 1 { // 1 is the oldest to a reader, which tells nothing then
		f.miss(&outbox.Gap{From: 1, To: first - 1, Reason: outbox.GapRetention})
	}
	r := f.cfg.Log.Reader(f.seen + 1)
	defer func() { _ = r.Close() }()
	for f.await(ctx) {
		b, err := r.Next(ctx)
		gap, missing := errors.AsType[*outbox.Gap](err)
		switch {
		case err == nil:
			f.take(ctx, b)
		case missing:
			f.miss(gap)
		case ctx.Err() != nil || fault.Is(err, fault.ShuttingDown):
			return
		default:
			f.cfg.Tell("the outbox cannot be read, and is tried again: " + err.Error())
			pause(ctx, readAgain)
		}
	}
}

// take adds a block, once it is known whose it is: what cannot be told to be meant
// for the connector must not be passed over.
func (f *Feed) take(ctx context.Context, b *outbox.Block) {
	for told := false; ; told = true {
		pieces, err := f.pieces(ctx, b)
		if err == nil {
			f.add(b.Seq, pieces)
			return
		}
		if ctx.Err() != nil {
			return
		}
		if !told {
			f.cfg.Tell("the name of a connector cannot be read, and is asked for again: " + err.Error())
		}
		pause(ctx, readAgain)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// await waits for room in the queue, and reports false at the end.
func (f *Feed) await(ctx context.Context) bool {
	for ctx.Err() == nil {
		f.mu.Lock()
		full := f.held >= maxAhead || f.bytes >= maxAheadBytes
		f.mu.Unlock()
		if !full {
			return true
		}
		select {
		case <-f.room:
		case <-ctx.Done():
		}
	}
	return false
}

// add puts what a block holds for the connector at the end of the queue.
func (f *Feed) add(seq uint64, pieces []piece) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = seq
	f.pace.add(pieces)
	if len(pieces) == 0 {
		f.move()
		return
	}
	for i := range pieces {
		f.held += pieces[i].count
		f.bytes += len(pieces[i].batch)
	}
	f.queue = append(f.queue, pieces...)
	signal(f.wake)
}

// pieces are the batches of a block, if it is meant for the connector.
func (f *Feed) pieces(ctx context.Context, b *outbox.Block) ([]piece, error) {
	if b.Count == 0 || b.Connector == f.cfg.Connector {
		return nil, nil
	}
	if len(f.cfg.Settings.From) == 0 { // what sinks say themselves goes to those that name them: two would feed each other
		if _, delivers := f.cfg.Log.Cursor(place(b.Connector)); delivers {
			return nil, nil
		}
	}
	name, err := f.cfg.Name(ctx, b.Connector)
	if err != nil || !f.cfg.Settings.Wants(b.Connector, name) {
		return nil, err
	}
	head := abi.DeliverPart{Connector: name, ID: b.Connector, Lane: b.Lane, Epoch: b.Epoch, First: b.First, Received: b.Received}
	var pieces []piece
	now := time.Now()
	records := slices.Clone(b.Records) // which are the reader's
	for {
		batch, rest, ok := outbox.CutBatch(records)
		if !ok {
			return pieces, nil
		}
		records = rest
		n := abi.CountBatch(batch)
		if n > 0 {
			pieces = append(pieces, piece{head: head, batch: batch, count: n, seq: b.Seq, at: now})
		}
		head.First += uint64(n)
	}
}

func (f *Feed) miss(gap *outbox.Gap) {
	f.mu.Lock()
	f.missed += gap.To - gap.From + 1
	f.seen = gap.To
	f.move()
	f.mu.Unlock()
	f.cfg.Tell(fmt.Sprintf("blocks %d to %d of the outbox are gone (%s): what they held for this connector is not delivered", gap.From, gap.To, gap.Reason))
}
