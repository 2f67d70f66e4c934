package supervisor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// party is a connector that can be spoken to.
type party struct {
	*rig
	tenant *supervisor.Tenant
	id     string
}

// speaks makes a connector of a guest that answers messages.
func (r *rig) speaks(name, module string, cfg map[string]any) *party {
	r.t.Helper()
	if cfg == nil {
		cfg = map[string]any{}
	}
	v := r.connect(control.ConnectorInput{Name: name, Module: r.module(module), Config: config(r.t, cfg)})
	r.state(v.ID, lifecycle.Running)
	return r.party(v.ID)
}

func (r *rig) party(id string) *party {
	r.t.Helper()
	t, err := r.super.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	return &party{r, t, id}
}

// bodyOf is an order to parley.
func bodyOf(do string, more ...any) []byte {
	o := map[string]any{"do": do}
	for i := 0; i+1 < len(more); i += 2 {
		o[fmt.Sprint(more[i])] = more[i+1]
	}
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return raw
}

func (p *party) send(m abi.Message) *exchange.Question {
	p.t.Helper()
	q, err := p.tenant.Send(p.t.Context(), p.id, m)
	if err != nil {
		p.t.Fatalf("%+v: %v", m, err)
	}
	return q
}

// all are the replies to a question, the last one included.
func (p *party) all(q *exchange.Question) (replies []abi.Reply) {
	p.t.Helper()
	for {
		r, err := q.Next(p.t.Context())
		if errors.Is(err, io.EOF) {
			return replies
		}
		if err != nil {
			p.t.Fatal(err)
		}
		replies = append(replies, r)
	}
}

func (p *party) query(body []byte) []abi.Reply {
	p.t.Helper()
	return p.all(p.send(abi.Message{Type: abi.MessageQuery, Body: body}))
}

func (p *party) rpc(m abi.Message) abi.Reply {
	p.t.Helper()
	m.Type = abi.MessageRPC
	all := p.all(p.send(m))
	if len(all) != 1 {
		p.t.Fatalf("%d replies", len(all))
	}
	return all[0]
}

func (p *party) counters() exchange.Counters { return p.tenant.Exchange(p.id).Counters() }

func wants(t *testing.T, got []abi.Reply, want ...string) {
	t.Helper()
	var lines []string
	for _, r := range got {
		line := fmt.Sprintf("%d %s", r.Code, r.Body)
		if r.Err != nil {
			line = fmt.Sprintf("%d %s: %s", r.Code, r.Err.Code, r.Err.Text)
		}
		lines = append(lines, line)
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// modes are the guests that answer: the same module, in two modes.
var modes = []string{"parley", "parleyrun"}

// TestConversation is what a connector may reply, in event mode and in run mode.
func TestConversation(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			p := newRig(t).speaks("talker", mode, nil)
			wants(t, p.query(bodyOf("empty")), "204 ")
			wants(t, p.query(bodyOf("list", "n", 2)), `200 [{"n":0},{"n":1}]`)
			wants(t, p.query(bodyOf("parts", "n", 2)), `206 {"n":0}`, `206 {"n":1}`, `200 {"parts":2}`)
			wants(t, p.query(bodyOf("emit", "n", 2)), `206 {"n":0}`, `206 {"n":1}`, `200 {"parts":2}`)
			wants(t, p.query(bodyOf("partial", "n", 2, "after_ms", 5)), `206 {"n":0}`, `206 {"n":1}`, `200 {"parts":2}`)
			wants(t, p.query(bodyOf("error", "parameters", []string{"7", "m1"})),
				"502 register_unknown: the register 7 of m1 is beyond {2}")
			p.logged(p.id, "names more parameters than it has")
			if r := p.rpc(abi.Message{Method: "add", Device: "", Body: []byte(`[1,2]`), Sender: "user:ada"}); r.Code != 200 ||
				!strings.Contains(string(r.Body), `"method":"add"`) || !strings.Contains(string(r.Body), `"params":[1,2]`) || !strings.Contains(string(r.Body), `"sender":"user:ada"`) {
				t.Errorf("%d %s", r.Code, r.Body)
			}
			replies := p.all(p.send(abi.Message{Type: abi.MessageCommand, Body: []byte(`{"speed":3}`), Metadata: []byte(`{"tool":"t1"}`)}))
			if len(replies) != 1 || string(replies[0].Body) != `{"speed":3}` || string(replies[0].Metadata) != `{"tool":"t1"}` {
				t.Errorf("%+v", replies)
			}
			wants(t, p.all(p.send(abi.Message{Type: abi.MessageAttributes, Body: []byte(`{"limit":5}`)})), `200 {"success":true}`)
			if n := p.counters(); n.Open != 0 || n.Asked != 9 || n.Answered != 9 || n.Partial != 6 {
				t.Errorf("%+v", n)
			}
		})
	}
}

// TestMisuseOfReplies is every reply that a connector may not give: each is
// refused, counted and written to its log, and the connector goes on. Who asked
// is told when the reply was to him.
func TestMisuseOfReplies(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			p := newRig(t).speaks("talker", mode, nil)
			before := p.until(p.id, "running", func(s lifecycle.Status) bool { return s.State == lifecycle.Running }).Restarts
			for _, do := range []string{"scalar", "scalar_complete", "not_json", "full_empty", "bare_error", "textless_error"} {
				replies := p.query(bodyOf(do))
				if len(replies) != 1 || replies[0].Code != 422 || replies[0].Err.Code != "invalid_message" {
					t.Errorf("%s: %+v", do, replies)
				}
			}
			if n := p.counters(); n.Malformed != 6 || n.Failed != 6 {
				t.Errorf("%+v", n)
			}
			wants(t, p.query(bodyOf("both")), `200 {"answer":1}`)
			wants(t, p.query(bodyOf("twice", "after_ms", 5)), `200 {"answer":1}`)
			soon := func() abi.Message {
				return abi.Message{Type: abi.MessageQuery, Body: bodyOf("never"), Deadline: time.Now().Add(150 * time.Millisecond).UnixNano()}
			}
			if r := p.all(p.send(soon())); len(r) != 1 || r[0].Code != 504 || r[0].Err.Code != "timeout" {
				t.Errorf("never: %+v", r)
			}
			late := soon()
			late.Body = bodyOf("later", "after_ms", 300)
			if r := p.all(p.send(late)); len(r) != 1 || r[0].Code != 504 {
				t.Errorf("late: %+v", r)
			}
			stranger := soon()
			stranger.Body = bodyOf("stranger")
			if r := p.all(p.send(stranger)); len(r) != 1 || r[0].Code != 504 {
				t.Errorf("stranger: %+v", r)
			}
			told := p.send(abi.Message{Type: abi.MessagePublish, Body: bodyOf("reply")})
			wants(t, p.all(told), "204 ")
			p.until(p.id, "refusing", func(lifecycle.Status) bool {
				n := p.counters()
				return n.Ended == 2 && n.Late == 1 && n.Unasked == 2 && n.TimedOut == 3
			})
			p.logged(p.id, "reply refused: ")
			if s := p.until(p.id, "running", func(s lifecycle.Status) bool { return s.State == lifecycle.Running }); s.Restarts != before {
				t.Errorf("%d restarts", s.Restarts-before)
			}
		})
	}
}

// TestPublishIsHandledOnce: a publish gets no reply of the connector's, and who
// sent it learns when it was handled; what it became is a record.
func TestPublishIsHandledOnce(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			p := newRig(t).speaks("talker", mode, nil)
			s := p.stream("")
			wants(t, p.all(p.send(abi.Message{Type: abi.MessagePublish, Body: []byte(`{"a":1}`), Metadata: []byte("m")})), "204 ")
			if got := string(s.payload()); got != `{"a":1}` {
				t.Errorf("record %s", got)
			}
			wants(t, p.all(p.send(abi.Message{Type: abi.MessageRPC, Correlation: exchange.NoReply, Body: []byte(`{"b":2}`)})), "204 ")
			if got := string(s.payload()); got != `{"b":2}` {
				t.Errorf("record %s", got)
			}
			p.until(p.id, "counted", func(s lifecycle.Status) bool {
				return s.Messages != nil && s.Messages.Delivered == 2 && s.Messages.Asked == 2
			})
		})
	}
}

// TestCrashAnswersWhatItWasHandling: who asked what the guest died of is told so
// at once; what waits is answered by the guest that follows.
func TestCrashAnswersWhatItWasHandling(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			p := newRig(t).speaks("talker", mode, nil)
			busy := p.send(abi.Message{Type: abi.MessageQuery, Body: bodyOf("sleep", "after_ms", 200)})
			bad := p.send(abi.Message{Type: abi.MessageQuery, Body: bodyOf("panic")})
			var behind []*exchange.Question
			for range 5 {
				behind = append(behind, p.send(abi.Message{Type: abi.MessageQuery, Body: bodyOf("list", "n", 1)}))
			}
			if r := p.all(bad); len(r) != 1 || r[0].Err == nil || r[0].Err.Code != "guest_trap" {
				t.Errorf("%+v", r)
			}
			p.all(busy)
			for i, q := range behind {
				r := p.all(q)
				if mode == "parleyrun" && len(r) == 1 && r[0].Err != nil && r[0].Err.Code == "guest_trap" {
					continue // handed over together with the bad one
				}
				wants(t, r, `200 [{"n":0}]`)
				if t.Failed() {
					t.Fatalf("question %d", i)
				}
			}
		})
	}
}

// TestErrorsOfAHandler reach the asker, and the guest lives on.
func TestErrorsOfAHandler(t *testing.T) {
	p := newRig(t).speaks("talker", "parley", nil)
	for do, code := range map[string]string{"fail": "guest_error", "fault": "register_unknown"} {
		r := p.query(bodyOf(do))
		if len(r) != 1 || r[0].Err == nil || r[0].Err.Code != code || r[0].Code != 502 {
			t.Errorf("%s: %+v", do, r)
		}
	}
	wants(t, p.query(bodyOf("list", "n", 1)), `200 [{"n":0}]`)
}

// TestMissingHandlerAnswersAtOnce: a guest without the handler is no reason to
// wait for the deadline.
func TestMissingHandlerAnswersAtOnce(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, nil))
	r.state(v.ID, lifecycle.Running)
	p := r.party(v.ID)
	for _, kind := range []abi.MessageType{abi.MessagePublish, abi.MessageQuery, abi.MessageRPC, abi.MessageCommand, abi.MessageAttributes} {
		began := time.Now()
		replies := p.all(p.send(abi.Message{Type: kind}))
		if len(replies) != 1 || replies[0].Err == nil || replies[0].Err.Code != "unsupported" || replies[0].Code != 501 {
			t.Errorf("%d: %+v", kind, replies)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%d: after %s", kind, took)
		}
	}
}

// TestWhatCannotBeSent is refused at once, with nothing left open.
func TestWhatCannotBeSent(t *testing.T) {
	r := newRig(t)
	p := r.speaks("talker", "parley", map[string]any{"devices": []string{"m1"}})
	refused := func(id string, m abi.Message, want fault.Kind) {
		t.Helper()
		if _, err := p.tenant.Send(t.Context(), id, m); !fault.Is(err, want) {
			t.Errorf("%+v: %v, want %s", m, err, want)
		}
	}
	r.until(p.id, "aware of its device", func(lifecycle.Status) bool {
		_, err := p.tenant.Send(t.Context(), p.id, abi.Message{Device: "m2"})
		return fault.Is(err, fault.DeviceUnknown)
	})
	refused(p.id, abi.Message{Type: abi.MessageRPC, Device: "m2"}, fault.DeviceUnknown)
	if n := p.counters(); n.Unknown < 2 {
		t.Errorf("%+v", n)
	}
	if got := p.rpc(abi.Message{Device: "m1"}); got.Code != 200 {
		t.Errorf("%+v", got)
	}
	refused(p.id, abi.Message{Type: 9}, fault.MessageInvalid)
	refused(p.id, abi.Message{Device: strings.Repeat("d", 257)}, fault.MessageInvalid)
	refused(p.id, abi.Message{Body: make([]byte, abi.MaxBatch)}, fault.TooLarge)
	refused("con_none", abi.Message{}, fault.WrongState)
	if _, err := r.tenant.Deactivate(t.Context(), p.id); err != nil {
		t.Fatal(err)
	}
	refused(p.id, abi.Message{}, fault.WrongState)
}

// TestStopAnswersWhatWaits: nobody waits for a connector that was stopped.
func TestStopAnswersWhatWaits(t *testing.T) {
	r := newRig(t)
	p := r.speaks("talker", "parley", nil)
	busy := p.send(abi.Message{Type: abi.MessageQuery, Body: bodyOf("sleep", "after_ms", 300)})
	behind := p.send(abi.Message{Type: abi.MessageQuery, Body: bodyOf("empty")})
	if _, err := r.tenant.Deactivate(t.Context(), p.id); err != nil {
		t.Fatal(err)
	}
	for _, q := range []*exchange.Question{busy, behind} {
		began := time.Now()
		if all := p.all(q); len(all) != 1 || time.Since(began) > 5*time.Second {
			t.Errorf("%+v after %s", all, time.Since(began))
		}
	}
}

// TestMessagesGoOnOverASwap: none is lost or answered twice while the guest is
// replaced.
func TestMessagesGoOnOverASwap(t *testing.T) {
	r := newRig(t)
	p := r.speaks("talker", "parley", nil)
	var asked []*exchange.Question
	for i := range 3 {
		for range 20 {
			asked = append(asked, p.send(abi.Message{Type: abi.MessageQuery, Body: bodyOf("list", "n", 1)}))
		}
		r.update(p.id, control.ConnectorInput{Name: "talker", Module: r.module("parley"), Config: config(t, map[string]any{"devices": []string{fmt.Sprint("m", i)}})})
	}
	for _, q := range asked {
		wants(t, p.all(q), `200 [{"n":0}]`)
	}
	r.until(p.id, "swapped", func(s lifecycle.Status) bool { return s.Swaps == 3 && s.Restarts == 0 })
}

// TestMessagesStayInOrder: those to one connector are handled in the order in
// which they were sent.
func TestMessagesStayInOrder(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			p := newRig(t).speaks("talker", mode, nil)
			s := p.stream("")
			for i := range 300 {
				p.send(abi.Message{Type: abi.MessagePublish, Body: fmt.Appendf(nil, `{"n":%d}`, i)})
			}
			for i := range 300 {
				if got, want := string(s.payload()), fmt.Sprintf(`{"n":%d}`, i); got != want {
					t.Fatalf("%s, want %s", got, want)
				}
			}
		})
	}
}

// TestEmitInTheMiddleOfACall is a commit of its own: it stays when the guest dies
// behind it, and nothing of the call's inputs is settled by it.
func TestEmitInTheMiddleOfACall(t *testing.T) {
	r := newRig(t)
	p := r.speaks("talker", "parley", nil)
	s := p.stream("")
	body := bodyOf("emit_panic")
	if got := p.query(body); len(got) != 1 || got[0].Err == nil || got[0].Err.Code != "guest_trap" {
		t.Errorf("%+v", got)
	}
	if got := string(s.payload()); got != string(body) {
		t.Errorf("record %s", got)
	}
	p.state(p.id, lifecycle.Running)
	if got := p.query(bodyOf("emit_verdict")); len(got) != 1 || !strings.Contains(string(got[0].Body), "nothing is judged") {
		t.Errorf("%+v", got)
	}
}

// TestVerdictsOnMessages: one that is handed back comes again and holds up its
// device alone; one that is rejected or skipped is answered with the reason, and
// kept in quarantine when nobody waits for the answer.
func TestVerdictsOnMessages(t *testing.T) {
	r := newRig(t)
	p := r.speaks("talker", "parley", map[string]any{"devices": []string{"m1", "m2"}})
	s := p.stream("")
	held := p.send(abi.Message{Type: abi.MessageRPC, Device: "m1", Body: bodyOf("retry", "n", 3, "after_ms", 30)})
	behind := p.send(abi.Message{Type: abi.MessagePublish, Device: "m1", Body: []byte(`{"behind":1}`)})
	beside := p.send(abi.Message{Type: abi.MessagePublish, Device: "m2", Body: []byte(`{"beside":1}`)})
	wants(t, p.all(beside), "204 ")
	wants(t, p.all(held), `200 {"tries":3}`)
	wants(t, p.all(behind), "204 ")
	var got []string
	for range 3 {
		got = append(got, string(s.payload()))
	}
	if want := []string{`{"beside":1}`, string(bodyOf("retry", "n", 3, "after_ms", 30)), `{"behind":1}`}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records %s, want %s", got, want)
	}
	wants(t, p.query(bodyOf("reject")), "502 guest_error: the connector rejected the message: told to reject")
	wants(t, p.query(bodyOf("skip")), "501 unsupported: the connector does not handle the message: told to skip")
	if all := p.all(p.send(abi.Message{Type: abi.MessagePublish, Body: bodyOf("reject")})); len(all) != 1 || all[0].Err == nil {
		t.Errorf("%+v", all)
	}
	p.until(p.id, "counted", func(s lifecycle.Status) bool {
		return s.Counters.Retried == 3 && s.Counters.Skipped == 1 && s.Counters.Quarantined == 1
	})
}

// TestSlowReaderEndsNoGuest: whoever reads the parts of an answer too slowly is
// told so, and the guest that gives them goes on.
func TestSlowReaderEndsNoGuest(t *testing.T) {
	for do, parts := range map[string]int{"emit": 60, "parts": 16} {
		t.Run(do, func(t *testing.T) {
			r := newRig(t)
			p := r.speaks("talker", "parley", nil)
			q := p.send(abi.Message{Type: abi.MessageQuery, Body: bodyOf(do, "n", parts, "kib", 40), Deadline: time.Now().Add(time.Minute).UnixNano()})
			var last abi.Reply
			for {
				pause := time.NewTimer(800 * time.Millisecond)
				<-pause.C
				reply, err := q.Next(t.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				last = reply
			}
			if last.Err == nil || last.Err.Code != "slow_reader" {
				t.Errorf("the last reply: %d %+v", last.Code, last.Err)
			}
			wants(t, p.query(bodyOf("empty")), "204 ")
			n := p.counters()
			if n.Slow != 1 {
				t.Errorf("%+v", n)
			}
			if do == "emit" && n.Late > 2 {
				t.Errorf("the guest went on for somebody who had gone: %+v", n)
			}
			if s := r.state(p.id, lifecycle.Running); s.Restarts != 0 || s.Counters.Traps != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestStopAnswersWhatIsPending: a question whose answer was to come later ends
// with its connector.
func TestStopAnswersWhatIsPending(t *testing.T) {
	r := newRig(t)
	p := r.speaks("talker", "parley", nil)
	q := p.send(abi.Message{Type: abi.MessageQuery, Body: bodyOf("never"), Deadline: time.Now().Add(time.Minute).UnixNano()})
	wants(t, p.query(bodyOf("empty")), "204 ")
	if _, err := r.tenant.Deactivate(t.Context(), p.id); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if all := p.all(q); len(all) != 1 || all[0].Err.Code != "wrong_state" || time.Since(began) > 20*time.Second {
		t.Errorf("%+v after %s", all, time.Since(began))
	}
}

// What an update was made into is handed over one after the other, and none of
// it behind the end of its question, nor behind a stop: whoever asked was told
// how it ended, and may ask again.
func TestPartsEndWithTheirQuestion(t *testing.T) {
	r := newRig(t)
	p := r.speaks("parley", "parley", nil)
	r.put(p.id, spec.Device{ID: "device-1", Name: "Device 1", Type: "parley", AttributeUpdates: []spec.AttributeUpdate{
		{Attribute: "there", Template: "there"},
		{Attribute: "long", Template: `{"do":"sleep","after_ms":${long}}`},
		{Attribute: "long", Template: "second of ${long}"},
		{Attribute: "long", Template: "third of ${long}"},
	}})
	records := func() uint64 {
		return r.until(p.id, "known", func(lifecycle.Status) bool { return true }).Counters.Records
	}
	for deadline := time.Now().Add(patience); ; p.tick() { // the mapping is taken up
		all := p.all(p.send(attributes(`{"there":1}`)))
		if strings.HasPrefix(string(all[0].Body), `[{"item":"there"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the mapping was not taken: %s", all[0].Body)
		}
	}
	before := records()
	all := p.all(p.send(attributes(`{"long":1}`)))
	if n := records(); n != before+2 || len(all) != 1 || all[0].Status != abi.ReplyComplete {
		t.Fatalf("an update in three parts left %d records and was answered %+v", n-before, all)
	}

	m := attributes(`{"long":900}`)
	m.Deadline = time.Now().Add(300 * time.Millisecond).UnixNano()
	if all := p.all(p.send(m)); len(all) != 1 || all[0].Err == nil || all[0].Err.Code != fault.Timeout.String() {
		t.Errorf("behind its deadline it was answered %+v", all)
	}
	p.rpc(abi.Message{Method: "where"}) // it is done with all that came before
	if n := records(); n != before+2 {
		t.Errorf("%d parts were handed over behind the deadline", n-before-2)
	}

	p.send(abi.Message{Type: abi.MessageRPC, Body: bodyOf("sleep", "after_ms", 300)})
	q := p.send(attributes(`{"long":1500}`))
	r.until(p.id, "asked", func(lifecycle.Status) bool { return p.counters().Open == 1 })
	if _, err := r.tenant.Deactivate(t.Context(), p.id); err != nil {
		t.Fatal(err)
	}
	if all := p.all(q); len(all) != 1 || all[0].Err == nil || all[0].Err.Code != fault.WrongState.String() {
		t.Errorf("behind the stop it was answered %+v", all)
	}
}
