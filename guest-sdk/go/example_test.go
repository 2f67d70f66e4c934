package snaprail_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// shelf is a store that can be spoken to in every way.
type shelf struct {
	stock  map[string]int
	counts map[string]*abi.Message // that are being answered, by timer
}

// OnPublish: nobody waits for an answer.
func (s *shelf) OnPublish(m *abi.Message, step *snaprail.Step) error {
	var delivery map[string]int
	if err := json.Unmarshal(m.Body, &delivery); err != nil {
		return err
	}
	for thing, n := range delivery {
		s.stock[thing] += n
	}
	step.Event(m.Device, "delivery", m.Body, nil)
	return nil
}

// OnQuery answers at once, or in parts over time: a Clone of the message is kept
// until the last.
func (s *shelf) OnQuery(m *abi.Message, step *snaprail.Step) error {
	var asked struct{ Thing string }
	if err := json.Unmarshal(m.Body, &asked); err != nil {
		return err
	}
	if asked.Thing == "" {
		s.counts[m.Correlation] = m.Clone()
		step.After(m.Correlation, time.Second)
		return step.Partial(m, map[string]int{"shelf": 1})
	}
	n, found := s.stock[asked.Thing]
	if !found {
		return step.Empty(m)
	}
	return step.Complete(m, map[string]int{asked.Thing: n})
}

func (s *shelf) OnEvents(events []abi.Event, step *snaprail.Step) error {
	for _, event := range events {
		if m := s.counts[event.Name]; event.Type == abi.EventTimer && m != nil {
			delete(s.counts, event.Name)
			if err := step.Complete(m, map[string]int{"shelf": 2}); err != nil {
				return err
			}
		}
	}
	return nil
}

// OnRPC is a call of a method, which may want an answer or not.
func (s *shelf) OnRPC(m *abi.Message, step *snaprail.Step) error {
	if m.Method != "clear" {
		return step.Fail(m, "method_unknown", "{0} cannot {1}", m.Device, m.Method)
	}
	clear(s.stock)
	return step.Success(m)
}

// OnCommand has metadata beside the data, and so has its answer.
func (s *shelf) OnCommand(m *abi.Message, step *snaprail.Step) error {
	return step.Respond(m, []byte(strings.ToUpper(string(m.Body))), m.Metadata)
}

// OnAttributes sets what changes seldom.
func (s *shelf) OnAttributes(m *abi.Message, step *snaprail.Step) error {
	step.Put(&snaprail.Device{Device: abi.Device{ID: m.Device, Type: "shelf", Name: m.Device, Attributes: m.Body}})
	return step.Success(m)
}

func ExamplePublishHandler() {
	h := guesttest.New(script{}, newShelf())
	out := h.MustMessage(abi.Message{Type: abi.MessagePublish, Device: "hall", Body: []byte(`{"bolt":3}`)})
	fmt.Printf("%s %s\n", out.Batch.Records[0].Headers[0].Value, out.Batch.Records[0].Payload)
	// Output: delivery {"bolt":3}
}

func ExampleQueryHandler() {
	h := guesttest.New(script{}, newShelf())
	m := abi.Message{Type: abi.MessageQuery, Correlation: "q1", Body: []byte(`{"thing":"nut"}`)}
	show(m, h.MustMessage(m))

	m = abi.Message{Type: abi.MessageQuery, Correlation: "q2", Body: []byte(`{"thing":"gold"}`)}
	show(m, h.MustMessage(m))

	m = abi.Message{Type: abi.MessageQuery, Correlation: "q3", Body: []byte(`{}`)}
	first := h.MustMessage(m)
	last := h.MustEvents(abi.Event{Type: abi.EventTimer, Name: first.Timers[0].Name})
	show(m, first, last)
	// Output:
	// 200 {"nut":7}
	// 204
	// 206 {"shelf":1}
	// 200 {"shelf":2}
}

func ExampleRPCHandler() {
	h := guesttest.New(script{}, newShelf())
	m := abi.Message{Type: abi.MessageRPC, Correlation: "1", Device: "hall", Method: "fly"}
	show(m, h.MustMessage(m))

	m.Method = "clear"
	show(m, h.MustMessage(m))

	m.Correlation = "" // one-way
	show(m, h.MustMessage(m))
	// Output:
	// method_unknown: hall cannot fly
	// 200 {"success":true}
}

func ExampleCommandHandler() {
	h := guesttest.New(script{}, newShelf())
	m := abi.Message{Type: abi.MessageCommand, Correlation: "1", Device: "hall", Body: []byte("light on"), Metadata: []byte("unit=1")}
	out := h.MustMessage(m)
	show(m, out)
	fmt.Printf("%s\n", out.Replies[0].Metadata)
	// Output:
	// 200 LIGHT ON
	// unit=1
}

func ExampleAttributesHandler() {
	h := guesttest.New(script{}, newShelf())
	m := abi.Message{Type: abi.MessageAttributes, Correlation: "1", Device: "hall", Body: []byte(`{"colour":"grey"}`)}
	out := h.MustMessage(m)
	show(m, out)
	fmt.Printf("%s: %s\n", out.Devices[0].ID, out.Devices[0].Attributes)
	// Output:
	// 200 {"success":true}
	// hall: {"colour":"grey"}
}

// metres is a converter whose device counts in millimetres.
type metres struct{}

func (metres) Encode(messages []abi.Message, out *snaprail.Messages) error {
	for i := range messages {
		var set struct{ Height *float64 }
		if err := json.Unmarshal(messages[i].Body, &set); err != nil || set.Height == nil {
			out.Reject(i, "there is no height")
			continue
		}
		out.Add(&messages[i]).Body = fmt.Appendf(nil, "H%d\r", int(*set.Height*1000))
	}
	return nil
}

func ExampleEncoder() {
	h := guesttest.New(script{}, metres{})
	out := h.MustEncode(
		abi.Message{Type: abi.MessageAttributes, Correlation: "1", Device: "lift", Body: []byte(`{"height":1.25}`)},
		abi.Message{Type: abi.MessageAttributes, Correlation: "2", Device: "lift", Body: []byte(`{"depth":2}`)},
	)
	fmt.Printf("%s %q\n", out.Messages[0].Correlation, out.Messages[0].Body)
	fmt.Println(out.Verdicts[0].Input, out.Verdicts[0].Reason)
	// Output:
	// 1 "H1250\r"
	// 1 there is no height
}

// finder asks for a search that takes longer than a step may.
type finder struct{}

func (finder) OnRPC(m *abi.Message, step *snaprail.Step) error {
	step.Spawn(abi.Job{Name: m.Correlation, Input: m.Body})
	return nil
}

// OnJob runs on a guest of its own.
func (finder) OnJob(job *abi.Job, _ *snaprail.Step) ([]byte, error) {
	return fmt.Appendf(nil, `{"found":%q}`, job.Input), nil
}

// OnEvents answers the call that asked for the job.
func (finder) OnEvents(events []abi.Event, step *snaprail.Step) error {
	for _, event := range events {
		if event.Type != abi.EventJob {
			continue
		}
		answer := abi.Reply{Correlation: event.Name, Body: event.Data}
		if event.Err != nil {
			answer.Status, answer.Err = abi.ReplyError, event.Err
		}
		step.Reply(answer)
	}
	return nil
}

func ExampleJobHandler() {
	h := guesttest.New(script{}, finder{})
	m := abi.Message{Type: abi.MessageRPC, Correlation: "1", Body: []byte("bolts")}
	job := h.MustMessage(m).Jobs[0]

	answer, _, err := h.Job(job) // a host does this, and tells of it
	show(m, h.MustEvents(abi.Event{Type: abi.EventJob, Name: job.Name, Data: []byte(answer)}))
	fmt.Println(err)
	// Output:
	// 200 {"found":"bolts"}
	// <nil>
}

// A guest in run mode gets its messages out of its loop, and may hand them to the
// same handlers.
func ExampleLoop_Serve() {
	h := guesttest.New(script{}, looping{newShelf()})
	m := abi.Message{Type: abi.MessageQuery, Correlation: "q1", Body: []byte(`{"thing":"nut"}`)}
	out, err := h.Run([]abi.Event{guesttest.Asked(m)})
	show(m, out...)
	fmt.Println(err)
	// Output:
	// 200 {"nut":7}
	// <nil>
}

type looping struct{ shelf *shelf }

func (l looping) Run(loop *snaprail.Loop) error {
	for loop.Receive(time.Second) {
		loop.Serve(l.shelf)
		if _, err := loop.Emit(); err != nil {
			return err
		}
	}
	return loop.Err()
}

func ExampleDevice() {
	d := snaprail.NewDevice("hall", "shelf", "Shelf in the hall")
	fmt.Println(d.AddTag("floor", "2"), d.AddTag("floor", "3"))
	fmt.Println(d.Hash())
	// Output:
	// <nil> tag_exists: the device hall has the tag floor already
	// 94fc9b6aa62d54f85859902e9e5a08cf9453e91c
}

func newShelf() *shelf {
	return &shelf{stock: map[string]int{"nut": 7}, counts: make(map[string]*abi.Message)}
}

func show(m abi.Message, outcomes ...*abi.Outcome) {
	if m.Correlation == "" {
		return
	}
	for _, r := range guesttest.RepliesTo(m, outcomes...) {
		if r.Err != nil {
			fmt.Println(r.Err)
			continue
		}
		fmt.Println(strings.TrimSpace(fmt.Sprintf("%d %s", r.Status.Code(), r.Body)))
	}
}

// script is what an example has in place of a test.
type script struct{ testing.TB }

func (script) Helper() {}

func (script) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
