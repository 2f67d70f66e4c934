//go:build linux && !ppc64le

package serial

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Lanes of one connector share a line by turns: no answer goes to another's
// question, and each has its part.
func TestLanesShareALineByTurns(t *testing.T) {
	r := plugged(t)
	g := New(Config{})
	var inside, most atomic.Int32
	r.serve(func(line string) string {
		most.Store(max(most.Load(), inside.Add(1)))
		defer inside.Add(-1)
		return "re " + line
	})
	const lanes, rounds = 4, 25
	var wg sync.WaitGroup
	var counts [lanes]int
	for lane := range lanes {
		s, err := g.Open(t.Context(), capability.Scope{Owner: "con"}, r.args(shared))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeSession(t, s) })
		wg.Go(func() {
			for i := range rounds {
				question := fmt.Sprintf("%d/%d\n", lane, i)
				got, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte(question), Frames: 1, Urgent: lane == 0})
				if err != nil || len(got) != 1 || got[0] != "re "+question {
					t.Errorf("%q: %q, %v", question, got, err)
					return
				}
				counts[lane]++
			}
		})
	}
	wg.Wait()
	if counts != [lanes]int{rounds, rounds, rounds, rounds} || most.Load() != 1 {
		t.Errorf("answers %v, at once %d", counts, most.Load())
	}
}

// A shared port has one owner too, and goes with its last lane.
func TestASharedPortHasOneOwner(t *testing.T) {
	r := plugged(t)
	g := New(Config{})
	open := func(owner string, change func(*abi.SerialOpen)) (capability.Session, error) {
		return g.Open(t.Context(), capability.Scope{Owner: owner}, r.args(change))
	}
	var lanes []capability.Session
	for range 3 {
		s, err := open("one", shared)
		if err != nil {
			t.Fatal(err)
		}
		lanes = append(lanes, s)
	}
	for _, change := range []func(*abi.SerialOpen){shared, quick} {
		if _, err := open("two", change); !fault.Is(err, fault.PortInUse) {
			t.Errorf("another connector: %v", err)
		}
	}
	for _, function := range []string{functionWrite, functionFlush, functionRead, functionBreak} {
		if _, err := lanes[0].Call(t.Context(), function, abi.Handle{Handle: 1}.Append(nil), nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s on a shared port: %v", function, err)
		}
	}
	for i, s := range lanes {
		if len(g.ports.open()) != 1 {
			t.Fatalf("the port went with lane %d", i)
		}
		closeSession(t, s)
	}
	if left := g.ports.open(); len(left) != 0 || len(g.buses.all) != 0 {
		t.Errorf("claims left behind: %v, buses %v", left, g.buses.all)
	}
	s, err := open("two", shared)
	if err != nil {
		t.Fatal(err)
	}
	closeSession(t, s)
}

// Lanes that open a port which is not there are all told so, and its coming and
// going reaches all of them.
func TestASharedPortGoesAndComesForAll(t *testing.T) {
	r := plugged(t)
	g := New(Config{})
	r.unplug()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			_, err := g.Open(t.Context(), capability.Scope{Owner: "one"}, r.args(shared))
			if !fault.Is(err, fault.PortNotFound) {
				t.Errorf("without a port: %v", err)
			}
		})
	}
	wg.Wait()
	r.plug()
	var lanes []*member
	for range 2 {
		s, err := g.Open(t.Context(), capability.Scope{Owner: "one"}, r.args(shared))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeSession(t, s) })
		lanes = append(lanes, s.(*member))
	}
	r.unplug()
	down := func(m *member) bool { return m.events.buffered() == 1 && !m.Condition().Up }
	eventually(t, "all know that it is away", func() bool { return down(lanes[0]) && down(lanes[1]) })
	if _, err := ask(t.Context(), lanes[0], abi.SerialTransact{Data: []byte("x\n"), Frames: 1}); !fault.Is(err, fault.ResourceUnavailable) {
		t.Errorf("while it is away: %v", err)
	}
	r.plug()
	eventually(t, "all know that it is back", func() bool { return lanes[0].events.buffered() == 2 && lanes[1].events.buffered() == 2 })
	if got := told(lanes[1].Take(nil, 9, 99)); got != "down up" {
		t.Errorf("told %s", got)
	}
	r.serve(func(line string) string { return line })
	if got, err := ask(t.Context(), lanes[1], abi.SerialTransact{Data: []byte("x\n"), Frames: 1}); err != nil || len(got) != 1 {
		t.Errorf("back: %q, %v", got, err)
	}
}

// Commands go before polls, and polls do not starve; who got no turn is counted.
func TestTurns(t *testing.T) {
	var ts turns
	if err := ts.take(t.Context(), false, nil); err != nil {
		t.Fatal(err)
	}
	order := make(chan bool, 64)
	var wg sync.WaitGroup
	queue := func(urgent bool, n int) {
		for range n {
			wg.Go(func() {
				if err := ts.take(t.Context(), urgent, nil); err != nil {
					t.Error(err)
					return
				}
				order <- urgent
				ts.done()
			})
		}
	}
	queue(false, 2)
	queue(true, 20)
	waiting := func() int { ts.mu.Lock(); defer ts.mu.Unlock(); return len(ts.urgent) + len(ts.others) }
	eventually(t, "all wait", func() bool { return waiting() == 22 })
	ts.done()
	wg.Wait()
	close(order)
	var got bytes.Buffer
	for urgent := range order {
		got.WriteByte(map[bool]byte{true: 'u', false: 'p'}[urgent])
	}
	if want := strings.Repeat("u", 8) + "p" + strings.Repeat("u", 8) + "p" + "uuuu"; got.String() != want {
		t.Errorf("the turns were %s, want %s", got.String(), want)
	}
	_ = ts.take(t.Context(), false, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := ts.take(ctx, false, nil); !fault.Is(err, fault.Timeout) || ts.waited() != 1 {
		t.Errorf("no turn: %v, counted %d", err, ts.waited())
	}
	ts.done()
	if err := ts.take(t.Context(), false, nil); err != nil {
		t.Errorf("after one that gave up: %v", err)
	}
}

// lanes are so many sessions of the port, which they share.
func (r *rig) lanes(t *testing.T, g *Group, n int) []capability.Session {
	t.Helper()
	all := make([]capability.Session, n)
	for i := range all {
		s, err := g.Open(t.Context(), capability.Scope{Owner: "con"}, r.args(shared))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeSession(t, s) })
		all[i] = s
	}
	return all
}

// A lane that closes while it waits, for an answer or for its turn, waits no more;
// the others go on.
func TestALaneClosesWhileItWaits(t *testing.T) {
	r := plugged(t)
	g := New(Config{})
	lanes := r.lanes(t, g, 3)
	line := lanes[0].(*member).bus.line
	failed := make(chan error, 2)
	for i, lane := range lanes[:2] {
		go func() {
			_, err := ask(context.Background(), lane, abi.SerialTransact{Data: []byte("x\n"), Frames: 1, TimeoutMS: 60_000})
			failed <- err
		}()
		eventually(t, "it waits", func() bool {
			line.turns.mu.Lock()
			defer line.turns.mu.Unlock()
			return i == 0 && line.turn.Load() != nil || len(line.turns.others) == 1
		})
	}
	for _, lane := range []capability.Session{lanes[1], lanes[0]} {
		closeSession(t, lane)
		if err := <-failed; !fault.Is(err, fault.SessionClosed) {
			t.Errorf("got %v", err)
		}
	}
	r.receive(2)
	r.serve(func(line string) string { return line })
	if got, err := ask(t.Context(), lanes[2], abi.SerialTransact{Data: []byte("y\n"), Frames: 1}); err != nil || len(got) != 1 {
		t.Errorf("the third: %q, %v", got, err)
	}
}

// A lane that others leave no turn shows it.
func TestStarvationIsCounted(t *testing.T) {
	r := plugged(t)
	g := New(Config{})
	lanes := r.lanes(t, g, 2)
	line := lanes[0].(*member).bus.line
	failed := make(chan error, 1)
	go func() {
		_, err := ask(context.Background(), lanes[0], abi.SerialTransact{Data: []byte("x\n"), Frames: 1, TimeoutMS: 60_000})
		failed <- err
	}()
	eventually(t, "it has the line", func() bool { return line.turn.Load() != nil })
	for n := range uint64(2) {
		if got := lanes[1].(capability.Reporter).Condition().Counts["starved"]; got != n {
			t.Errorf("%d waits without a turn are shown as %d", n, got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if _, err := ask(ctx, lanes[1], abi.SerialTransact{Data: []byte("y\n"), Frames: 1}); !fault.Is(err, fault.Timeout) {
			t.Errorf("without a turn: %v", err)
		}
		cancel()
	}
	if c := lanes[0].(capability.Reporter).Condition(); c.Counts["starved"] != 0 {
		t.Errorf("the lane that has the line: %v", c.Counts)
	}
	closeSession(t, lanes[0])
	t.Log("as it may:", <-failed)
}

// Lanes may want a line set differently: it is, for the turn of each.
func TestEachTurnHasItsOwnSettings(t *testing.T) {
	r := plugged(t)
	g := New(Config{})
	r.serve(func(line string) string { return line })
	var lanes []*member
	for _, baud := range []uint32{9600, 19200} {
		s, err := g.Open(t.Context(), capability.Scope{Owner: "con"}, r.args(shared, func(o *abi.SerialOpen) { o.BaudRate = baud }))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeSession(t, s) })
		lanes = append(lanes, s.(*member))
	}
	for range 2 {
		for i, baud := range []uint32{9600, 19200} {
			if _, err := ask(t.Context(), lanes[i], abi.SerialTransact{Data: []byte("x\n"), Frames: 1}); err != nil {
				t.Fatal(err)
			}
			if mode := lineOf(t, lanes[i].bus.line); mode.Ospeed != baud {
				t.Errorf("lane %d: %d baud, want %d", i, mode.Ospeed, baud)
			}
		}
	}
	if c := lanes[0].Condition(); c.Opens != 1 {
		t.Errorf("the port was opened %d times", c.Opens)
	}
}

// A version that shares the port takes it over from one that did not, and the
// other way round, without closing it.
func TestSharedAndNotTakeOverFromEachOther(t *testing.T) {
	r := plugged(t)
	g := New(Config{})
	r.serve(func(line string) string { return line })
	old := opened(t, g, "con", r.args(quick))
	candidate, err := g.Open(t.Context(), capability.Scope{Owner: "con"}, r.args(shared))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	question := abi.SerialTransact{Data: []byte("x\n"), Frames: 1}
	if _, err := ask(ctx, candidate, question); !fault.Is(err, fault.ResourceUnavailable) {
		t.Errorf("while the old one has it: %v", err)
	}
	dev, _ := old.current()
	closeSession(t, old)
	if got, err := ask(t.Context(), candidate, question); err != nil || len(got) != 1 {
		t.Fatalf("taken over: %q, %v", got, err)
	}
	if now, _ := candidate.(*member).bus.line.current(); now != dev {
		t.Error("the port was opened anew")
	}
	next := opened(t, g, "con", r.args(quick))
	closeSession(t, candidate)
	if got, err := ask(t.Context(), next, question); err != nil || len(got) != 1 {
		t.Fatalf("taken back: %q, %v", got, err)
	}
	if now, _ := next.current(); now != dev {
		t.Error("the port was opened anew")
	}
}
