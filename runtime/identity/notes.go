package identity

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
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
	// What strangers do has less: it turns a trail over in no less than a month,
	// and holds up the notes of nobody else.
	strangersBurst  = 30
	strangersRefill = 5 * time.Minute
)

// Audit writes the trails of all tenants, and the server's own. It is safe for
// use by several goroutines, and a nil one keeps nothing.
type Audit struct {
	store store.Store
	log   *slog.Logger

	mu    sync.Mutex
	notes map[noted]*notes

	stop chan struct{}
	end  func()
	done chan struct{}
}

// noted is whose doings are noted, and where.
type noted struct {
	tenant    string // "": the server's own trail
	strangers bool
}

// notes are the events of one trail, by strangers or by all others, that wait to
// be written.
type notes struct {
	pending map[Event]*tally // by the event without its times and count
	tokens  float64
	filled  time.Time
	most    float64 // tokens
	refill  time.Duration
	folds   bool // what is more than may be written is one event
}

func newNotes(strangers bool) *notes {
	n := &notes{pending: map[Event]*tally{}, most: burst, refill: refill, folds: strangers, filled: time.Now()}
	if strangers {
		n.most, n.refill = strangersBurst, strangersRefill
	}
	n.tokens = n.most
	return n
}

// tally is how often an event happened.
type tally struct {
	count       uint64
	first, last time.Time
}

// NewAudit starts to write trails. Its goroutine ends with Close, or with ctx.
func NewAudit(ctx context.Context, s store.Store, log *slog.Logger) *Audit {
	a := &Audit{store: s, log: log, notes: map[noted]*notes{}, stop: make(chan struct{}), done: make(chan struct{})}
	a.end = sync.OnceFunc(func() { close(a.stop) })
	go a.run(ctx)
	return a
}

// Note puts an event into a tenant's trail, or into the server's own with "",
// soon. It never waits: equal events are counted together until they are
// written, which is a second later, or when the trail takes more. It is for
// what strangers and guests do, who may do it as often as they like. Of
// strangers, what is more than the trail takes is one event for all of them, with
// their number and the one who was there most often.
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
	in := noted{tenant, e.Who.Kind == ByNobody}
	of := a.notes[in]
	if of == nil {
		of = newNotes(in.strangers)
		a.notes[in] = of
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
	t.plus(&more)
}

func (t *tally) plus(more *tally) {
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
	for in, n := range a.notes {
		due[in.tenant] = append(due[in.tenant], n.take(now, all)...)
		if len(n.pending) == 0 && n.tokens >= n.most {
			delete(a.notes, in)
		}
	}
	maps.DeleteFunc(due, func(_ string, events []Event) bool { return len(events) == 0 })
	for _, events := range due {
		slices.SortFunc(events, earlier)
	}
	return due
}

func (n *notes) take(now time.Time, all bool) (events []Event) {
	n.tokens = min(n.most, n.tokens+float64(now.Sub(n.filled))/float64(n.refill))
	n.filled = now
	if !all && n.tokens < 1 {
		return nil
	}
	if n.folds && float64(len(n.pending)) > n.tokens {
		n.fold()
	}
	for e, t := range n.pending {
		e.Time, e.Count = t.last, t.count
		if t.count > 1 {
			e.First = t.first.UTC()
		}
		events = append(events, e)
	}
	slices.SortFunc(events, earlier)
	if may := int(n.tokens); !all && !n.folds && len(events) > may { // what was folded goes together: it is few
		events = events[:may]
	}
	for _, e := range events {
		n.tokens--
		delete(n.pending, e.key())
	}
	if !n.folds {
		n.tokens = max(0, n.tokens)
	}
	return events
}

// fold makes one of all that waits, for each kind of thing that was done.
func (n *notes) fold() {
	type kind struct {
		action  Action
		outcome Outcome
	}
	of := map[kind][]Event{}
	for e := range n.pending {
		k := kind{e.Action, e.Outcome}
		of[k] = append(of[k], e)
	}
	for k, events := range of {
		if len(events) == 1 {
			continue
		}
		slices.SortFunc(events, func(x, y Event) int {
			return cmp.Or(cmp.Compare(n.pending[y].count, n.pending[x].count), cmp.Compare(x.Who.ID, y.Who.ID))
		})
		one := Event{Who: Who{Kind: ByNobody}, Action: k.action, Outcome: k.outcome, Detail: "by several strangers"}
		if first := events[0].Who.ID; first != "" {
			one.Detail += ", most often from " + first
		}
		same := func(field func(*Event) string) string {
			if slices.ContainsFunc(events, func(e Event) bool { return field(&e) != field(&events[0]) }) {
				return ""
			}
			return field(&events[0])
		}
		one.On, one.Code = same(func(e *Event) string { return e.On }), same(func(e *Event) string { return e.Code })
		for _, e := range events {
			t := *n.pending[e]
			delete(n.pending, e)
			if n.pending[one] == nil {
				n.pending[one] = &t
			} else {
				n.pending[one].plus(&t)
			}
		}
	}
}

func earlier(x, y Event) int { return cmp.Or(x.start().Compare(y.start()), cmp.Compare(x.On, y.On)) }

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
	delete(a.notes, noted{tenant, false})
	delete(a.notes, noted{tenant, true})
}

// back puts events that could not be written among those that wait.
func (a *Audit) back(tenant string, events []Event) {
	for _, e := range events {
		a.Note(tenant, e)
	}
}
