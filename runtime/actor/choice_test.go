package actor

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// suffix is a converter that puts a text behind each payload, and in front of
// each body on the way south.
type suffix struct {
	text string
	err  error // of Convert
	mute bool  // it has no encoder
}

func (s suffix) Convert(_ context.Context, batch []byte) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	var in abi.Batch
	if err := in.Decode(batch); err != nil {
		return nil, err
	}
	var out abi.Outcome
	for i, r := range in.Records {
		if string(r.Payload) == "bad" {
			out.Verdicts = append(out.Verdicts, abi.Verdict{Input: uint32(i), Decision: abi.DecisionReject, Reason: "bad"})
			continue
		}
		r.Payload = append(slices.Clone(r.Payload), s.text...)
		out.Batch.Records = append(out.Batch.Records, r)
	}
	return out.Append(nil), nil
}

func (s suffix) Encode(_ context.Context, messages []byte) ([]byte, error) {
	var all abi.Messages
	if err := all.Decode(messages); err != nil {
		return nil, err
	}
	if s.mute {
		return nil, fault.New(fault.Unsupported, "none")
	}
	if s.err != nil {
		return nil, s.err
	}
	var out abi.Messages
	for i, m := range all.Messages {
		switch string(m.Body) {
		case "bad":
			out.Verdicts = append(out.Verdicts, abi.Verdict{Input: uint32(i), Decision: abi.DecisionReject, Reason: "bad"})
			continue
		case "twice":
			out.Messages = append(out.Messages, m)
		case "other":
			m.Device, m.Type, m.Sender, m.Deadline = "elsewhere", abi.MessageCommand, "nobody", 0
		case "stolen":
			m.Correlation = "of another"
		case "nothing":
			continue
		}
		m.Body = append([]byte(s.text), m.Body...)
		out.Messages = append(out.Messages, m)
	}
	return out.Append(nil), nil
}

func converted(t *testing.T, c *Conversions, records ...abi.Record) (payloads []string, run conversion) {
	t.Helper()
	batch := (&abi.Batch{Records: records}).Append(nil)
	parts, err := c.parts(batch, len(records))
	if err != nil {
		t.Fatal(err)
	}
	run = conversion{mask: func(s string) string { return s }}
	if err := run.run(t.Context(), parts); err != nil {
		t.Fatal(err)
	}
	for _, r := range decoded(t, run.records) {
		payloads = append(payloads, r.Device+" "+string(r.Payload))
	}
	return payloads, run
}

// Records go through the chain of their device; the order of a device's own
// stays, and a reject says which stage it was.
func TestEachDeviceHasItsChain(t *testing.T) {
	own := NewChain(suffix{text: "3"})
	c := &Conversions{Default: NewChain(suffix{text: "1"}, suffix{text: "2"}), Devices: map[string]*Chain{"b": own, "c": own, "d": nil}}
	var in []abi.Record
	for _, r := range []string{"a x", "b x", "a bad", "d x", "c x", "b y", "a y", "d bad", "c bad"} {
		device, payload, _ := strings.Cut(r, " ")
		in = append(in, abi.Record{Device: device, Payload: []byte(payload)})
	}
	got, run := converted(t, c, in...)
	want := []string{"a x12", "a y12", "b x3", "c x3", "b y3", "d x", "d bad"}
	if !slices.Equal(got, want) || run.count != len(want) {
		t.Errorf("records %q", got)
	}
	var rejects []string
	for _, r := range run.rejects {
		rejects = append(rejects, r.Device+" "+r.Reason)
	}
	if want := []string{"a converter 1 of 2: bad", "c bad"}; !slices.Equal(rejects, want) {
		t.Errorf("rejects %q", rejects)
	}
}

// A chain whose second stage fails keeps what the first has made of a record.
func TestStageThatFails(t *testing.T) {
	c := &Conversions{Default: NewChain(suffix{text: "1"}, suffix{err: fault.New(fault.Guest, "no")})}
	got, run := converted(t, c, abi.Record{Device: "a", Payload: []byte("x")}, abi.Record{Device: "b", Payload: []byte("y")})
	if len(got) != 0 || len(run.rejects) != 2 || string(run.rejects[1].Input) != "y1" || !strings.HasPrefix(run.rejects[0].Reason, "converter 2 of 2: ") {
		t.Errorf("records %q, rejects %+v", got, run.rejects)
	}
	failing := NewChain(suffix{text: "1"}, suffix{err: errors.New("the host's")})
	broken := conversion{mask: func(s string) string { return s }}
	if err := broken.run(t.Context(), []part{{failing, (&abi.Batch{Records: []abi.Record{{Device: "a"}}}).Append(nil), 1}}); err == nil {
		t.Error("a failure of the host's is taken for the converter's")
	}
}

// Messages go through the chain last to first, and stay what they were.
func TestChainEncodes(t *testing.T) {
	chain := NewChain(suffix{text: "1"}, suffix{mute: true}, suffix{text: "2"})
	m := abi.Message{Type: abi.MessageRPC, Correlation: "c", Device: "a", Sender: "user:ada", Deadline: 7}
	for body, want := range map[string]string{
		"x": "12x", "twice": "12twice|1twice|twice", "other": "12other", "nothing": "",
		"bad": "!the encoder rejected the message: bad", "stolen": "!another correlation",
	} {
		m.Body = []byte(body)
		made, ran, err := chain.encode(t.Context(), &m)
		if word, wrong := strings.CutPrefix(want, "!"); wrong {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v", body, err)
			}
			continue
		}
		var bodies []string
		for i := range made {
			bodies = append(bodies, string(made[i].Body))
			if made[i].Device != "a" || made[i].Type != abi.MessageRPC || made[i].Sender != "user:ada" || made[i].Deadline != 7 {
				t.Errorf("%s became %+v", body, made[i])
			}
		}
		slices.Sort(bodies)
		wants := strings.Split(want, "|")
		slices.Sort(wants)
		if err != nil || !ran || strings.Join(bodies, "|") != strings.Join(wants, "|") {
			t.Errorf("%s became %q, %v", body, bodies, err)
		}
	}
	m.Body = []byte("x")
	for _, none := range []*Chain{nil, NewChain(suffix{mute: true})} {
		if made, ran, err := none.encode(t.Context(), &m); err != nil || ran || len(made) != 1 || string(made[0].Body) != "x" {
			t.Errorf("without an encoder: %+v, %v", made, err)
		}
	}
	if _, _, err := NewChain(suffix{err: fault.New(fault.GuestTrap, "died")}).encode(t.Context(), &m); !fault.Is(err, fault.GuestTrap) {
		t.Errorf("a dead encoder: %v", err)
	}
}

func TestMappedAttributes(t *testing.T) {
	rows := []spec.AttributeUpdate{{Attribute: "a", Template: "A${a}${b}"}, {Attribute: "b", Template: "B${b}"}}
	m := abi.Message{Type: abi.MessageAttributes, Correlation: "c", Device: "d", Body: []byte(`{"b":"\n","a":1.50}`)}
	made, reasons, err := (*Chain)(nil).PreviewMessage(t.Context(), m, rows)
	if err != nil || len(made) != 0 || len(reasons) != 2 {
		t.Errorf("made %+v, refused %q, %v", made, reasons, err)
	}
	m.Body = []byte(`{"a":1.50}`)
	made, reasons, err = (*Chain)(nil).PreviewMessage(t.Context(), m, rows)
	if err != nil || len(made) != 0 || len(reasons) != 1 || !strings.Contains(reasons[0], "${b}") {
		t.Errorf("without a value that the template wants: made %+v, refused %q, %v", made, reasons, err)
	}
	m.Body = []byte(`{"a":1.50,"b":2}`)
	made, reasons, err = (*Chain)(nil).PreviewMessage(t.Context(), m, rows)
	if err != nil || len(made) != 2 || len(reasons) != 0 || string(made[0].Body) != "A1.502" || itemOf(&made[0]) != "a" || made[0].Correlation != "c" {
		t.Errorf("made %+v, refused %q, %v", made, reasons, err)
	}
	m.Body = []byte(`1`)
	if _, _, err = (*Chain)(nil).PreviewMessage(t.Context(), m, rows); !fault.Is(err, fault.MessageInvalid) {
		t.Errorf("a number: %v", err)
	}
}

func TestItems(t *testing.T) {
	named := func(name string) *abi.Message {
		return &abi.Message{Headers: []abi.Header{{Name: itemHeader, Value: []byte(name)}}}
	}
	s := &items{}
	s.replied(&abi.Reply{Body: []byte(`{"n":1}`)})
	s.handled(named("json"), nil)
	s.replied(&abi.Reply{Body: []byte("text\xff")})
	s.handled(named("text"), nil)
	s.handled(named("none"), nil)
	if r := s.answer("c"); r.Code != codeAll {
		t.Errorf("code %d", r.Code)
	}
	s.replied(&abi.Reply{Status: abi.ReplyError, Err: &abi.Error{Code: "x", Text: "y"}})
	s.handled(named("error"), nil)
	s.handled(named("fault"), fault.New(fault.Guest, "z"))
	r := s.answer("c")
	want := `[{"item":"json","success":true,"body":{"n":1}},{"item":"text","success":true,"text":"text` + "\uFFFD" + `"},{"item":"none","success":true},` +
		`{"item":"error","success":false,"error":{"code":"x","text":"y"}},{"item":"fault","success":false,"error":{"code":"` + fault.Guest.String() + `","text":"z"}}]`
	if r.Code != codeSome || r.Correlation != "c" || r.Status != abi.ReplyComplete || string(r.Body) != want {
		t.Errorf("answer %+v %s\nwant %s", r, r.Body, want)
	}
	if r := (*items)(nil).answer("c"); r.Status != abi.ReplyEmpty {
		t.Errorf("of nothing: %+v", r)
	}
}

// What is replaced is given back once, and not while a step holds it.
func TestHammerChoice(t *testing.T) {
	var open, given atomic.Int64
	var released sync.Map
	fresh := func() (Conversions, func(context.Context)) {
		var gone atomic.Bool
		name := strconv.FormatInt(open.Add(1), 10)
		c := Conversions{Key: name, Default: NewChain(suffix{}), Updates: map[string][]spec.AttributeUpdate{}}
		return c, func(context.Context) {
			if gone.Swap(true) {
				t.Error("given back twice")
			}
			released.Store(name, true)
			given.Add(1)
		}
	}
	c, release := fresh()
	choice := NewChoice(c, release, nil)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				held := choice.hold()
				if held.Key == "" {
					t.Error("held without its conversions")
				}
				if gone, _ := released.Load(held.Key); gone != nil {
					t.Error("given back while a step holds it")
				}
				choice.drop(t.Context(), held)
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for range 200 {
				c, release := fresh()
				choice.Replace(t.Context(), c, release)
			}
		})
	}
	all.Wait()
	choice.Close(t.Context())
	if open.Load() != given.Load() {
		t.Errorf("%d made, %d given back", open.Load(), given.Load())
	}
	if held := choice.hold(); held.Default != nil {
		t.Error("a closed choice has converters")
	}
	(*Choice)(nil).drop(t.Context(), (*Choice)(nil).hold())
}

func TestCaptured(t *testing.T) {
	c := &Captured{}
	at := time.Unix(1000, 0)
	batch := func(payloads ...string) []byte {
		var b abi.Batch
		for _, p := range payloads {
			b.Records = append(b.Records, abi.Record{Device: "d", Payload: []byte(p)})
		}
		return b.Append(nil)
	}
	c.add(batch("a", "", strings.Repeat("x", maxCapturedByte+1), "b", "c"), at)
	c.add(batch("d"), at.Add(captureEvery/2)) // too soon
	c.add([]byte{0xff}, at.Add(2*captureEvery))
	c.add(batch("e"), at.Add(4*captureEvery))
	var got []string
	for _, r := range c.Newest(10) {
		got = append(got, string(r.Payload))
	}
	if want := []string{"e", "b", "a"}; !slices.Equal(got, want) {
		t.Errorf("captured %q", got)
	}
	for i := range 2 * maxCaptured {
		c.add(batch("f"), at.Add(time.Duration(10+2*i)*captureEvery))
	}
	if n := len(c.Newest(1000)); n != maxCaptured {
		t.Errorf("%d are kept", n)
	}
	(*Captured)(nil).add(batch("x"), at)
}

// decoded are the records of a block.
func decoded(t *testing.T, rest []byte) (all []abi.Record) {
	t.Helper()
	for len(rest) > 0 {
		one, behind, ok := outbox.CutBatch(rest)
		var b abi.Batch
		if !ok {
			t.Fatal("damaged")
		}
		if err := b.Decode(one); err != nil {
			t.Fatal(err)
		}
		all, rest = append(all, b.Records...), behind
	}
	return all
}
