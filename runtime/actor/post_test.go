package actor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
)

// posted is a mailbox with messages to these devices, in their order.
func posted(t *testing.T, devices ...string) (*post, []*exchange.Question) {
	t.Helper()
	table, p := exchange.NewTable(exchange.Config{}), newPost()
	t.Cleanup(func() { table.FailAll(fault.New(fault.WrongState, "the test is over")) })
	var asked []*exchange.Question
	for i, d := range devices {
		q, err := table.Ask(&abi.Message{Device: d, Method: fmt.Sprint(d, i)}, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		must(t, p.put(q))
		asked = append(asked, q)
	}
	return p, asked
}

// taken takes what is due, and hands back for a while what is to be held.
func taken(p *post, now time.Time, hold map[string]time.Duration) string {
	var methods []string
	for {
		l, m := p.take(now)
		if l == nil {
			return strings.Join(methods, " ")
		}
		methods = append(methods, m.Method)
		if wait, held := hold[m.Method]; held {
			l.notBefore = now.Add(wait)
			p.back(l)
		}
	}
}

func wantTaken(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("taken %q, want %q", got, want)
	}
}

// TestHeldMessageHoldsItsDeviceAlone: what is handed back comes again before what
// is behind it of its device; other devices go on.
func TestHeldMessageHoldsItsDeviceAlone(t *testing.T) {
	p, _ := posted(t, "a", "b", "a", "", "b", "a")
	now := time.Now()
	wantTaken(t, taken(p, now, map[string]time.Duration{"a0": time.Second, "b4": 2 * time.Second}), "a0 b1 3 b4")
	if next := p.next(); !next.Equal(now.Add(time.Second)) {
		t.Errorf("the next is due %s after", next.Sub(now))
	}
	wantTaken(t, taken(p, now.Add(time.Second), nil), "a0 a2 a5")
	wantTaken(t, taken(p, now.Add(2*time.Second), nil), "b4")
	if !p.next().IsZero() {
		t.Error("something is due of nothing")
	}
}

// TestHeldMessageWakesOthers: a device that came behind a held one is due now.
func TestHeldMessageWakesOthers(t *testing.T) {
	p, asked := posted(t, "a", "a", "b")
	now := time.Now()
	l, _ := p.take(now)
	l.notBefore = now.Add(time.Hour)
	p.back(l)
	if next := p.next(); next.After(now) {
		t.Errorf("the next is due %s after", next.Sub(now))
	}
	wantTaken(t, taken(p, now, nil), "b2")
	asked[0].Close() // withdrawn: what is behind it is due
	wantTaken(t, taken(p, now, nil), "a1")
}

// TestFullPost makes room by what nobody waits for any more, and refuses the
// rest.
func TestFullPost(t *testing.T) {
	p := newPost()
	table := exchange.NewTable(exchange.Config{Open: 2 * maxLetters})
	defer table.FailAll(fault.New(fault.WrongState, "the test is over"))
	ask := func() *exchange.Question {
		q, err := table.Ask(&abi.Message{}, time.Now().Add(time.Minute))
		must(t, err)
		return q
	}
	first := ask()
	must(t, p.put(first))
	for range maxLetters - 1 {
		must(t, p.put(ask()))
	}
	if err := p.put(ask()); !fault.Is(err, fault.Exhausted) {
		t.Fatalf("one too many: %v", err)
	}
	first.Close()
	must(t, p.put(ask()))
	p.close(notListening())
	if err := p.put(ask()); !fault.Is(err, fault.WrongState) {
		t.Errorf("behind the end: %v", err)
	}
	if n := table.Counters(); n.Failed != maxLetters {
		t.Errorf("%+v", n)
	}
}
