package identity

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// How what strangers and guests do is kept from filling the trails.
const (
	// flushEvery is how soon a note is in the trail, when it may be.
	flushEvery = time.Second
	// maxPending bounds the different notes of a trail that wait.
	maxPending = 256
	// burst notes of a trail are written at once, and then one each refill. So
	// a guest that is refused at every call turns a trail over in no less than
	// three days.
	burst  = 100
	refill = 30 * time.Second
)

// Audit writes the trails of all tenants, and the server's own. It is safe for
// use by several goroutines, and a nil one keeps nothing.
type Audit struct {
	store store.Store
	log   *slog.Logger

	mu    sync.Mutex
	notes map[string]*notes // by tenant; "": the server's own

	stop chan struct{}
	end  func()
	done chan struct{}
}

// notes are the events of one trail that wait to be written.
type notes struct {
	pending map[Event]*tally // by the event without its times and count
	tokens  float64
	filled  time.Time
}

// tally is how often an event happened.
type tally struct {
	count       uint64
	first, last time.Time
}

// NewAudit starts to write trails. Its goroutine ends with Close, or with ctx.
func NewAudit(ctx context.Context, s store.Store, log *slog.Logger) *Audit {
	a := &Audit{store: s, log: log, notes: map[string]*notes{}, stop: make(chan struct{}), done: make(chan struct{})}
	a.end = sync.OnceFunc(func() { close(a.stop) })
	go a.run(ctx)
	return a
}

// Note puts an event into a tenant's trail, or into the server's own with "",
// soon. It never waits: equal events are counted together until they are
// written, which is a second later, or when the trail takes more. It is for
// what strangers and guests do, who may do it as often as they like.
func (a *Audit) Note(tenant string, e Event) {
	if a == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e = e.bounded()
	t := tally{count: e.Count, first: e.start(), last: e.Time}
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.notes[tenant]
	if of == nil {
		of = &notes{pending: map[Event]*tally{}, tokens: burst, filled: time.Now()}
		a.notes[tenant] = of
	}
	of.add(e.key(), t)
}

func (n *notes) add(e Event, more tally) {
	t := n.pending[e]
	if t == nil && len(n.pending) >= maxPending {
		// What it was is less than who it was: a guest that tries a thousand
		// ports is one line with a thousand.
		e = Event{Who: e.Who, Action: e.Action, Connector: e.Connector, Outcome: e.Outcome, Detail: "and others like it"}
		t = n.pending[e]
	}
	if t == nil && len(n.pending) >= 2*maxPending {
		e = Event{Who: Who{Kind: e.Who.Kind}, Action: e.Action, Outcome: e.Outcome, Detail: "by many"}
		t = n.pending[e]
	}
	if t == nil {
		n.pending[e] = &more
		return
	}
	t.count += more.count
	if more.first.Before(t.first) {
		t.first = more.first
	}
	if more.last.After(t.last) {
		t.last = more.last
	}
}

func (a *Audit) run(ctx context.Context) {
	defer close(a.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = a.flush(ctx, false) // said in the log, and tried again
		case <-a.stop:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Close writes what waits, all of it, and ends.
func (a *Audit) Close(ctx context.Context) error {
	if a == nil {
		return nil
	}
	a.end()
	<-a.done
	return a.flush(ctx, true)
}

// flush writes what may be written; all: whatever waits. What cannot be
// written waits on.
func (a *Audit) flush(ctx context.Context, all bool) error {
	var failed error
	for tenant, events := range a.due(all) {
		err := a.write(ctx, tenant, events)
		if tenant != "" && fault.Is(err, fault.NotFound) {
			continue // the tenant is gone, and its trail with it
		}
		if err != nil {
			failed = err
			a.log.Warn("what was refused cannot be written to the audit trail; it is kept for later", "tenant", tenant, "error", err)
			a.back(tenant, events)
		}
	}
	return failed
}

// due takes what may be written now out of what waits, the oldest first.
func (a *Audit) due(all bool) map[string][]Event {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	due := map[string][]Event{}
	for tenant, n := range a.notes {
		if events := n.take(now, all); len(events) > 0 {
			due[tenant] = events
		}
		if len(n.pending) == 0 && n.tokens >= burst {
			delete(a.notes, tenant)
		}
	}
	return due
}

func (n *notes) take(now time.Time, all bool) (events []Event) {
	n.tokens = min(burst, n.tokens+float64(now.Sub(n.filled))/float64(refill))
	n.filled = now
	if !all && n.tokens < 1 {
		return nil
	}
	for e, t := range n.pending {
		e.Time, e.Count = t.last, t.count
		if t.count > 1 {
			e.First = t.first.UTC()
		}
		events = append(events, e)
	}
	slices.SortFunc(events, func(x, y Event) int {
		return cmp.Or(x.start().Compare(y.start()), cmp.Compare(x.On, y.On))
	})
	if may := int(n.tokens); !all && len(events) > may {
		events = events[:may]
	}
	for _, e := range events {
		n.tokens = max(0, n.tokens-1)
		delete(n.pending, e.key())
	}
	return events
}

// start is when it happened first.
func (e *Event) start() time.Time {
	if e.First.IsZero() {
		return e.Time
	}
	return e.First
}

// key is the event without its times and count.
func (e Event) key() Event {
	e.Time, e.First, e.Count = time.Time{}, time.Time{}, 0
	return e
}

func (a *Audit) write(ctx context.Context, tenant string, events []Event) error {
	space := a.store.System()
	if tenant != "" {
		var err error
		if space, err = a.store.Tenant(tenant); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(events, maxPending) { // far below what one transaction may write
		if err := space.Update(ctx, func(w store.Writer) error { return Append(w, part...) }); err != nil {
			return fault.Of(err)
		}
	}
	return nil
}

// Forget drops what waits for the trail of a tenant that is gone, lest it come
// into that of one after it with the same id.
func (a *Audit) Forget(tenant string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.notes, tenant)
}

// back puts events that could not be written among those that wait.
func (a *Audit) back(tenant string, events []Event) {
	for _, e := range events {
		a.Note(tenant, e)
	}
}
