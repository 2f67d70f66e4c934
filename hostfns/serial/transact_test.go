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

// asker is a session that can transact.
type asker interface {
	Call(ctx context.Context, function string, in, out []byte) ([]byte, error)
}

// ask makes one transact and answers the frames.
func ask(ctx context.Context, s asker, q abi.SerialTransact) (frames []string, err error) {
	q.Handle = 1
	out, err := s.Call(ctx, functionTransact, q.Append(nil), nil)
	if err != nil {
		return nil, err
	}
	var reply abi.SerialReply
	err = reply.Decode(out)
	for _, f := range reply.Frames {
		frames = append(frames, string(f.Data))
	}
	return frames, err
}

// serve plays a device: it answers each line that it gets, until the test ends.
func (r *rig) serve(answer func(line string) string) {
	r.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var line []byte
		buf := make([]byte, 4096)
		for {
			n, err := r.master.Read(buf)
			if err != nil {
				return
			}
			for _, c := range buf[:n] {
				if line = append(line, c); c == '\n' {
					_, _ = r.master.WriteString(answer(string(line)))
					line = line[:0]
				}
			}
		}
	}()
	r.t.Cleanup(func() {
		_ = r.master.SetReadDeadline(time.Now())
		<-done
	})
}

func quick(o *abi.SerialOpen) {
	o.TurnaroundMS, o.ReadTimeoutMS = new(uint64(1)), 500
}

func shared(o *abi.SerialOpen) { quick(o); o.Shared = true }

// The frames of a device come as events, and the answer to a transact does not.
func TestTransactTakesItsAnswerOutOfTheStream(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "scale", r.args(quick))
	r.send("1\n")
	expect(t, s, `"1\n"`)
	r.serve(func(line string) string { return "re " + line + "and\n" })
	got, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte("weigh\n"), Frames: 2})
	if err != nil || fmt.Sprintf("%q", got) != `["re weigh\n" "and\n"]` {
		t.Fatalf("%q, %v", got, err)
	}
	r.send("2\n")
	expect(t, s, `"2\n"`)
}

func TestTransactTellsWhyThereIsNoAnswer(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "scale", r.args(quick))
	_, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte("?\n"), Frames: 1, TimeoutMS: 30})
	if !fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), "no answer on ") {
		t.Errorf("silence: %v", err)
	}
	if got, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte("all\n")}); err != nil || len(got) != 0 {
		t.Errorf("to everybody: %q, %v", got, err)
	}
	if got := r.receive(6); got != "?\nall\n" {
		t.Errorf("the device got %q", got)
	}
	r.serve(func(string) string { return "half" })
	_, err = ask(t.Context(), s, abi.SerialTransact{Data: []byte("?\n"), Frames: 1, TimeoutMS: 50})
	if !fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), "4 bytes came, 0 frames of 1") {
		t.Errorf("half an answer: %v", err)
	}
	for _, bad := range []abi.SerialTransact{{Frames: 65}, {Frames: 1, TimeoutMS: 1 << 40}, {Frames: 1, Expect: []abi.SerialExpect{{Length: 0}}}} {
		if _, err := ask(t.Context(), s, bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// What a byte says of the length ends a frame at once; silence ends the others.
func TestTransactEndsAFrameByItsLengthOrBySilence(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "meter", r.args(quick, func(o *abi.SerialOpen) {
		o.Framing, o.InterByteTimeoutMS = abi.SerialGap, new(uint64(60))
	}))
	r.serve(func(line string) string { return strings.TrimSuffix(line, "\n") })
	expect := []abi.SerialExpect{{At: 1, Mask: 0x80, Value: 0x80, Length: 5}, {Length: 7}}
	for _, c := range []struct {
		answer string
		within time.Duration
	}{{"\x01\x83abc", 50 * time.Millisecond}, {"\x01\x03abcde", 50 * time.Millisecond}, {"\x01\x03abc", time.Second}} {
		began := time.Now()
		got, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte(c.answer + "\n"), Frames: 1, Expect: expect})
		if err != nil || len(got) != 1 || got[0] != c.answer {
			t.Errorf("%q: %q, %v", c.answer, got, err)
		}
		if took := time.Since(began); took > c.within && c.within < time.Second {
			t.Logf("%q took %v: silence was waited for, or the machine is slow", c.answer, took)
		}
	}
}

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

// The link is lost, or the session closed, while an answer is awaited.
func TestTransactEndsWithItsLink(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "meter", r.args(quick))
	ended := func(what string, kind fault.Kind, end func()) {
		t.Helper()
		failed := make(chan error, 1)
		go func() {
			_, err := ask(context.Background(), s, abi.SerialTransact{Data: []byte("x\n"), Frames: 1, TimeoutMS: 60_000})
			failed <- err
		}()
		r.receive(2)
		began := time.Now()
		end()
		if err := <-failed; !fault.Is(err, kind) || time.Since(began) > 2*time.Second {
			t.Errorf("%s: %v after %v", what, err, time.Since(began))
		}
	}
	ended("unplugged", fault.ResourceUnavailable, r.unplug)
	r.plug()
	eventually(t, "back", func() bool { c := s.Condition(); return c.Up && c.Opens > 1 }) // not: up still
	ended("closed", fault.SessionClosed, func() { closeSession(t, s) })
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

// A lane that closes while it waits, for an answer or for its turn, waits no more;
// the others go on.
func TestALaneClosesWhileItWaits(t *testing.T) {
	r := plugged(t)
	g := New(Config{})
	var lanes []capability.Session
	for range 3 {
		s, err := g.Open(t.Context(), capability.Scope{Owner: "con"}, r.args(shared))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeSession(t, s) })
		lanes = append(lanes, s)
	}
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
	var lanes []capability.Session
	for range 2 {
		s, err := g.Open(t.Context(), capability.Scope{Owner: "con"}, r.args(shared))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeSession(t, s) })
		lanes = append(lanes, s)
	}
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

// An answer that comes too late is not that to the next question.
func TestALateAnswerIsThrownAway(t *testing.T) {
	r := plugged(t)
	s, err := New(Config{}).Open(t.Context(), capability.Scope{Owner: "con"}, r.args(shared))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSession(t, s) })
	if _, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte("first\n"), Frames: 1, TimeoutMS: 10}); !fault.Is(err, fault.Timeout) {
		t.Fatal(err)
	}
	r.receive(6)
	r.send("late\n")
	eventually(t, "it is counted", func() bool { return s.(*member).Condition().Dropped > 0 })
	r.serve(func(line string) string { return "re " + line })
	if got, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte("second\n"), Frames: 1}); err != nil || len(got) != 1 || got[0] != "re second\n" {
		t.Errorf("%q, %v", got, err)
	}
}
