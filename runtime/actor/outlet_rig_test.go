package actor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// outletRig is an actor with a real guest that hands each call on to the test, and
// with a feed of texts. It lives in a bubble of synctest: the test goes on when all
// others wait, and pauses take no time.
type outletRig struct {
	*testing.T
	actor   *Actor
	version Version
	feed    *texts
	began   time.Time
	stop    chan struct{}
	ended   chan error

	// deliver answers a call, receive the events of one; nil: with nothing.
	deliver func(handed []string, wait bool) ([]byte, error)
	receive func(events int) error

	mu      sync.Mutex
	calls   []string // what was handed, one text for each call; a waiting one ends with !
	at      []time.Duration
	states  []lifecycle.State
	rejects []string
	tickets map[uint64]*promise
	events  int
	taken   int // of those, and not acknowledged
	burst   int // events at a time; 0: one
	ready   chan struct{}
}

// errTrap has the guest die.
var errTrap = errors.New("trap")

// outletTest runs a test with a rig whose actor does not run yet.
func outletTest(t *testing.T, name string, run func(r *outletRig)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &outletRig{T: t, began: time.Now(), tickets: map[uint64]*promise{}, ready: make(chan struct{}, 1)}
			r.feed = &texts{wake: make(chan struct{}, 1)}
			groups := []capability.Group{script{r}, far{r}}
			e, err := engine.New(t.Context(), engine.Config{Groups: groups})
			if err != nil {
				t.Fatal(err)
			}
			m, err := e.Compile(t.Context(), scripted())
			if err != nil {
				t.Fatal(err)
			}
			r.version = Version{
				Connector: spec.Connector{ID: "c", Name: "c", Grants: []spec.Grant{{Group: "far", Resources: []string{"x"}}}},
				Manifest: abi.Manifest{Kind: abi.KindConnector, Mode: abi.ModeEvent, EntryPoints: []string{abi.EntryDeliver}, Capabilities: []abi.Capability{
					{Group: "script"}, {Group: "far"},
				}},
				Module: m,
			}
			r.actor = New(Config{
				Connector: "c", Tenant: "plant", Account: "plant/c", Engine: e, Groups: capability.NewRegistry(groups...), Host: outletHost{r},
				Epoch: 1, Log: slog.New(slog.DiscardHandler),
			})
			run(r)
			r.halt()
			if r.feed.outOfBounds {
				t.Error("more was settled than was handed out")
			}
			if err := errors.Join(r.actor.Close(t.Context()), e.Close(t.Context())); err != nil {
				t.Error(err)
			}
		})
	})
}

// start runs the actor, if it does not run.
func (r *outletRig) start() {
	r.stop, r.ended = make(chan struct{}), make(chan error, 1)
	r.actor.Move(lifecycle.Start, nil)
	go func() { r.ended <- r.actor.Run(r.Context(), r.stop, r.version, abi.ReasonStart) }()
	synctest.Wait()
}

// halt stops the actor, if it runs.
func (r *outletRig) halt() {
	if r.stop == nil {
		return
	}
	close(r.stop)
	if err := <-r.ended; err != nil {
		r.Errorf("the actor ended with %v", err)
	}
	r.stop = nil
}

// after lets time pass.
func (r *outletRig) after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (r *outletRig) wants(what string, got, want []string) {
	r.Helper()
	if !slices.Equal(got, want) {
		r.Errorf("%s: %q, want %q", what, got, want)
	}
}

func (r *outletRig) called(want ...string) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wants("calls", r.calls, want)
}

func (r *outletRig) settled(want string) {
	r.Helper()
	r.wants("settled", r.feed.done(), strings.Fields(want))
}

func (r *outletRig) quarantined(want ...string) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wants("in quarantine", r.rejects, want)
}

func (r *outletRig) showed(state lifecycle.State) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.states, state)
}

// retry is an outcome that holds a record.
func retry(record uint32, after time.Duration) []byte {
	out := abi.Outcome{Verdicts: []abi.Verdict{{Input: record, Decision: abi.DecisionRetry, Reason: "not now", RetryAfterMS: uint64(after.Milliseconds())}}}
	return out.Append(nil)
}

func reject(record uint32) []byte {
	out := abi.Outcome{Verdicts: []abi.Verdict{{Input: record, Decision: abi.DecisionReject, Reason: "never"}}}
	return out.Append(nil)
}

// ticket is an outcome that rests on a promise of this number.
func (r *outletRig) ticket(numbers ...uint64) []byte {
	var out abi.Outcome
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range numbers {
		r.tickets[n] = &promise{done: make(chan struct{})}
		out.Tickets = append(out.Tickets, abi.Ticket{Handle: 1, Number: n})
	}
	return out.Append(nil)
}

// finish ends what a ticket is of.
func (r *outletRig) finish(number uint64, well bool) {
	r.mu.Lock()
	p := r.tickets[number]
	r.mu.Unlock()
	p.well = well
	close(p.done)
}

// end is finish, and lets the others go on.
func (r *outletRig) end(number uint64, well bool) {
	r.finish(number, well)
	synctest.Wait()
}

// promise is a capability.Pending.
type promise struct {
	done  chan struct{}
	well  bool
	drops []bool
}

func (p *promise) Done() <-chan struct{} { return p.done }
func (p *promise) Well() bool            { return p.well }
func (p *promise) Drop(again bool)       { p.drops = append(p.drops, again) }

// scripted is a guest that opens far and hands its calls on to script. It dies of an
// answer of one byte.
func scripted() []byte {
	const replyAt = 0x8000
	say := func(fn uint32) []byte {
		return w.Join(w.Get(0), w.Get(1), w.I32(replyAt), w.I32(0x4000), w.Call(fn), w.Set(2),
			w.Get(2), w.I64(1), w.Op(0x51), w.If(w.Unreachable()),
			w.Packed(w.I32(replyAt), w.Join(
				w.Get(2), w.Op(0xa7), w.Get(2), w.I64(32), w.Op(0x88, 0xa7), w.I32(-1<<31), w.Op(0x71), w.Op(0x72))))
	}
	entry := func(name string, body []byte) w.Function {
		return w.Function{Export: name, Params: "ii", Results: "I", Locals: "I", Body: body}
	}
	host := func(module, name string) w.Import {
		return w.Import{Module: "snaprail:" + module, Name: name, Params: "iiii", Results: "I"}
	}
	m := w.Module{
		Imports: []w.Import{host("script", "deliver"), host("script", "receive"), host("far", "open")},
		Pages:   8,
		Functions: []w.Function{
			{Export: "snaprail_alloc", Params: "i", Results: "i", Body: w.I32(0x10000)},
			entry(abi.EntryOpen, w.Join(w.I32(0), w.I32(0), w.I32(replyAt), w.I32(64), w.Call(2), w.Drop(), w.I64(0))),
			entry(abi.EntryDeliver, say(0)),
			entry(abi.EntryOnEvents, say(1)),
		},
	}
	return m.Bytes()
}

// script is the group by which the guest asks the test.
type script struct{ *outletRig }

func (script) Name() string { return "script" }
func (script) Contained()   {}
func (script) Functions() []capability.Function {
	return []capability.Function{{Name: "deliver", Sentence: "x"}, {Name: "receive", Sentence: "x"}}
}
func (script) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

func (s script) Open(context.Context, capability.Scope, []byte) (capability.Session, error) {
	return s, nil
}
func (script) Close(context.Context) error { return nil }

func (s script) Call(_ context.Context, function string, in, out []byte) ([]byte, error) {
	if function == "receive" {
		var q abi.Events
		if err := q.Decode(in); err != nil {
			return nil, err
		}
		text := "events"
		if n := len(q.Events); n > 1 {
			text = fmt.Sprint(n, " events")
		}
		s.mu.Lock()
		s.calls = append(s.calls, text)
		s.at = append(s.at, time.Since(s.began))
		s.mu.Unlock()
		if s.receive != nil {
			return s.answer(nil, s.receive(len(q.Events)), out)
		}
		return out[:0], nil
	}
	var q abi.DeliverInput
	if err := q.Decode(in); err != nil {
		return nil, err
	}
	var handed []string
	for p := range q.Parts {
		for i := range q.Parts[p].Batch.Records {
			handed = append(handed, string(q.Parts[p].Batch.Records[i].Payload))
		}
	}
	text := strings.Join(handed, " ")
	if q.Wait {
		text += "!"
	}
	s.mu.Lock()
	s.calls = append(s.calls, text)
	s.at = append(s.at, time.Since(s.began))
	deliver := s.deliver
	s.mu.Unlock()
	if deliver == nil {
		return out[:0], nil
	}
	reply, err := deliver(handed, q.Wait)
	return s.answer(reply, err, out)
}

// delivers sets what the guest does from now on with what it is handed.
func (r *outletRig) delivers(fn func(handed []string, wait bool) ([]byte, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliver = fn
}

func (script) answer(reply []byte, err error, out []byte) ([]byte, error) {
	if errors.Is(err, errTrap) {
		return append(out[:0], 0), nil
	}
	return append(out[:0], reply...), err
}

// far is what the guest's tickets are of, and where its events come from.
type far struct{ *outletRig }

func (far) Name() string { return "far" }
func (far) Functions() []capability.Function {
	return []capability.Function{{Name: capability.OpenFunction, Sentence: "x"}}
}
func (far) Matches(string, string) bool              { return true }
func (far) CheckPattern(string) error                { return nil }
func (far) Target([]byte) (capability.Target, error) { return capability.Target{Resource: "x"}, nil }

func (f far) Open(context.Context, capability.Scope, []byte) (capability.Session, error) {
	return f, nil
}
func (far) Call(context.Context, string, []byte, []byte) ([]byte, error) { return nil, nil }
func (far) Close(context.Context) error                                  { return nil }

func (f far) Pending(number uint64) (capability.Pending, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, known := f.tickets[number]
	return p, known
}

// happens gives the guest events.
func (r *outletRig) happens(n int) {
	r.mu.Lock()
	r.events += n
	r.mu.Unlock()
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

func (f far) Ready() <-chan struct{} { return f.ready }

// Take gives one event at a time, so that there is always another, or a burst.
func (f far) Take(dst []capability.Event, items, _ int) []capability.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range min(f.events-f.taken, max(f.burst, 1), items) {
		f.taken++
		dst = append(dst, capability.Event{Type: abi.EventData, Data: []byte("event")})
	}
	return dst
}

func (f far) Ack(n int) {
	f.mu.Lock()
	f.events -= n
	f.taken -= n
	f.mu.Unlock()
	f.happens(0)
}

func (f far) Rewind() {
	f.mu.Lock()
	f.taken = 0
	f.mu.Unlock()
}
func (far) Replayable() bool { return true }

// outletHost is the node: it keeps what went to quarantine, and the states.
type outletHost struct{ *outletRig }

func (h outletHost) Feed(context.Context, spec.Feed) (flow.Feed, error) {
	h.feed.Back()
	h.feed.signal()
	return h.feed, nil
}

func (h outletHost) Commit(_ context.Context, b *outbox.Block) (uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range b.Rejects {
		h.rejects = append(h.rejects, payloads(b.Rejects[i].Input)...)
	}
	return 1, nil
}

func (outletHost) Begin(context.Context, *outbox.Block, bool) (outbox.Pending, error) {
	return outbox.Pending{}, fault.New(fault.Internal, "no block here is worth it")
}
func (outletHost) Lookup(context.Context, string) ([]byte, bool, error) { return nil, false, nil }
func (outletHost) Secret(context.Context, string) ([]byte, error)       { return nil, nil }
func (outletHost) Line(abi.LogLevel, string, string, string)            {}
func (outletHost) Kept() uint64                                         { return 0 }
func (outletHost) Refused(Refusal)                                      {}

func (h outletHost) Report(s lifecycle.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states = append(h.states, s.State)
}
