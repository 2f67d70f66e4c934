package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// previews is what a tenant needs to try converters out.
type previews struct {
	made atomic.Uint64 // names the accounts

	mu       sync.Mutex
	captured map[string]*actor.Captured // by connector
}

// captured is what is kept of the records that come to a connector's
// converters. It outlives guests and swaps.
func (t *Tenant) captured(id string) *actor.Captured {
	t.previews.mu.Lock()
	defer t.previews.mu.Unlock()
	c, ok := t.previews.captured[id]
	if !ok {
		c = &actor.Captured{}
		if t.previews.captured == nil {
			t.previews.captured = map[string]*actor.Captured{}
		}
		t.previews.captured[id] = c
	}
	return c
}

// forgetCaptured drops what is kept of a connector that is deleted.
func (t *Tenant) forgetCaptured(id string) {
	t.previews.mu.Lock()
	defer t.previews.mu.Unlock()
	delete(t.previews.captured, id)
}

// Captured are the newest records that came to the connector's converters, at
// most so many, newest first.
func (t *Tenant) Captured(id string, n int) []abi.Record { return t.captured(id).Newest(n) }

// scanned bounds the blocks that are looked through for what was rejected.
const scanned = 4096

// Rejected are the newest inputs of a connector that are in quarantine, at most
// so many, newest first. Only the newest blocks of the log are looked through.
func (t *Tenant) Rejected(ctx context.Context, id string, n int) ([]abi.Record, error) {
	var found []abi.Record
	head := t.log.Head()
	if head == 0 || n == 0 {
		return nil, nil
	}
	r := t.log.Reader(head - min(head-1, scanned))
	defer func() { _ = r.Close() }()
	for {
		b, err := r.Next(ctx)
		if gap, ok := errors.AsType[*outbox.Gap](err); ok {
			if gap.To >= head {
				break
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if b.Connector == id {
			for i := range b.Rejects {
				found = append(found, abi.Record{Device: b.Rejects[i].Device, Time: b.Received, Payload: slices.Clone(b.Rejects[i].Input)})
			}
			found = found[max(0, len(found)-n):]
		}
		if b.Seq >= head {
			break
		}
	}
	slices.Reverse(found)
	return found, nil
}

// Previewer is a chain of converters that is tried out. Close it.
type Previewer struct {
	tenant *Tenant
	chain  *actor.Chain
	rows   []spec.AttributeUpdate
	free   func()

	mu    sync.Mutex
	lines []string // what the converters had to say
}

// maxPreviewLines bounds the lines that are kept of a preview.
const maxPreviewLines = 100

// Preview makes the converter that a connector's device has, or that one in its
// place, beside whatever runs and on the tenant's account. Nothing that runs is
// touched. One is made at a time, others wait as tests of connections do; those
// have places of their own, so that no preview holds up an activation. c may be
// nil when a converter is given; a device may be "".
func (t *Tenant) Preview(ctx context.Context, c *spec.Connector, device string, converter *spec.Converter) (*Previewer, error) {
	free, err := t.trials.take(ctx)
	if err != nil {
		return nil, err
	}
	p := &Previewer{tenant: t, free: free}
	if err := p.load(ctx, c, device, converter); err != nil {
		p.Close()
		return nil, t.maskedFault(err)
	}
	return p, nil
}

func (p *Previewer) load(ctx context.Context, c *spec.Connector, device string, converter *spec.Converter) error {
	t := p.tenant
	var wanted *chainPlan
	if c != nil {
		all, err := t.plan(ctx, c)
		if err != nil {
			return err
		}
		wanted, p.rows = all.common, all.own.updates[device]
		if own, ok := all.own.devices[device]; ok {
			wanted = own
		}
	}
	if converter != nil {
		wanted = chainOf(converter)
	}
	b := chains{tenant: t, made: map[string]*actor.Chain{}, pool: actor.NewConverters(actor.ConvertersConfig{
		Engine: t.super.cfg.Engine, Tenant: t.name, Name: fmt.Sprintf("preview/%d", t.previews.made.Add(1)),
		Groups: t.super.cfg.Groups, Log: t.notes, Mask: t.vault.Mask().Text, Line: p.line,
	})}
	held := p.free
	p.free = func() {
		b.release(context.WithoutCancel(ctx))
		held()
	}
	chain, err := b.chain(ctx, wanted)
	p.chain = chain
	return err
}

func (p *Previewer) line(level abi.LogLevel, source, _, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lines) < maxPreviewLines {
		p.lines = append(p.lines, fmt.Sprintf("%s %s: %s", slogLevel(level), source, p.tenant.vault.Mask().Text(text)))
	}
}

// Lines is what the converters had to say.
func (p *Previewer) Lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// Record is what becomes of one record. A converter that cannot be asked at all
// is a reason, too.
func (p *Previewer) Record(ctx context.Context, r abi.Record) (actor.Preview, error) {
	out, err := p.chain.Preview(ctx, r, p.tenant.vault.Mask().Text)
	if err != nil {
		return out, p.tenant.maskedFault(err)
	}
	return out, nil
}

// Message is what the module would be handed for a message.
func (p *Previewer) Message(ctx context.Context, m abi.Message) ([]abi.Message, []string, error) {
	made, reasons, err := p.chain.PreviewMessage(ctx, m, p.rows)
	if err != nil {
		return nil, nil, p.tenant.maskedFault(err)
	}
	return made, reasons, nil
}

// Close gives the converters back.
func (p *Previewer) Close() { p.free() }
