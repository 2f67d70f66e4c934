package twin

import (
	"context"
	"errors"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
)

const (
	again   = time.Second     // the pause after the log could not be read
	goodbye = 5 * time.Second // for the last write
	sweeps  = time.Minute     // how often what is too old is dropped
)

// Run reads what is stored and then the log, until ctx ends or the log is
// closed. What it has read by then is made durable.
func (t *Twins) Run(ctx context.Context) {
	from, err := t.load(ctx)
	if err != nil {
		return // ctx has ended, or the tenant is gone
	}
	close(t.loaded)
	reader := t.cfg.Outbox.Reader(from)
	defer func() { _ = reader.Close() }() // it was only read
	t.follow(ctx, reader)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	if err := t.flush(last); err != nil && !fault.Is(err, fault.NotFound) {
		t.cfg.Log.Warn("the last readings of the twins are not stored; they are read again at the next start", "error", err)
	}
}

// follow reads the log, and writes what changed each Every.
func (t *Twins) follow(ctx context.Context, reader *outbox.Reader) {
	var batch abi.Batch
	swept := time.Now()
	for ctx.Err() == nil {
		until, cancel := context.WithTimeout(ctx, t.cfg.Every)
		err := t.read(until, reader, &batch)
		cancel()
		switch {
		case fault.Is(err, fault.ShuttingDown):
			return
		case ctx.Err() == nil && !fault.Is(err, fault.Timeout):
			t.cfg.Log.Error("the twins cannot read the outbox; trying again", "error", err)
			pause(ctx, again)
		}
		if ctx.Err() != nil {
			return
		}
		if err := t.flush(ctx); err != nil {
			t.cfg.Log.Warn("the twins cannot be stored; trying again", "error", err)
		}
		if now := time.Now(); now.Sub(swept) >= sweeps {
			t.sweep(now)
			swept = now
		}
	}
}

// read takes blocks in until ctx ends, and says why it did.
func (t *Twins) read(ctx context.Context, reader *outbox.Reader, batch *abi.Batch) error {
	for {
		b, err := reader.Next(ctx)
		var gap *outbox.Gap
		switch {
		case errors.As(err, &gap):
			t.mu.Lock()
			t.missed(gap.From, gap.To)
			t.seq = max(t.seq, gap.To)
			t.mu.Unlock()
		case err != nil:
			return err
		default:
			t.apply(context.WithoutCancel(ctx), b, batch) // a block that was begun is taken in whole
		}
	}
}

// missed counts blocks that nobody can read any more, unless they were read
// before. The lock is held.
func (t *Twins) missed(from, to uint64) {
	if from = max(from, t.durable+1); from <= to {
		t.stats.Gaps++
		t.stats.Missing += to - from + 1
	}
}

// sweep drops what of the histories is too old.
func (t *Twins) sweep(now time.Time) {
	oldest := now.Add(-t.lim.Age).UnixNano()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.all {
		for _, of := range s.tags {
			t.history -= of.past.trim(oldest)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
