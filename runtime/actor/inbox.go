package actor

import (
	"cmp"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxInflight bounds the events of one source that are taken and not
// acknowledged. It is only reached when a guest answers retry: then the
// source waits, and its own buffer pushes back.
const maxInflight = 4 * abi.MaxItems

// inbox gathers what the sources of a guest hold into batches, and
// acknowledges to each source in its order.
type inbox struct {
	intakes []intake
	turn    int                // the intake to ask first, so that none starves
	batch   []input            // of the step that runs
	items   int                // the bound of that batch
	spent   int                // bytes that something else has of that bound
	taken   []capability.Event // scratch
}

// intake is one source with the events that were taken from it and are not
// acknowledged, oldest first.
type intake struct {
	session  *session
	source   capability.Source
	handle   uint32
	inflight []pending
	gone     int // events before those, so that an input keeps its index
}

type pending struct {
	event     capability.Event
	done      bool
	told      bool      // the source knows that it is done
	rejected  string    // why it went to quarantine; empty: it did not
	handed    bool      // in the batch of the step that runs
	notBefore time.Time // of a retry
}

// input says where an event of the batch came from.
type input struct {
	intake, index int // the index counts the events of the intake
	event         capability.Event
	fresh         bool // handed in for the first time
}

// attach makes the inbox read the sources that this guest holds. A source that
// the guest before held too, and that it left orderly, goes on where it stood,
// with what is held back; any other starts at its oldest unacknowledged event.
func (b *inbox) attach(g *guest) {
	before := b.intakes
	b.intakes, b.batch, b.turn = nil, b.batch[:0], 0
	for i, s := range g.handles {
		if s.source == nil {
			continue
		}
		f := intake{session: s, source: s.source, handle: uint32(i + 1)}
		if at := slices.IndexFunc(before, func(x intake) bool { return x.session == s }); at >= 0 {
			f.inflight, f.gone = before[at].inflight, before[at].gone
			for j := range f.inflight {
				f.inflight[j].handed = false
			}
		} else {
			s.source.Rewind()
		}
		b.intakes = append(b.intakes, f)
	}
	b.listen(g, before)
}

// listen makes the inbox read the host's own notices, too: an intake without a
// session.
func (b *inbox) listen(g *guest, before []intake) {
	if g.surroundings == nil || g.notices == nil {
		return
	}
	f := intake{source: g.notices}
	if at := slices.IndexFunc(before, func(x intake) bool { return x.source == capability.Source(g.notices) }); at >= 0 {
		f.inflight, f.gone = before[at].inflight, before[at].gone
		for j := range f.inflight {
			f.inflight[j].handed = false
		}
	} else {
		g.notices.Rewind()
	}
	b.intakes = append(b.intakes, f)
}

// rest is how many events of sessions are held and not acknowledged.
func (b *inbox) rest() (n int) {
	for i := range b.intakes {
		if b.intakes[i].session != nil {
			n += len(b.intakes[i].inflight)
		}
	}
	return n
}

// gather fills the batch with at most items events: what is due again first,
// then what is new.
func (b *inbox) gather(now time.Time, items int) []input {
	b.batch, b.items = b.batch[:0], items
	bytes := abi.MaxBatch - b.spent
	for i := range b.intakes {
		f := (b.turn + i) % len(b.intakes)
		b.again(f, now, &bytes)
		b.fresh(f, &bytes)
	}
	if len(b.intakes) > 0 {
		b.turn = (b.turn + 1) % len(b.intakes)
	}
	return b.batch
}

func (b *inbox) again(f int, now time.Time, bytes *int) {
	for i := range b.intakes[f].inflight {
		p := &b.intakes[f].inflight[i]
		if p.done || p.handed || now.Before(p.notBefore) || !b.room(*bytes) {
			continue
		}
		p.handed = true
		*bytes -= len(p.event.Data)
		b.batch = append(b.batch, input{intake: f, index: b.intakes[f].gone + i, event: p.event})
	}
}

func (b *inbox) fresh(f int, bytes *int) {
	from := &b.intakes[f]
	if !b.room(*bytes) || len(from.inflight) >= maxInflight {
		return
	}
	b.taken = from.source.Take(b.taken[:0], b.items-len(b.batch), *bytes)
	for _, e := range b.taken {
		b.batch = append(b.batch, input{intake: f, index: from.gone + len(from.inflight), event: e, fresh: true})
		from.inflight = append(from.inflight, pending{event: e, handed: true})
		*bytes -= len(e.Data)
	}
}

func (b *inbox) room(bytes int) bool { return len(b.batch) < b.items && bytes > 0 }

// pending is what is known of an event that was not acknowledged.
func (b *inbox) pending(in input) *pending {
	f := &b.intakes[in.intake]
	return &f.inflight[in.index-f.gone]
}

// settle applies the guest's decision on input i of the batch. It takes effect
// with acknowledge.
func (b *inbox) settle(i int, v abi.Verdict, now time.Time) {
	p := b.pending(b.batch[i])
	p.done = v.Decision != abi.DecisionRetry
	if p.rejected = ""; v.Decision == abi.DecisionReject {
		p.rejected = cmp.Or(v.Reason, "rejected")
	}
	p.handed = false
	p.notBefore = now.Add(time.Duration(min(v.RetryAfterMS, maxRetryAfterMS)) * time.Millisecond)
}

// maxRetryAfterMS bounds how long a guest may hold an event back.
const maxRetryAfterMS = 60 * 60 * 1000

// acknowledge tells each source how many of its oldest events are settled, and
// those that want to know how each of them ended. It is called when the block
// that holds them is durable (I1).
func (b *inbox) acknowledge() {
	b.release()
	b.batch = b.batch[:0]
}

// release is acknowledge while a batch is under way.
func (b *inbox) release() {
	for i := range b.intakes {
		f := &b.intakes[i]
		f.tell()
		n := 0
		for n < len(f.inflight) && f.inflight[n].done {
			n++
		}
		if n == 0 {
			continue
		}
		f.source.Ack(n)
		rest := copy(f.inflight, f.inflight[n:])
		clear(f.inflight[rest:])
		f.inflight = f.inflight[:rest]
		f.gone += n
	}
}

// tell says how events ended, each once: also behind one that is held back.
func (f *intake) tell() {
	judged, ok := f.source.(capability.Judged)
	if !ok {
		return
	}
	for i := range f.inflight {
		if p := &f.inflight[i]; p.done && !p.told {
			p.told = true
			judged.Settled(i, p.rejected)
		}
	}
}

// nextRetry is when the earliest held event is due; zero: none is held.
func (b *inbox) nextRetry() time.Time {
	var next time.Time
	for i := range b.intakes {
		for _, p := range b.intakes[i].inflight {
			if !p.done && !p.handed && (next.IsZero() || p.notBefore.Before(next)) {
				next = p.notBefore
			}
		}
	}
	return next
}

// replayable reports whether a restart of the host loses nothing of any
// source.
func (b *inbox) replayable() bool {
	for i := range b.intakes {
		if !b.intakes[i].source.Replayable() {
			return false
		}
	}
	return true
}

// events makes the batch into what the guest is handed.
func (b *inbox) events(into []abi.Event, timers []string, now time.Time) []abi.Event {
	into = into[:0]
	for _, in := range b.batch {
		e := abi.Event{
			Type: in.event.Type, Handle: b.intakes[in.intake].handle, Time: in.event.Time,
			Data: in.event.Data, Name: in.event.Name,
		}
		if in.event.Err != nil {
			e.Err = fault.ToABI(in.event.Err)
		}
		into = append(into, e)
	}
	for _, name := range timers {
		into = append(into, abi.Event{Type: abi.EventTimer, Name: name, Time: now.UnixNano()})
	}
	return into
}
