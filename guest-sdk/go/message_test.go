package snaprail_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// spoken has every handler of messages, all of which do the same.
type spoken struct {
	do func(entry string, m *abi.Message, step *snaprail.Step) error
}

func (s *spoken) OnPublish(m *abi.Message, step *snaprail.Step) error {
	return s.do(abi.EntryOnPublish, m, step)
}

func (s *spoken) OnQuery(m *abi.Message, step *snaprail.Step) error {
	return s.do(abi.EntryOnQuery, m, step)
}

func (s *spoken) OnRPC(m *abi.Message, step *snaprail.Step) error {
	return s.do(abi.EntryOnRPC, m, step)
}

func (s *spoken) OnCommand(m *abi.Message, step *snaprail.Step) error {
	return s.do(abi.EntryOnCommand, m, step)
}

func (s *spoken) OnAttributes(m *abi.Message, step *snaprail.Step) error {
	return s.do(abi.EntryOnAttributes, m, step)
}

// answering makes a harness of a guest that does this with each message.
func answering(t *testing.T, do func(m *abi.Message, step *snaprail.Step) error) *guesttest.Harness {
	t.Helper()
	return guesttest.New(t, &spoken{do: func(_ string, m *abi.Message, step *snaprail.Step) error { return do(m, step) }})
}

func query() abi.Message {
	return abi.Message{Type: abi.MessageQuery, Correlation: "q", Device: "roof"}
}

func TestMessagesReachTheHandlerOfTheirType(t *testing.T) {
	for kind := abi.MessagePublish; kind <= abi.MessageAttributes; kind++ {
		want := abi.Message{
			Type: kind, Correlation: "c", Device: "d", Method: "m", ContentType: "t", Body: []byte("body"), Deadline: 7,
			Headers: []abi.Header{{Name: "n", Value: []byte("v")}}, Metadata: []byte("meta"), Sender: "user:eve", Via: []string{"x"},
		}
		var got *abi.Message
		entry, device, connector := "", "", ""
		h := guesttest.New(t, &struct {
			opener
			*spoken
		}{spoken: &spoken{do: func(e string, m *abi.Message, step *snaprail.Step) error {
			entry, got, device, connector = e, m.Clone(), step.Device(), step.Connector()
			return nil
		}}})
		h.MustOpen(`{}`)
		h.MustMessage(want)
		if entry != abi.EntryFor(kind) || !reflect.DeepEqual(*got, want) || device != "d" || connector != "guesttest" {
			t.Errorf("%s for %s of %s got %+v", entry, device, connector, got)
		}
	}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(m *abi.Message, step *snaprail.Step) error
		want []abi.Reply
	}{
		"complete": {
			func(m *abi.Message, step *snaprail.Step) error { return step.Complete(m, map[string]int{"a": 1}) },
			[]abi.Reply{{Correlation: "q", ContentType: "application/json", Body: []byte(`{"a":1}`)}},
		},
		"a list of objects": {
			func(m *abi.Message, step *snaprail.Step) error {
				return step.Complete(m, []map[string]int{{"a": 1}, {"a": 2}})
			},
			[]abi.Reply{{Correlation: "q", ContentType: "application/json", Body: []byte(`[{"a":1},{"a":2}]`)}},
		},
		"no objects": {
			func(m *abi.Message, step *snaprail.Step) error { return step.Complete(m, []byte(" [ ] ")) },
			[]abi.Reply{{Correlation: "q", ContentType: "application/json", Body: []byte(" [ ] ")}},
		},
		"parts": {
			func(m *abi.Message, step *snaprail.Step) error {
				return errors.Join(step.Partial(m, json.RawMessage(`{"n":1}`)), step.Partial(m, json.RawMessage(`{"n":2}`)), step.Empty(m))
			},
			[]abi.Reply{
				{Correlation: "q", Status: abi.ReplyPartial, ContentType: "application/json", Body: []byte(`{"n":1}`)},
				{Correlation: "q", Status: abi.ReplyPartial, ContentType: "application/json", Body: []byte(`{"n":2}`)},
				{Correlation: "q", Status: abi.ReplyEmpty},
			},
		},
		"success": {
			func(m *abi.Message, step *snaprail.Step) error { return step.Success(m) },
			[]abi.Reply{{Correlation: "q", ContentType: "application/json", Body: []byte(`{"success":true}`)}},
		},
		"fail": {
			func(m *abi.Message, step *snaprail.Step) error {
				return step.Fail(m, "no_such", "no {0} in {1}", "a", "b")
			},
			[]abi.Reply{{Correlation: "q", Status: abi.ReplyError, Err: &abi.Error{
				Code: "no_such", Text: "no a in b", Template: "no {0} in {1}", Parameters: []string{"a", "b"},
			}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := answering(t, c.do).MustMessage(query())
			if !reflect.DeepEqual(out.Replies, c.want) {
				t.Errorf("\n got %+v\nwant %+v", out.Replies, c.want)
			}
		})
	}
}

// TestMisuseIsRefused: what a host would refuse the SDK refuses before, with an
// error that says what to do; nothing is answered then.
func TestMisuseIsRefused(t *testing.T) {
	publish := abi.Message{Type: abi.MessagePublish, Correlation: "p"}
	for name, c := range map[string]struct {
		message abi.Message
		code    string
		do      func(m *abi.Message, step *snaprail.Step) error
	}{
		"complete a publish": {publish, "not_a_query", func(m *abi.Message, s *snaprail.Step) error { return s.Complete(m, map[string]int{}) }},
		"empty a publish":    {publish, "not_a_query", func(m *abi.Message, s *snaprail.Step) error { return s.Empty(m) }},
		"fail a publish":     {publish, "not_a_query", func(m *abi.Message, s *snaprail.Step) error { return s.Fail(m, "c", "t") }},
		"respond to publish": {publish, "not_a_query", func(m *abi.Message, s *snaprail.Step) error { return s.Respond(m, nil, nil) }},
		"a scalar":           {query(), "message_invalid", func(m *abi.Message, s *snaprail.Step) error { return s.Partial(m, 42) }},
		"a list of scalars":  {query(), "message_invalid", func(m *abi.Message, s *snaprail.Step) error { return s.Complete(m, []int{1}) }},
		"null":               {query(), "message_invalid", func(m *abi.Message, s *snaprail.Step) error { return s.Complete(m, nil) }},
		"no JSON":            {query(), "message_invalid", func(m *abi.Message, s *snaprail.Step) error { return s.Complete(m, []byte(`{`)) }},
		"no value of JSON":   {query(), "message_invalid", func(m *abi.Message, s *snaprail.Step) error { return s.Complete(m, func() {}) }},
		"text":               {query(), "message_invalid", func(m *abi.Message, s *snaprail.Step) error { return s.Respond(m, []byte("x"), nil) }},
		"an error of no code": {query(), "message_invalid", func(m *abi.Message, s *snaprail.Step) error {
			return s.Fail(m, "", "t")
		}},
		"an error of no template": {query(), "message_invalid", func(m *abi.Message, s *snaprail.Step) error {
			return s.Fail(m, "c", "")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var refused error
			out := answering(t, func(m *abi.Message, step *snaprail.Step) error {
				refused = c.do(m, step)
				return nil
			}).MustMessage(c.message)
			var misuse *snaprail.ConnectorError
			if !errors.As(refused, &misuse) || misuse.Code != c.code || misuse.Kind != abi.FaultInvalid || misuse.Hint == "" {
				t.Errorf("got %+v, want %s", refused, c.code)
			}
			if !snaprail.IsError(refused, c.code) {
				t.Errorf("IsError does not know %v", refused)
			}
			if len(out.Replies) != 0 {
				t.Errorf("answered %+v", out.Replies)
			}
		})
	}
}

// TestNobodyWaits: a call without a correlation is one-way, and a handler need
// not ask.
func TestNobodyWaits(t *testing.T) {
	out := answering(t, func(m *abi.Message, step *snaprail.Step) error {
		return errors.Join(step.Success(m), step.Empty(m), step.Fail(m, "c", "t"), step.Respond(m, []byte("x"), nil))
	}).MustMessage(abi.Message{Type: abi.MessageRPC, Device: "roof"})
	if len(out.Replies) != 0 {
		t.Errorf("answered %+v", out.Replies)
	}
}

func TestRespondKeepsBothParts(t *testing.T) {
	for data, contentType := range map[string]string{`{"on":true}`: "application/json", "on": "text/plain; charset=utf-8", "\xff": "application/octet-stream", "": ""} {
		m := abi.Message{Type: abi.MessageCommand, Correlation: "c", Device: "lamp"}
		out := answering(t, func(m *abi.Message, step *snaprail.Step) error {
			return step.Respond(m, []byte(data), []byte("meta"))
		}).MustMessage(m)
		r := guesttest.RepliesTo(m, out)
		if len(r) != 1 || string(r[0].Body) != data || string(r[0].Metadata) != "meta" || r[0].ContentType != contentType {
			t.Errorf("%q: %+v", data, r)
		}
	}
}

func TestEventsOfAService(t *testing.T) {
	before := time.Now().UnixNano()
	out := answering(t, func(m *abi.Message, step *snaprail.Step) error {
		step.Event(m.Device, "door", []byte(`{"open":true}`), []byte("meta"))
		step.Event(m.Device, "bell", []byte("rang"), nil)
		return nil
	}).MustMessage(query())
	if len(out.Batch.Records) != 2 {
		t.Fatalf("%d records", len(out.Batch.Records))
	}
	door, bell := out.Batch.Records[0], out.Batch.Records[1]
	headers := []abi.Header{{Name: "service", Value: []byte("door")}, {Name: "metadata", Value: []byte("meta")}}
	if door.Kind != abi.KindEvent || door.Device != "roof" || door.Time < before || door.ContentType != "application/json" ||
		string(door.Payload) != `{"open":true}` || !reflect.DeepEqual(door.Headers, headers) {
		t.Errorf("got %+v", door)
	}
	if len(bell.Headers) != 1 || bell.ContentType != "text/plain; charset=utf-8" || string(bell.Payload) != "rang" {
		t.Errorf("got %+v", bell)
	}
}

func TestEmitInTheMiddleOfACall(t *testing.T) {
	var sequences []uint64
	h := answering(t, func(m *abi.Message, step *snaprail.Step) error {
		for range 2 {
			if err := step.Partial(m, json.RawMessage(`{}`)); err != nil {
				return err
			}
			sequence, err := snaprail.Emit(step)
			if err != nil {
				return err
			}
			sequences = append(sequences, sequence)
		}
		again, err := snaprail.Emit(step) // of nothing
		sequences = append(sequences, again)
		return errors.Join(err, step.Success(m))
	})
	emitted := h.Emits()
	out := h.MustMessage(query())
	if len(*emitted) != 2 || len((*emitted)[0].Replies) != 1 || len(out.Replies) != 1 || out.Replies[0].Status != abi.ReplyComplete {
		t.Errorf("emitted %+v, then %+v", *emitted, out)
	}
	if want := []uint64{1, 2, 2}; !slices.Equal(sequences, want) {
		t.Errorf("sequences are %v, want %v", sequences, want)
	}
}

func TestAFailedEmitKeepsTheStep(t *testing.T) {
	h := answering(t, func(m *abi.Message, step *snaprail.Step) error {
		_ = step.Success(m)
		if _, err := snaprail.Emit(step); !snaprail.IsError(err, "denied") {
			t.Errorf("emit: %v", err)
		}
		return nil
	})
	if out := h.MustMessage(query()); len(out.Replies) != 1 {
		t.Errorf("lost the reply: %+v", out)
	}
}

func TestHealthIsDeclaredAtOnce(t *testing.T) {
	h := answering(t, func(m *abi.Message, _ *snaprail.Step) error {
		if m.Method == "ill" {
			return snaprail.DeclareUnhealthy()
		}
		return snaprail.DeclareHealthy()
	})
	state := h.Health()
	if *state != abi.HealthUndeclared {
		t.Errorf("begins as %d", *state)
	}
	m := query()
	h.MustMessage(m)
	if *state != abi.HealthHealthy {
		t.Errorf("is %d", *state)
	}
	m.Method = "ill"
	h.MustMessage(m)
	if *state != abi.HealthUnhealthy {
		t.Errorf("is %d", *state)
	}
}

// TestAHandlersErrorIsItsAnswer: one with a template is the reply, with nothing
// else of what the handler asked for; one without fails the call, which is the
// host's to answer and to count.
func TestAHandlersErrorIsItsAnswer(t *testing.T) {
	own := snaprail.NewError("no_such", "no {0}", "way")
	for name, err := range map[string]error{"own": own, "wrapped": fmt.Errorf("look: %w", own)} {
		out := answering(t, func(m *abi.Message, step *snaprail.Step) error {
			step.SetCursor([]byte("lost"))
			return errors.Join(step.Partial(m, json.RawMessage(`{}`)), err)
		}).MustMessage(query())
		r := out.Replies
		if len(r) != 1 || r[0].Err == nil || r[0].Err.Code != "no_such" || r[0].Err.Template != "no {0}" ||
			!slices.Equal(r[0].Err.Parameters, []string{"way"}) || out.Cursor != nil {
			t.Errorf("%s: answered %+v", name, out)
		}
	}
	for name, c := range map[string]struct {
		m   abi.Message
		err error
	}{
		"a plain error":      {query(), errors.New("boom")},
		"an error of a host": {query(), &abi.Error{Kind: abi.FaultExhausted, Code: "exhausted", Text: "later"}},
		"nobody asked":       {abi.Message{Type: abi.MessagePublish}, own},
	} {
		h := answering(t, func(*abi.Message, *snaprail.Step) error { return c.err })
		if _, err := h.Message(c.m); err == nil || !strings.Contains(err.Error(), c.err.Error()) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
}

func TestMessagesAreHandedBack(t *testing.T) {
	back := func(_ *abi.Message, step *snaprail.Step) error {
		step.HandBack(time.Second, "busy")
		return nil
	}
	want := abi.Verdict{Decision: abi.DecisionRetry, Reason: "busy", RetryAfterMS: 1000}
	if out := answering(t, back).MustMessage(query()); !slices.Equal(out.Verdicts, []abi.Verdict{want}) {
		t.Errorf("judged %+v", out.Verdicts)
	}
	h := guesttest.New(t, &full{run: func(loop *snaprail.Loop) error {
		for loop.Receive(time.Second) {
			loop.Serve(&spoken{do: func(_ string, m *abi.Message, step *snaprail.Step) error { return back(m, step) }})
		}
		return loop.Err()
	}})
	out, err := h.Run([]abi.Event{{Type: abi.EventTimer}, guesttest.Asked(query())})
	want.Input = 1
	if err != nil || len(out) != 1 || !slices.Equal(out[0].Verdicts, []abi.Verdict{want}) {
		t.Errorf("judged %+v, %v", out, err)
	}
}
