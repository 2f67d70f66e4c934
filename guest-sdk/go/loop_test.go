package snaprail_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// echoing emits the data of each event as the cursor, and logs between reading
// an event and using it.
func echoing(loop *snaprail.Loop) error {
	for loop.Receive(time.Second) {
		for _, event := range loop.Events() {
			log.Info(strings.Repeat("noise ", 100))
			loop.Step().SetCursor(event.Data)
			if _, err := loop.Emit(); err != nil {
				return err
			}
		}
	}
	loop.Step().SetCursor([]byte("end"))
	return loop.Err()
}

func cursors(outcomes []*abi.Outcome) (all []string) {
	for _, out := range outcomes {
		all = append(all, string(out.Cursor))
	}
	return all
}

func data(texts ...string) (events []abi.Event) {
	for _, text := range texts {
		events = append(events, abi.Event{Data: []byte(text)})
	}
	return events
}

func TestLoopEmitsUntilStopped(t *testing.T) {
	h := guesttest.New(t, &full{run: echoing})
	h.Log()
	out, err := h.Run(data("a", "b"), nil, data("c"))
	if want := []string{"a", "b", "c", "end"}; err != nil || !slices.Equal(cursors(out), want) {
		t.Errorf("emitted %q, %v, want %q", cursors(out), err, want)
	}
}

func TestLoopHandsOutWhatCameWithTheStop(t *testing.T) {
	h := guesttest.New(t, &full{run: echoing})
	last := append(data("a"), abi.Event{Type: abi.EventStop}, abi.Event{Data: []byte("after")})
	out, err := h.Run(last, data("never"))
	if want := []string{"a", "end"}; err != nil || !slices.Equal(cursors(out), want) {
		t.Errorf("emitted %q, %v, want %q", cursors(out), err, want)
	}
	if got := h.Calls(); got[len(got)-1] == "core.receive" {
		t.Errorf("received again after the stop: %v", got)
	}
}

func TestLoopTimeout(t *testing.T) {
	for given, want := range map[time.Duration]uint64{
		time.Second: 1000, time.Nanosecond: 1, 0: 0, -time.Second: 0, 1500 * time.Microsecond: 2,
	} {
		h := guesttest.New(t, &full{run: func(loop *snaprail.Loop) error {
			loop.Receive(given)
			return loop.Err()
		}})
		var asked abi.Receive
		h.Host(abi.CoreGroup, "receive", func(request []byte) ([]byte, error) {
			return nil, asked.Decode(request)
		})
		if _, err := h.Call(abi.EntryRun, nil); err != nil || asked.TimeoutMS != want {
			t.Errorf("%v became %d ms (%v), want %d", given, asked.TimeoutMS, err, want)
		}
	}
}

func TestLoopEndsWithTheHost(t *testing.T) {
	for kind, fails := range map[abi.FaultKind]bool{abi.FaultClosed: false, abi.FaultInternal: true} {
		h := guesttest.New(t, &full{run: echoing})
		h.Host(abi.CoreGroup, "receive", func([]byte) ([]byte, error) {
			return nil, &abi.Error{Kind: kind, Text: "over"}
		})
		_, err := h.Call(abi.EntryRun, nil)
		if (err != nil) != fails {
			t.Errorf("receive failed with kind %d, run with %v", kind, err)
		}
	}
}

func TestEmitKeepsTheStepThatTheHostRefused(t *testing.T) {
	refused := errors.New("refused once")
	var seen []string
	h := guesttest.New(t, &full{run: func(loop *snaprail.Loop) error {
		loop.Step().SetCursor([]byte("a"))
		if _, err := loop.Emit(); err == nil {
			return errors.New("the first emit passed")
		}
		first, err := loop.Emit()
		if err != nil {
			return err
		}
		second, err := loop.Emit() // asks for nothing
		if err != nil || first != 7 || second != 7 {
			return fmt.Errorf("sequences are %d and %d, %w", first, second, err)
		}
		return nil
	}})
	h.Host(abi.CoreGroup, "emit", func(request []byte) ([]byte, error) {
		var view abi.OutcomeView
		if err := view.Decode(request); err != nil {
			return nil, err
		}
		seen = append(seen, string(view.Cursor))
		if len(seen) == 1 {
			return nil, refused
		}
		return abi.Emitted{Sequence: 7}.Append(nil), nil
	})
	if _, err := h.Call(abi.EntryRun, nil); err != nil {
		t.Error(err)
	}
	if !slices.Equal(seen, []string{"a", "a"}) {
		t.Errorf("the host saw %q, want the step twice and then none", seen)
	}
}

// host answers by the method of a query.
type host struct{}

func (host) OnQuery(m *abi.Message, step *snaprail.Step) error {
	step.SetCursor([]byte(m.Method))
	step.NextPoll(time.Second)
	if err := step.Partial(m, map[string]string{"method": m.Method}); err != nil {
		return err
	}
	switch m.Method {
	case "fail":
		step.Telemetry("roof", 1)
		step.Spawn(abi.Job{Name: "lost"})
		return errors.New("told to fail")
	case "late fail":
		if _, err := snaprail.Emit(step); err != nil {
			return err
		}
		step.Telemetry("roof", 2)
		return errors.New("told to fail")
	}
	return step.Success(m)
}

func serving(loop *snaprail.Loop) error {
	for loop.Receive(time.Second) {
		loop.Step().SetCursor([]byte("before"))
		loop.Serve(host{})
		if _, err := loop.Emit(); err != nil {
			return err
		}
	}
	return loop.Err()
}

func ask(method string) abi.Event {
	return guesttest.Asked(abi.Message{Type: abi.MessageQuery, Correlation: method, Method: method})
}

func TestLoopServesMessages(t *testing.T) {
	h := guesttest.New(t, &full{run: serving})
	good := ask("good")
	out, err := h.Run([]abi.Event{{Type: abi.EventTimer}, good, guesttest.Asked(abi.Message{Type: abi.MessageRPC, Correlation: "rpc"})})
	if err != nil || len(out) != 1 {
		t.Fatalf("%d outcomes, %v", len(out), err)
	}
	if r := guesttest.RepliesTo(*good.Message, out...); len(r) != 2 || r[1].Status != abi.ReplyComplete || string(out[0].Cursor) != "good" {
		t.Errorf("answered %+v", out[0])
	}
	r := guesttest.RepliesTo(abi.Message{Correlation: "rpc"}, out...)
	if len(r) != 1 || r[0].Err == nil || r[0].Err.Kind != abi.FaultUnsupported || !strings.Contains(r[0].Err.Text, abi.EntryOnRPC) {
		t.Errorf("a message without a handler: %+v", r)
	}
}

// TestAFailedMessageLeavesNothing: what its handler asked for is taken back, what
// others did stays, and what was emitted before stays emitted.
func TestAFailedMessageLeavesNothing(t *testing.T) {
	h := guesttest.New(t, &full{run: serving})
	out, err := h.Run([]abi.Event{ask("good"), ask("fail"), guesttest.Asked(abi.Message{Type: abi.MessageQuery, Method: "fail"})})
	if err != nil || len(out) != 1 {
		t.Fatalf("%d outcomes, %v", len(out), err)
	}
	got := out[0]
	r := guesttest.RepliesTo(abi.Message{Correlation: "fail"}, got)
	if len(r) != 1 || r[0].Err == nil || r[0].Err.Text != "told to fail" || r[0].Err.Code != "guest_error" || r[0].Err.Template == "" {
		t.Errorf("answered %+v", r)
	}
	if len(got.Replies) != 3 || len(got.Batch.Records) != 0 || len(got.Jobs) != 0 || string(got.Cursor) != "good" {
		t.Errorf("left %+v", got)
	}
}

func TestAFailedMessageKeepsWhatItEmitted(t *testing.T) {
	h := guesttest.New(t, &full{run: serving})
	out, err := h.Run([]abi.Event{ask("good"), ask("late fail")})
	if err != nil || len(out) != 2 {
		t.Fatalf("%d outcomes, %v", len(out), err)
	}
	if len(out[0].Replies) != 3 {
		t.Errorf("emitted %+v", out[0])
	}
	if len(out[1].Replies) != 1 || out[1].Replies[0].Status != abi.ReplyError || len(out[1].Batch.Records) != 0 || out[1].Cursor != nil {
		t.Errorf("left %+v", out[1])
	}
}

func TestLoopMessageWaitsForMessagesAlone(t *testing.T) {
	var got []string
	h := guesttest.New(t, &full{run: func(loop *snaprail.Loop) error {
		for m, more := loop.Message(time.Second); more; m, more = loop.Message(time.Second) {
			if m == nil {
				got = append(got, "none")
				continue
			}
			got = append(got, m.Method)
		}
		return loop.Err()
	}})
	_, err := h.Run(
		[]abi.Event{{Type: abi.EventTimer}, ask("a"), {Data: []byte("noise")}, ask("b")},
		nil,
		[]abi.Event{{Type: abi.EventTimer}},
		[]abi.Event{ask("c"), {Type: abi.EventStop}},
	)
	if want := []string{"a", "b", "none", "c"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
