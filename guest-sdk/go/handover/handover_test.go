package handover_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/handover"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// sink ends each record as its payload says, and notes what it was to send.
type sink struct {
	ends handover.Ends
	sent string
	held string
}

func (s *sink) Deliver(in *abi.DeliverInput, step *snaprail.Step) error {
	s.ends.Begin(in)
	at := 0
	for p := range in.Parts {
		part := &in.Parts[p]
		for i := range part.Batch.Records {
			s.end(at, part, i)
			at++
		}
	}
	s.held = s.ends.Settle(step)
	return nil
}

func (s *sink) end(at int, part *abi.DeliverPart, i int) {
	if s.ends.Before(at, part.AppendKey(nil, i)) {
		return
	}
	if of, n := s.ends.Record(at); of != part || n != i {
		panic("another record has this number")
	}
	switch text := string(part.Batch.Records[i].Payload); text {
	case "skip":
		s.ends.Skip(at, text)
	case "gap":
		s.ends.SkipGap(at)
	case "reject":
		s.ends.Reject(at, text)
	case "hold":
		s.ends.Hold(at, time.Second, "held for a second")
	case "nothing":
	default:
		s.sent += text
		s.ends.Delivered(at)
	}
}

func records(texts ...string) []abi.Record {
	list := make([]abi.Record, len(texts))
	for i, text := range texts {
		list[i].Payload = []byte(text)
	}
	return list
}

// judged is the verdicts as text.
func judged(out *abi.Outcome) string {
	var words []string
	for _, v := range out.Verdicts {
		word := map[abi.Decision]string{abi.DecisionReject: "reject", abi.DecisionSkip: "skip", abi.DecisionRetry: "retry"}[v.Decision]
		words = append(words, fmt.Sprintf("%d:%s %d", v.Input, word, v.RetryAfterMS))
	}
	return strings.Join(words, ", ")
}

func TestEnds(t *testing.T) {
	s := &sink{}
	h := guesttest.New(t, s)
	out := h.MustDeliver(guesttest.Delivery("a", 1, records("1", "skip", "gap")...), guesttest.Delivery("b", 1, records("reject", "2")...))
	if got := judged(out); got != "1:skip 0, 2:skip 0, 3:reject 0" || s.sent != "12" || s.held != "" {
		t.Errorf("%s, sent %s, held %q", got, s.sent, s.held)
	}
}

// What went out behind a record that is held is handed in again, and goes out no
// more, however often; all else does.
func TestWhatWentOutBehindWhatIsHeld(t *testing.T) {
	s := &sink{}
	h := guesttest.New(t, s)
	behind := guesttest.Delivery("b", 1, records("2", "reject", "3")...)
	for range 3 {
		out := h.MustDeliver(guesttest.Delivery("a", 1, records("hold")...), behind)
		if got := judged(out); got != "0:retry 1000" || s.sent != "23" || s.held != "held for a second" {
			t.Errorf("%s, sent %s, held %q", got, s.sent, s.held)
		}
	}
	out := h.MustDeliver(guesttest.Delivery("a", 1, records("1")...), behind)
	if got := judged(out); got != "2:reject 0" || s.sent != "231" || s.held != "" {
		t.Errorf("%s, sent %s, held %q", got, s.sent, s.held)
	}
	if h.MustDeliver(behind); s.sent != "23123" {
		t.Errorf("what is handed in later went out as %s", s.sent)
	}
}

// An operator who sets a held sink's place back wants all from there on once more,
// with what went out behind the held record; and who sets it on, what comes there.
func TestAPlaceThatIsSetIsNotGoingOn(t *testing.T) {
	held := guesttest.Delivery("a", 5, records("hold", "6", "7")...)
	for what, c := range map[string]struct {
		next abi.DeliverPart
		sent string
	}{
		"on":     {guesttest.Delivery("a", 5, records("5", "6", "7", "8")...), "58"},
		"fewer":  {guesttest.Delivery("a", 5, records("5", "6")...), "5"},
		"back":   {guesttest.Delivery("a", 3, records("3", "4", "5", "6", "7", "8")...), "345678"},
		"beyond": {guesttest.Delivery("a", 6, records("6", "7", "8")...), "678"},
		"other":  {guesttest.Delivery("b", 5, records("5", "6")...), "56"},
	} {
		s := &sink{}
		h := guesttest.New(t, s)
		h.MustDeliver(held)
		s.sent = ""
		if h.MustDeliver(c.next); s.sent != c.sent {
			t.Errorf("%s: %s went out, not %s", what, s.sent, c.sent)
		}
	}
	// It goes back in several calls, too, and past the place of the hold.
	s := &sink{}
	h := guesttest.New(t, s)
	h.MustDeliver(held)
	h.MustDeliver()
	h.MustDeliver(guesttest.Delivery("a", 4, records("4")...))
	if h.MustDeliver(guesttest.Delivery("a", 5, records("5", "6", "7")...)); s.sent != "674567" {
		t.Errorf("%s went out", s.sent)
	}
}

// A record that a sink forgot is not called delivered.
func TestNothingWasSaid(t *testing.T) {
	s := &sink{}
	out := guesttest.New(t, s).MustDeliver(guesttest.Delivery("a", 1, records("1", "nothing", "2")...))
	if got := judged(out); got != "1:retry 0" || s.held == "" {
		t.Errorf("%s, held %q", got, s.held)
	}
}

func TestUntouched(t *testing.T) {
	var ends handover.Ends
	var step snaprail.Step
	in := &abi.DeliverInput{Parts: []abi.DeliverPart{guesttest.Delivery("a", 1, records("1", "2")...)}}
	for what, say := range map[string]func(){
		"delivered": func() { ends.Delivered(1) }, "skipped": func() { ends.SkipGap(1) },
		"rejected": func() { ends.Reject(1, "no") }, "held": func() { ends.Hold(1, 0, "later") },
	} {
		if ends.Begin(in); !ends.Untouched() {
			t.Errorf("%s: it was touched before", what)
		}
		if say(); ends.Untouched() {
			t.Error(what)
		}
	}
	ends.Begin(in)
	ends.Hold(0, 0, "later")
	ends.Delivered(1)
	ends.Settle(&step)
	if ends.Begin(in); ends.Untouched() {
		t.Error("what went out before is forgotten")
	}
}

func TestWait(t *testing.T) {
	for _, c := range []struct {
		err    error
		after  time.Duration
		reason string
	}{
		{&abi.Error{Kind: abi.FaultUnavailable, Text: "away"}, handover.Shortly, "away"},
		{&abi.Error{Kind: abi.FaultNotActive, Text: "too early"}, handover.Shortly, "too early"},
		{&abi.Error{Kind: abi.FaultDenied, Text: "no grant"}, handover.Long, "no grant"},
		{&abi.Error{Kind: abi.FaultDenied, Text: "x", RetryAfterMS: 70}, 70 * time.Millisecond, "x"},
		{&abi.Error{Kind: abi.FaultExhausted, Text: "x", RetryAfterMS: 1 << 63}, handover.Long, "x"},
		{errors.New("what?"), handover.Long, "what?"},
	} {
		if after, reason := handover.Wait(c.err); after != c.after || reason != c.reason {
			t.Errorf("%v: %v, %q", c.err, after, reason)
		}
	}
}

// What is to be done about an error goes with the record that it holds, and how long it
// is held hangs on its kind; of another error there is its text.
func TestHoldFor(t *testing.T) {
	for _, c := range []struct {
		err  error
		want abi.Verdict
	}{
		{
			fmt.Errorf("topic a: %w", &abi.Error{Kind: abi.FaultDenied, Code: "denied", Text: "no grant", Hint: "Grant it."}),
			abi.Verdict{Decision: abi.DecisionRetry, Reason: "no grant", RetryAfterMS: 5000, Kind: abi.FaultDenied, Hint: "Grant it."},
		},
		{errors.New("what?"), abi.Verdict{Decision: abi.DecisionRetry, Reason: "what?", RetryAfterMS: 5000}},
	} {
		var ends handover.Ends
		var step snaprail.Step
		ends.Begin(&abi.DeliverInput{Parts: []abi.DeliverPart{guesttest.Delivery("a", 1, records("1", "2")...)}})
		ends.HoldFor(0, c.err)
		if reason := ends.Settle(&step); reason != c.want.Reason || len(step.Outcome().Verdicts) != 1 || step.Outcome().Verdicts[0] != c.want {
			t.Errorf("%v: %q, %+v", c.err, reason, step.Outcome().Verdicts)
		}
	}
}

// A sink settles hundreds of records a call.
func TestAllocatesNothing(t *testing.T) {
	var ends handover.Ends
	part := guesttest.Delivery("a", 1, records("1", "2", "3")...)
	in := &abi.DeliverInput{Parts: []abi.DeliverPart{part}}
	var step snaprail.Step
	if n := testing.AllocsPerRun(100, func() {
		ends.Begin(in)
		for at := range 3 {
			if !ends.Before(at, part.Batch.Records[at].Payload) {
				ends.Delivered(at)
			}
		}
		ends.Settle(&step)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
