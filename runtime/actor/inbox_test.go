package actor

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// source is a capability.Source to the letter: it hands out in order, keeps
// what was not acknowledged, and says when the caller breaks a rule.
type source struct {
	t       fataler
	events  []capability.Event // not acknowledged, oldest first
	taken   int                // of them
	acked   int                // events that are gone
	rewound int
	replay  bool
	zeros   []byte // the data of all events
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

var _ capability.Source = (*source)(nil)

func (s *source) Take(dst []capability.Event, items, bytes int) []capability.Event {
	s.t.Helper()
	if items < 1 || bytes < 1 {
		s.t.Fatalf("asked for %d items and %d bytes", items, bytes)
	}
	for n := 0; n < items && bytes > 0 && s.taken < len(s.events); n++ {
		e := s.events[s.taken]
		if n > 0 && len(e.Data) > bytes {
			break
		}
		bytes -= len(e.Data)
		dst = append(dst, e)
		s.taken++
	}
	return dst
}

func (s *source) Ack(n int) {
	s.t.Helper()
	if n < 1 || n > s.taken {
		s.t.Fatalf("%d events acknowledged, %d were taken", n, s.taken)
	}
	s.events, s.taken, s.acked = s.events[n:], s.taken-n, s.acked+n
}

func (s *source) Rewind()                   { s.taken = 0; s.rewound++ }
func (s *source) Replayable() bool          { return s.replay }
func (*source) Ready() <-chan struct{}      { return nil }
func (*source) Close(context.Context) error { return nil }

func (*source) Call(context.Context, string, []byte, []byte) ([]byte, error) { return nil, nil }

// add gives the source an event that knows its number.
func (s *source) add(size int) {
	if s.zeros == nil {
		s.zeros = make([]byte, abi.MaxRecord)
	}
	s.events = append(s.events, capability.Event{
		Type: abi.EventData, Time: int64(s.acked + len(s.events)), Data: s.zeros[:size],
	})
}

// reading is an inbox that reads these sources. A session without events is
// among the guest's, so that handles and intakes do not count alike.
func reading(sources ...*source) *inbox {
	b := new(inbox)
	b.attach(holding(sources...))
	return b
}

func holding(sources ...*source) *guest {
	g := &guest{handles: []*session{{}}}
	for _, s := range sources {
		g.handles = append(g.handles, &session{source: s})
	}
	return g
}

// model says what the inbox must do: what is known of each event that was
// handed out and is not acknowledged.
type model struct {
	t       *rapid.T
	now     time.Time
	sources []*source
	inbox   *inbox
	guest   *guest
	fate    []map[int64]fate // of each source's events
	next    []int64          // the source's first event that was never handed to this guest
	batch   []input
}

type fate struct {
	settled   bool
	notBefore time.Time
}

// The inbox keeps the order of each source, acknowledges nothing that is not
// settled and all that can be, hands an event again not before its time and
// without holding back the others, and stays within its bounds; over traps and
// swaps too.
func TestInboxKeepsItsRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, now: time.Unix(1_700_000_000, 0)}
		for range rapid.IntRange(1, 3).Draw(t, "sources") {
			m.sources = append(m.sources, &source{t: t})
		}
		m.inbox = new(inbox)
		m.begin()
		t.Repeat(map[string]func(*rapid.T){
			"add":  m.add,
			"step": m.step,
			"trap": m.trap,
			"swap": func(*rapid.T) { m.inbox.attach(m.guest) }, // between two steps: nothing is forgotten
			"time": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 2000).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(*rapid.T) { m.look() },
		})
	})
}

// begin is a guest that knows nothing of the one before.
func (m *model) begin() {
	m.guest = holding(m.sources...)
	m.inbox.attach(m.guest)
	m.fate, m.next, m.batch = make([]map[int64]fate, len(m.sources)), make([]int64, len(m.sources)), nil
	for i, s := range m.sources {
		m.fate[i], m.next[i] = map[int64]fate{}, int64(s.acked)
	}
}

func (m *model) add(t *rapid.T) {
	s := m.sources[rapid.IntRange(0, len(m.sources)-1).Draw(t, "source")]
	size := rapid.SampledFrom([]int{0, 10, abi.MaxBatch / 3, abi.MaxRecord}).Draw(t, "size")
	for range rapid.SampledFrom([]int{1, 3, 400}).Draw(t, "events") {
		if len(s.events) < 2*maxInflight {
			s.add(size)
		}
	}
}

// trap is the end of a guest in the middle of a step: the next one begins
// where the sources were acknowledged.
func (m *model) trap(*rapid.T) {
	m.inbox.gather(m.now, abi.MaxItems)
	m.begin()
}

func (m *model) step(t *rapid.T) {
	items := rapid.SampledFrom([]int{1, 5, abi.MaxItems - maxFiring, abi.MaxItems}).Draw(t, "items")
	var before []int
	for _, s := range m.sources {
		before = append(before, s.acked)
	}
	m.batch = m.inbox.gather(m.now, items)
	m.judgeBatch(items)
	verdict := rapid.SampledFrom([]abi.Decision{
		abi.DecisionOK, abi.DecisionOK, abi.DecisionSkip, abi.DecisionReject, abi.DecisionRetry,
	})
	for i, in := range m.batch {
		v := abi.Verdict{Decision: verdict.Draw(t, "verdict")}
		f := fate{settled: v.Decision != abi.DecisionRetry}
		if !f.settled {
			v.RetryAfterMS = uint64(rapid.IntRange(0, 3000).Draw(t, "after"))
			f.notBefore = m.now.Add(time.Duration(v.RetryAfterMS) * time.Millisecond)
		}
		m.inbox.settle(i, v, m.now)
		m.fate[in.intake][in.event.Time] = f
	}
	for i, s := range m.sources {
		if s.acked != before[i] {
			t.Fatalf("source %d was acknowledged before the step was durable", i)
		}
	}
	m.inbox.acknowledge()
}

// judgeBatch looks at what gather gave.
func (m *model) judgeBatch(items int) {
	m.t.Helper()
	if len(m.batch) > items {
		m.t.Fatalf("%d items, want at most %d", len(m.batch), items)
	}
	bytes, again := 0, make([]int64, len(m.sources))
	for i := range again {
		again[i] = -1
	}
	for i, in := range m.batch {
		if bytes >= abi.MaxBatch {
			m.t.Fatalf("item %d comes behind %d bytes", i, bytes)
		}
		bytes += len(in.event.Data)
		number := in.event.Time
		if number == m.next[in.intake] {
			m.next[in.intake]++ // new, and in order
			continue
		}
		f, known := m.fate[in.intake][number]
		switch {
		case number > m.next[in.intake] || !known:
			m.t.Fatalf("event %d of source %d, want %d", number, in.intake, m.next[in.intake])
		case f.settled:
			m.t.Fatalf("event %d of source %d comes again although it is settled", number, in.intake)
		case m.now.Before(f.notBefore):
			m.t.Fatalf("event %d comes %s before its time", number, f.notBefore.Sub(m.now))
		case number <= again[in.intake]:
			m.t.Fatalf("event %d comes again behind %d", number, again[in.intake])
		}
		again[in.intake] = number
	}
	if len(m.batch) < items && bytes < abi.MaxBatch {
		m.nothingLeft(abi.MaxBatch - bytes)
	}
}

// nothingLeft looks for what a batch with room should have held.
func (m *model) nothingLeft(room int) {
	m.t.Helper()
	for i, s := range m.sources {
		inflight := int(m.next[i]) - s.acked
		if left := len(s.events) - inflight; left > 0 && inflight < maxInflight && len(s.events[inflight].Data) <= room {
			m.t.Fatalf("source %d has %d more events, %d in flight", i, left, inflight)
		}
		for number, f := range m.fate[i] {
			handed := slices.ContainsFunc(m.batch, func(in input) bool { return in.intake == i && in.event.Time == number })
			if !f.settled && !handed && !m.now.Before(f.notBefore) {
				m.t.Fatalf("event %d of source %d was due %s ago", number, i, m.now.Sub(f.notBefore))
			}
		}
	}
}

// look holds at any time.
func (m *model) look() {
	for i, s := range m.sources {
		for number, f := range m.fate[i] {
			switch {
			case number < int64(s.acked) && !f.settled:
				m.t.Fatalf("event %d of source %d was acknowledged and is not settled", number, i)
			case number == int64(s.acked) && f.settled:
				m.t.Fatalf("event %d of source %d is settled, the oldest, and not acknowledged", number, i)
			}
			if number < int64(s.acked) {
				delete(m.fate[i], number)
			}
		}
		if n := int(m.next[i]) - s.acked; n > maxInflight+abi.MaxItems {
			m.t.Fatalf("%d events in flight", n)
		}
	}
	var want time.Time
	for i := range m.fate {
		for _, f := range m.fate[i] {
			if !f.settled && (want.IsZero() || f.notBefore.Before(want)) {
				want = f.notBefore
			}
		}
	}
	if got := m.inbox.nextRetry(); !got.Equal(want) {
		m.t.Fatalf("the next retry is at %s, want %s", got, want)
	}
}

// A source that always has more leaves room for the others.
func TestInboxIsFair(t *testing.T) {
	busy, quiet := &source{t: t}, &source{t: t}
	for range 10 * abi.MaxItems {
		busy.add(1)
	}
	for range 10 {
		quiet.add(1)
	}
	b := reading(busy, quiet)
	for range 2 {
		for i := range b.gather(time.Now(), abi.MaxItems) {
			b.settle(i, abi.Verdict{}, time.Now())
		}
		b.acknowledge()
	}
	if quiet.acked != 10 || busy.acked < abi.MaxItems {
		t.Errorf("after two steps %d of the busy and %d of the quiet source are done", busy.acked, quiet.acked)
	}
}

// While a guest holds events back, what is in flight is bounded: the source's
// own buffer fills and pushes back.
func TestInboxBoundsWhatIsHeld(t *testing.T) {
	s := &source{t: t}
	for range 4 * maxInflight {
		s.add(1)
	}
	b, now := reading(s), time.Now()
	for range 20 {
		for i := range b.gather(now, abi.MaxItems) {
			b.settle(i, abi.Verdict{Decision: abi.DecisionRetry, RetryAfterMS: 1 << 60}, now)
		}
		b.acknowledge()
	}
	if s.taken != maxInflight || s.acked != 0 {
		t.Errorf("%d taken and %d acknowledged, want %d and none", s.taken, s.acked, maxInflight)
	}
	if next := b.nextRetry(); next.After(now.Add(time.Hour)) {
		t.Errorf("an event is held back until %s, want an hour at most", next)
	}
}

// A batch is a MiB: what does not fit comes with the next one, also when it
// comes again.
func TestInboxBoundsBytes(t *testing.T) {
	s := &source{t: t}
	for range 8 {
		s.add(abi.MaxBatch / 4)
	}
	b, now := reading(s), time.Now()
	for step, want := range []int64{0, 0, 4} { // the first four come twice
		batch := b.gather(now, abi.MaxItems)
		if len(batch) != 4 || batch[0].event.Time != want {
			t.Fatalf("%d events from %d on, want 4 from %d on", len(batch), batch[0].event.Time, want)
		}
		v := abi.Verdict{Decision: abi.DecisionRetry}
		if step > 0 {
			v.Decision = abi.DecisionOK
		}
		for i := range batch {
			b.settle(i, v, now)
		}
		b.acknowledge()
	}
	if s.acked != 8 {
		t.Errorf("%d acknowledged, want 8", s.acked)
	}
}

func TestInboxStartsAnewForAnotherGuest(t *testing.T) {
	a, gone := &source{t: t}, &source{t: t}
	for range 3 {
		a.add(1)
		gone.add(1)
	}
	b := reading(a, gone)
	b.gather(time.Now(), abi.MaxItems)
	b.settle(0, abi.Verdict{}, time.Now())
	b.acknowledge()
	b.attach(&guest{handles: []*session{{source: a}}})
	if a.rewound != 2 || gone.rewound != 1 {
		t.Errorf("rewound %d and %d times", a.rewound, gone.rewound)
	}
	var got []string
	batch := b.gather(time.Now(), abi.MaxItems)
	for _, e := range b.events(nil, []string{"tick"}, time.Unix(7, 0)) {
		got = append(got, fmt.Sprintf("%d from %d: %d%s", e.Type, e.Handle, e.Time, e.Name))
	}
	want := []string{
		fmt.Sprintf("%d from 1: 1", abi.EventData), fmt.Sprintf("%d from 1: 2", abi.EventData),
		fmt.Sprintf("%d from 0: 7000000000tick", abi.EventTimer),
	}
	if len(batch) != 2 || !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestReplayableWhenAllSourcesAre(t *testing.T) {
	file, line := &source{t: t, replay: true}, &source{t: t}
	for _, tt := range []struct {
		sources []*source
		want    bool
	}{{nil, true}, {[]*source{file}, true}, {[]*source{line}, false}, {[]*source{file, line}, false}} {
		if got := reading(tt.sources...).replayable(); got != tt.want {
			t.Errorf("%d sources: %v", len(tt.sources), got)
		}
	}
}
