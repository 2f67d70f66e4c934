package snaprail_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// full has every handler and does in each what its function says.
type full struct {
	open    func(*abi.OpenInput, *snaprail.Step) error
	close   func(string) error
	poll    func([]byte, *snaprail.Step) error
	events  func([]abi.Event, *snaprail.Step) error
	convert func(*abi.Batch, *snaprail.Step) error
	run     func(*snaprail.Loop) error
	test    func(*abi.OpenInput) abi.TestResult
}

func (f *full) Open(in *abi.OpenInput, step *snaprail.Step) error   { return f.open(in, step) }
func (f *full) Close(reason string) error                           { return f.close(reason) }
func (f *full) Poll(cursor []byte, step *snaprail.Step) error       { return f.poll(cursor, step) }
func (f *full) OnEvents(evs []abi.Event, step *snaprail.Step) error { return f.events(evs, step) }
func (f *full) Convert(batch *abi.Batch, step *snaprail.Step) error { return f.convert(batch, step) }
func (f *full) Run(loop *snaprail.Loop) error                       { return f.run(loop) }
func (f *full) Test(in *abi.OpenInput) abi.TestResult               { return f.test(in) }

type opener struct{}

func (opener) Open(*abi.OpenInput, *snaprail.Step) error { return nil }

var entries = []string{
	abi.EntryOpen, abi.EntryClose, abi.EntryPoll, abi.EntryOnEvents, abi.EntryRun, abi.EntryConvert, abi.EntryTest,
}

var southbound = []string{
	abi.EntryOnPublish, abi.EntryOnQuery, abi.EntryOnRPC, abi.EntryOnCommand, abi.EntryOnAttributes,
	abi.EntryEncode, abi.EntryOnJob, abi.EntryDeploy, abi.EntryTearDown,
}

func TestDescribeListsTheHandlers(t *testing.T) {
	for _, c := range []struct {
		handler any
		want    []string
	}{
		{&full{}, entries},
		{opener{}, []string{abi.EntryOpen}},
		{&spoken{}, southbound[:5]},
		{doubling{}, []string{abi.EntryEncode}},
		{worker{}, []string{abi.EntryOnPublish, abi.EntryOnJob}},
		{&yard{}, []string{abi.EntryDeploy, abi.EntryTearDown}},
		{carrier(nil), []string{abi.EntryDeliver}},
		{nil, []string{}},
	} {
		if got := guesttest.New(t, c.handler).Describe(); !slices.Equal(got, c.want) {
			t.Errorf("%T has %v, want %v", c.handler, got, c.want)
		}
	}
}

func TestMissingHandlersAreUnsupported(t *testing.T) {
	for _, handler := range []any{struct{}{}, nil} {
		h := guesttest.New(t, handler)
		for _, entry := range slices.Concat(entries, southbound, []string{abi.EntryDeliver, "on_eclipse"}) {
			_, err := h.Call(entry, nil)
			fault, ok := errors.AsType[*abi.Error](err)
			if !ok || fault.Kind != abi.FaultUnsupported || fault.Code != "unsupported" ||
				!strings.Contains(fault.Text, entry) || fault.Hint == "" {
				t.Errorf("%s answered %+v, want unsupported", entry, err)
			}
		}
	}
}

func TestErrorsCrossTheWall(t *testing.T) {
	own := &abi.Error{Kind: abi.FaultUnavailable, Code: "away", Text: "it is away", Hint: "wait", RetryAfterMS: 7}
	for _, c := range []struct {
		name string
		err  error
		want abi.Error
	}{
		{"own", own, *own},
		{"plain", errors.New("boom"), abi.Error{Kind: abi.FaultUnknown, Text: "boom"}},
		{
			"wrapped", fmt.Errorf("open the port: %w", own),
			abi.Error{Kind: own.Kind, Code: own.Code, Text: "open the port: away: it is away", Hint: own.Hint, RetryAfterMS: 7},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := guesttest.New(t, &full{poll: func(_ []byte, step *snaprail.Step) error {
				step.SetCursor([]byte("lost"))
				return c.err
			}})
			_, err := h.Poll(nil)
			fault, ok := errors.AsType[*abi.Error](err)
			if !ok || !reflect.DeepEqual(*fault, c.want) {
				t.Errorf("poll answered %+v, want %+v", err, c.want)
			}
		})
	}
}

func TestUnreadableInput(t *testing.T) {
	h := guesttest.New(t, &whole{&full{}, &spoken{}, labour{}, doubling{}, &yard{}})
	for _, entry := range slices.Concat(entries, southbound) {
		if entry == abi.EntryRun {
			continue // has no input
		}
		_, err := h.Call(entry, []byte{0xff})
		if fault, ok := errors.AsType[*abi.Error](err); !ok || fault.Kind != abi.FaultInvalid {
			t.Errorf("%s answered %v, want invalid", entry, err)
		}
	}
}

func TestInputsReachTheHandlers(t *testing.T) {
	var got []string
	note := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
	h := guesttest.New(t, &full{
		open: func(in *abi.OpenInput, _ *snaprail.Step) error {
			note("open %s %s", in.Config, in.Reason)
			return nil
		},
		close: func(reason string) error { note("close %s", reason); return nil },
		poll:  func(cursor []byte, _ *snaprail.Step) error { note("poll %q %v", cursor, cursor == nil); return nil },
		convert: func(batch *abi.Batch, _ *snaprail.Step) error {
			note("convert %s", batch.Records[0].Payload)
			return nil
		},
		test: func(in *abi.OpenInput) abi.TestResult {
			note("test %s", in.Reason)
			return abi.TestResult{Success: true, Message: "fine"}
		},
	})
	h.MustOpen(`{}`)
	h.MustPoll(nil)
	h.MustPoll([]byte{})
	h.MustPoll([]byte("c"))
	h.MustConvert(abi.Record{Payload: []byte("p")})
	result, err := h.Test(`{}`)
	if err != nil || !result.Success || result.Message != "fine" {
		t.Errorf("test answered %+v, %v", result, err)
	}
	if err := h.Close(abi.ReasonSwap); err != nil {
		t.Error(err)
	}
	want := []string{
		"open {} start", `poll "" true`, `poll "" false`, `poll "c" false`, "convert p", "test test", "close swap",
	}
	if !slices.Equal(got, want) {
		t.Errorf("handlers saw %q, want %q", got, want)
	}
}

func TestUnknownEventsAreSkipped(t *testing.T) {
	future := abi.EventType(99)
	h := guesttest.New(t, &full{events: func(events []abi.Event, step *snaprail.Step) error {
		for i, event := range events {
			if string(event.Data) == "mine" {
				step.Reject(i, "judged by the handler")
			}
		}
		return nil
	}})
	out := h.MustEvents(
		abi.Event{Type: abi.EventStop}, abi.Event{Type: future}, abi.Event{Type: future, Data: []byte("mine")})
	want := []abi.Verdict{
		{Input: 2, Decision: abi.DecisionReject, Reason: "judged by the handler"},
		{Input: 1, Decision: abi.DecisionSkip, Reason: "unsupported event type 99"},
	}
	if !slices.Equal(out.Verdicts, want) {
		t.Errorf("verdicts are %+v, want %+v", out.Verdicts, want)
	}
}

// TestMessagesFromTheFuture hands in what the vectors hold of a later version.
func TestMessagesFromTheFuture(t *testing.T) {
	text, err := os.ReadFile("../vectors/future.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct{ Name, Message, Hex string }
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	h := guesttest.New(t, &whole{
		full: &full{
			open:    func(*abi.OpenInput, *snaprail.Step) error { return nil },
			close:   func(string) error { return nil },
			poll:    func([]byte, *snaprail.Step) error { return nil },
			events:  func([]abi.Event, *snaprail.Step) error { return nil },
			convert: func(*abi.Batch, *snaprail.Step) error { return nil },
		},
		spoken: &spoken{do: func(_ string, m *abi.Message, step *snaprail.Step) error {
			step.Reply(abi.Reply{Correlation: m.Correlation})
			return nil
		}},
	})
	reader := map[string]string{
		"OpenInput": abi.EntryOpen, "CloseInput": abi.EntryClose, "PollInput": abi.EntryPoll,
		"Events": abi.EntryOnEvents, "Batch": abi.EntryConvert,
		"Message": abi.EntryOnQuery, "Messages": abi.EntryEncode, "Job": abi.EntryOnJob,
	}
	ran := 0
	for _, c := range vectors.Cases {
		entry, ok := reader[c.Message]
		if !ok {
			continue
		}
		input, err := hex.DecodeString(strings.ReplaceAll(c.Hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		ran++
		if _, err := h.Call(entry, input); err != nil {
			t.Errorf("%s (%s): %v", c.Name, c.Message, err)
		}
	}
	if ran < 6 {
		t.Errorf("%d cases of the future ran, want at least 6", ran)
	}
}

func TestInvalidConfig(t *testing.T) {
	err := snaprail.InvalidConfig("/topic", "there is no %q", "x")
	said, ok := errors.AsType[*abi.Error](err)
	if !ok || said.Kind != abi.FaultInvalid || said.Code != "invalid_config" || said.Text != `/topic: there is no "x"` || said.Hint == "" {
		t.Errorf("%+v", err)
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]time.Duration{
		1.5: 1500 * time.Millisecond, 0: 0, -1: 0, 0.0001: 100 * time.Microsecond,
		math.NaN(): 0, math.Inf(-1): 0, math.Inf(1): 1e9 * time.Second, 1e300: 1e9 * time.Second,
	} {
		if got := snaprail.Seconds(s); got != want {
			t.Errorf("%v: %v, want %v", s, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	read := struct {
		Port string `json:"port"`
		Baud int    `json:"baud"`
	}{Port: "default", Baud: 9600}
	for _, config := range []string{``, `{}`, `{"baud":19200,"from_the_future":true}`} {
		if err := snaprail.Config(&abi.OpenInput{Config: []byte(config)}, &read); err != nil {
			t.Errorf("%s: %v", config, err)
		}
	}
	if read.Port != "default" || read.Baud != 19200 {
		t.Errorf("config is %+v", read)
	}
	err := snaprail.Config(&abi.OpenInput{Config: []byte(`{"baud":"fast"}`)}, &read)
	if fault, ok := errors.AsType[*abi.Error](err); !ok || fault.Kind != abi.FaultInvalid || !strings.Contains(fault.Text, "baud") {
		t.Errorf("a bad config gave %v", err)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	guest := snaprail.NewGuest(&full{events: func(events []abi.Event, step *snaprail.Step) error {
		for i := range events {
			event := &events[i]
			step.Telemetry("roof", event.Time, abi.Point{Name: "n", Value: abi.Int(int64(i))}, abi.Point{Name: "m"})
			step.Payload("roof", event.Time, "text/plain", event.Data)
			step.Skip(i, "why")
		}
		step.SetCursor(events[0].Data)
		step.After("later", time.Second)
		step.PutDevice("roof", "station", "Roof")
		return nil
	}})
	var events abi.Events
	for range 64 {
		events.Events = append(events.Events, abi.Event{Data: []byte("422498\n"), Time: 1, Handle: 1})
	}
	input := events.Append(nil)
	var reply []byte
	allocs := testing.AllocsPerRun(100, func() {
		answer, failed := guest.Call(abi.EntryOnEvents, input, reply[:0])
		if failed {
			t.Fatalf("on_events failed: %q", answer)
		}
		reply = answer
	})
	if allocs != 0 {
		t.Errorf("%v allocations for 64 events, want none", allocs)
	}
}
