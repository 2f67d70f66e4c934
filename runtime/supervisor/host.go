package supervisor

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/store"
)

// host is the node as one connector's actor sees it.
type host struct {
	*Tenant
	id      string
	journal *Journal
	notes   *slog.Logger
	moved   func()        // told after every change of state
	kept    atomic.Uint64 // bytes of the connector's state, of all lanes
	turn    chan struct{} // holds a token while a block that changes devices is on its way
}

var _ actor.Host = (*host)(nil)

func (t *Tenant) newHost(id string) *host {
	return &host{Tenant: t, id: id, journal: t.Journal(id), notes: t.notes.With("connector", id), moved: func() {}, turn: make(chan struct{}, 1)}
}

// Commit implements actor.Host. The log is the commit (I1): what the block
// changes in the store follows it, and is repeated at the next start if it
// could not follow now.
//
// Lanes share nothing that a block changes but the connector's devices, so each
// applies its blocks by itself. Those that change devices go one after the other
// from the log to the store: a device is what the last block in the log made of
// it, and after a crash only the last of them is left to apply.
func (h *host) Commit(ctx context.Context, b *outbox.Block) (sequence uint64, err error) {
	if len(b.Devices) > 0 {
		select {
		case h.turn <- struct{}{}:
			defer func() { <-h.turn }()
		case <-h.super.kill.Done():
			return 0, fault.New(fault.ShuttingDown, "the server is stopping")
		}
	}
	if sequence, err = h.log.Append(ctx, b); err != nil || !b.Effects() {
		return sequence, err
	}
	return sequence, h.applyUntilDone(h.super.kill, b) //nolint:contextcheck // a durable block is applied even when its step has ended
}

// Begin implements actor.Host.
func (h *host) Begin(ctx context.Context, b *outbox.Block, behind bool) (outbox.Pending, error) {
	return h.log.Begin(ctx, b, behind)
}

// applyWait is the pause between two tries to apply a block.
const applyWait = time.Second

// applyUntilDone applies a durable block. There is no way back, so it tries
// until the store takes it; only the end of the process ends that, and then
// the next start applies it.
func (h *host) applyUntilDone(ctx context.Context, b *outbox.Block) error {
	for told := false; ; told = true {
		grown, err := h.apply(ctx, b)
		h.kept.Add(uint64(grown)) // less is more by the two's complement
		if err == nil || ctx.Err() != nil {
			return err
		}
		if neverApplies(err) {
			return h.skip(ctx, b, err)
		}
		if !told {
			h.Line(abi.LogError, actor.FromHost, "store", "the store does not take a step's changes; trying again: "+err.Error())
		}
		t := time.NewTimer(applyWait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}

// Lookup implements actor.Host.
func (h *host) Lookup(ctx context.Context, key string) (value []byte, found bool, err error) {
	return h.lookup(ctx, "", key)
}

// lookup reads an entry of a lane's state.
func (h *host) lookup(ctx context.Context, lane, key string) (value []byte, found bool, err error) {
	err = h.space.View(ctx, func(r store.Reader) error {
		e, err := r.Get(store.KV, statePlace(h.id, lane)+key)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		value, found = e.Value, err == nil
		return err
	})
	return value, found, err
}

// Kept implements actor.Host.
func (h *host) Kept() uint64 { return h.kept.Load() }

// countKept counts what the connector's state holds in all lanes, before its
// actors start; from then on apply maintains the number.
func (h *host) countKept(ctx context.Context) error {
	own, err := h.sizeOf(ctx, statePlace(h.id, ""))
	if err != nil {
		return err
	}
	lanes, err := h.sizeOf(ctx, statePlaces(h.id))
	if err == nil {
		h.kept.Store(own + lanes)
	}
	return err
}

// Refused implements actor.Host.
func (h *host) Refused(r actor.Refusal) {
	on := strings.Trim(r.Group+"."+r.Function, ".")
	h.super.cfg.Audit.Note(h.name, identity.Event{
		Who: identity.Who{Kind: identity.ByConnector, ID: h.id}, Action: identity.HostCall, Connector: h.id,
		On: strings.TrimSpace(on + " " + r.Resource), Outcome: identity.Refused, Code: r.Code, Count: r.Count,
	})
	h.notes.Log(h.super.kill, slog.LevelWarn, "host calls refused",
		"group", r.Group, "function", r.Function, "resource", r.Resource, "code", r.Code, "count", r.Count)
}

// Line implements actor.Host.
func (h *host) Line(level abi.LogLevel, source, target, text string) {
	h.journal.add(level, source, target, text)
	h.notes.Log(h.super.kill, slogLevel(level), text, "source", source, "target", target)
}

// Report implements actor.Host.
func (h *host) Report(s lifecycle.Status) {
	level := slog.LevelInfo
	if s.Reason != "" {
		level = slog.LevelWarn
	}
	h.journal.add(abi.LogInfo, actor.FromHost, "state", describe(s))
	h.notes.Log(h.super.kill, level, "state", "state", s.State, "reason", s.Reason, "code", s.Code, "generation", s.Generation)
	h.moved()
}

func describe(s lifecycle.Status) string {
	if s.Reason == "" {
		return string(s.State)
	}
	return string(s.State) + ": " + s.Reason
}

func slogLevel(l abi.LogLevel) slog.Level {
	switch l {
	case abi.LogDebug:
		return slog.LevelDebug
	case abi.LogInfo:
		return slog.LevelInfo
	case abi.LogWarning:
		return slog.LevelWarn
	case abi.LogError, abi.LogCritical:
	}
	return slog.LevelError
}

// sandboxed is a host that keeps nothing: for tests of a connection.
type sandboxed struct{ *host }

// Commit implements actor.Host.
func (sandboxed) Commit(context.Context, *outbox.Block) (uint64, error) {
	return 0, errNotKept()
}

// Begin implements actor.Host.
func (sandboxed) Begin(context.Context, *outbox.Block, bool) (outbox.Pending, error) {
	return outbox.Pending{}, errNotKept()
}

func errNotKept() error { return fault.New(fault.NotActive, "nothing is kept during a test") }

// within is the id of something that belongs to a connector.
func within(connector, id string) string { return connector + "\x00" + id }

// apply brings the store up to a block, once: the connector's watermark is
// written in the last transaction, and what is done before it may be done again.
// grown is by how many bytes the connector's state has become larger.
func (t *Tenant) apply(ctx context.Context, b *outbox.Block) (grown int64, err error) {
	if len(b.Devices) > 0 {
		if err := t.applyDevices(ctx, b); err != nil {
			return 0, err
		}
	}
	err = t.space.Update(ctx, func(w store.Writer) error {
		grown = 0
		done, err := watermark(w, b.Connector, b.Lane)
		if err != nil || done >= b.Seq {
			return err
		}
		for _, kv := range b.KV {
			if done, err := applyNotification(w, b, kv); done || err != nil {
				if err != nil {
					return err
				}
				continue
			}
			by, err := applyKV(w, statePlace(b.Connector, b.Lane), kv)
			if err != nil {
				return err
			}
			grown += by
		}
		return mark(w, b)
	})
	if err != nil {
		return 0, err
	}
	return grown, nil
}

// applyKV changes one entry of a lane's state, which is at a place. grown is by
// how many bytes of key and value that makes it larger.
func applyKV(w store.Writer, place string, kv outbox.KV) (grown int64, err error) {
	id := place + kv.Key
	had, err := w.Get(store.KV, id)
	switch {
	case err == nil:
		grown -= int64(len(kv.Key) + len(had.Value))
	case !fault.Is(err, fault.NotFound):
		return 0, err
	}
	if !kv.Delete {
		grown += int64(len(kv.Key) + len(kv.Value))
	}
	return grown, put(w, store.KV, id, kv.Value, kv.Delete)
}

// neverApplies reports whether the store refuses a block for what is in it. The
// actor lets no such block into the log; one that is there all the same, from
// another version, must not hold up everything behind it.
func neverApplies(err error) bool {
	return fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge)
}

// skip passes over a block that the store will never take, and says so.
func (t *Tenant) skip(ctx context.Context, b *outbox.Block, cause error) error {
	t.notes.Error("a block's changes are left out: the store refuses them", "connector", b.Connector, "block", b.Seq, "error", cause)
	t.Journal(b.Connector).add(abi.LogCritical, actor.FromHost, "store", "the changes of a step are left out: "+cause.Error())
	return t.space.Update(ctx, func(w store.Writer) error { return mark(w, b) })
}

func put(w store.Writer, bucket store.Bucket, id string, value []byte, remove bool) error {
	if !remove {
		_, err := w.Put(bucket, id, value)
		return err
	}
	if err := w.Delete(bucket, id); err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	return nil
}
