package main

import (
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// example is the worked example of README.md.
func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(text)[1])
}

func opened(t *testing.T, config string) (*guesttest.Harness, *guesttest.Broker) {
	t.Helper()
	h := guesttest.New(t, &source{})
	h.KV()
	h.Log()
	b := h.MQTT()
	h.MustOpen(config)
	return h, b
}

func message(topic, payload string) abi.MQTTMessage {
	return abi.MQTTMessage{Topic: topic, Payload: []byte(payload), QoS: 1}
}

func TestWorkedExample(t *testing.T) {
	h, b := opened(t, example(t))
	args := b.Opened()[0]
	if args.ClientID != "snaprail-plant" || args.Password != "secret://mqtt" || args.SessionExpiryS != 86400 || len(args.Subscriptions) != 2 ||
		args.Subscriptions[0].Filter != "plant/+/readings" || args.Subscriptions[1].Filter != "plant/+/raw/#" || args.Subscriptions[0].QoS != 1 {
		t.Errorf("%+v", args)
	}
	raw := message("plant/pump1/raw/x", "\x00")
	raw.UserProperties = []abi.Header{{Name: "a", Value: []byte("1")}}
	out := h.MustEvents(b.Event(message("plant/pump1/readings", `{"bar":4.2,"motor":{"on":true}}`)), b.Event(raw))
	if len(out.Batch.Records) != 2 || len(out.Devices) != 1 || out.Devices[0].ID != "pump1" {
		t.Fatalf("%+v", out)
	}
	r := out.Batch.Records[0]
	if r.Device != "pump1" || len(r.Points) != 2 || r.Points[0].Name != "bar" || r.Points[0].Value != abi.Double(4.2) ||
		r.Points[1].Name != "motor.on" || r.Points[1].Value != abi.Bool(true) || string(r.Headers[0].Value) != "plant/pump1/readings" {
		t.Errorf("%+v", r)
	}
	if r := out.Batch.Records[1]; r.Device != "pump1" || string(r.Payload) != "\x00" || r.ContentType != "application/octet-stream" || len(r.Headers) != 2 {
		t.Errorf("%+v", r)
	}
	done := h.MustMessage(abi.Message{Type: abi.MessageRPC, Correlation: "c", Device: "pump1", Method: "stop", Body: []byte(`{"in":5}`)})
	if p := b.Published(); len(p) != 1 || p[0].Topic != "plant/pump1/command/stop" || string(p[0].Payload) != `{"in":5}` || p[0].QoS != 1 {
		t.Errorf("%+v", p)
	}
	if len(done.Replies) != 1 || done.Replies[0].Status != abi.ReplyComplete {
		t.Errorf("%+v", done.Replies)
	}
}

func shown(v abi.Value) string {
	switch v.Type() {
	case abi.ValueInt:
		return strconv.FormatInt(v.Int(), 10)
	case abi.ValueDouble:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	default:
		return v.String()
	}
}

func TestWhatBecomesOfAMessage(t *testing.T) {
	h, b := opened(t, `{"url":"mqtt://b","version":4,"session_expiry":0,"source_key":"id","retained":false,"device":"hall","subscriptions":[
		{"topic":"a/${device}/${name}","format":"values","qos":0},{"topic":"b/#","device":"b"},{"topic":"$share/g/c/+"}]}`)
	if args := b.Opened()[0]; !args.CleanStart || args.ClientID != "snaprail-guesttest" || args.Subscriptions[2].Filter != "$share/g/c/+" || args.Subscriptions[0].QoS != 0 {
		t.Errorf("%+v", args)
	}
	named := message("c/x", "1")
	named.ContentType, named.UserProperties = "text/csv", []abi.Header{{Name: "id", Value: []byte("7")}}
	state := message("a/m/state", "on")
	state.ContentType = "text/plain"
	kept := message("b", "1")
	kept.Retain = true
	broken := b.Event()
	broken.Data = []byte{0xff}
	out := h.MustEvents(
		b.Event(message("a/m/temp", "4.5")), b.Event(state), b.Event(message("a/m/n", " -3 ")), b.Event(message("a/m/o", `{"x":[1],"y":null}`)),
		b.Event(message("b", "0")), b.Event(named),
		b.Event(kept), b.Event(message("b/x", "")), b.Event(message("other", "1")), b.Event(message("a//x", "1")), b.Event(message("a/m/x", "\xff")), broken,
		b.Event(message("a/m/half", "broken{")), b.Event(message("a/m/half", `{"x":1`)),
	)
	var got []string
	for _, r := range out.Batch.Records {
		text := r.Device + ":" + string(r.Payload) + r.ContentType + r.SourceKey
		for _, p := range r.Points {
			text += p.Name + "=" + shown(p.Value)
		}
		got = append(got, text)
	}
	want := `m:temp=4.5 m:state=on m:n=-3 m:o.x=[1] b:0application/json hall:1text/csv7`
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	decisions := map[int]abi.Decision{6: abi.DecisionSkip, 7: abi.DecisionSkip, 8: abi.DecisionSkip, 9: abi.DecisionReject, 10: abi.DecisionReject, 11: abi.DecisionReject, 12: abi.DecisionReject, 13: abi.DecisionReject}
	for _, v := range out.Verdicts {
		if decisions[int(v.Input)] != v.Decision {
			t.Errorf("%+v", v)
		}
		delete(decisions, int(v.Input))
	}
	if len(decisions) > 0 {
		t.Errorf("no verdict on %v", decisions)
	}
}

func TestWords(t *testing.T) {
	h, b := opened(t, example(t))
	out := h.MustEvents(b.Lost(1), b.Back(1), abi.Event{Type: abi.EventGap, Handle: 1, Name: "session_lost"})
	if len(out.Batch.Records) != 0 || len(out.Verdicts) != 0 {
		t.Errorf("%+v", out)
	}
}

func TestSouth(t *testing.T) {
	h, b := opened(t, `{"url":"mqtt://b","subscriptions":[{"topic":"a"}],"publish_topic":"d/${device}","publish_qos":2,"publish_retain":true,"any_topic":true}`)
	ask := func(kind abi.MessageType, device, method, body string) error {
		_, err := h.Message(abi.Message{Type: kind, Correlation: "c", Device: device, Method: method, Body: []byte(body)})
		return err
	}
	if err := ask(abi.MessagePublish, "m", "", "on"); err != nil {
		t.Error(err)
	}
	b.Forget()
	if err := ask(abi.MessageRPC, "", "publish", `{"topic":"x/y","payload":{"a":1}}`); err != nil {
		t.Error(err)
	}
	for _, wrong := range []error{
		ask(abi.MessageRPC, "", "publish", `{"payload":1}`), ask(abi.MessageRPC, "m", "other", ``), ask(abi.MessageAttributes, "m", "", `{}`),
		ask(abi.MessagePublish, "a/b", "", "x"), ask(abi.MessagePublish, "", "", "x"),
	} {
		if wrong == nil {
			t.Error("it was published")
		}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{ask(abi.MessageRPC, "m", "stop", ``), "/rpc_topic: the config names no topic"},
		{ask(abi.MessagePublish, "", "", "x"), "no device is named"},
		{ask(abi.MessagePublish, "a/b", "", "x"), `the device "a/b" makes no level of a topic`},
	} {
		said, ok := errors.AsType[*abi.Error](c.err)
		if !ok || said.Kind != abi.FaultInvalid || !strings.Contains(said.Text, c.want) || said.Hint == "" {
			t.Errorf("got %v, want %s", c.err, c.want)
		}
	}
	b.Answer(func(abi.MQTTMessage) abi.MQTTResult { return abi.MQTTResult{Code: "denied", Text: "no grant"} })
	_, err := h.Message(abi.Message{Type: abi.MessagePublish, Correlation: "other", Device: "m", Body: []byte("x")})
	var said *abi.Error
	if !errors.As(err, &said) || said.Kind != abi.FaultDenied {
		t.Errorf("%+v", err)
	}
}

func TestConfigThatIsWrong(t *testing.T) {
	for config, at := range map[string]string{
		`{"url":"mqtt://b","subscriptions":[{"topic":"a/${device}/${device}"}]}`:            "/subscriptions/0/topic",
		`{"url":"mqtt://b","subscriptions":[{"topic":"a"},{"topic":"a/x${device}"}]}`:       "/subscriptions/1/topic",
		`{"url":"mqtt://b","subscriptions":[{"topic":"a/${device}","device":"d"}]}`:         "/subscriptions/0/device",
		`{"url":"mqtt://b","subscriptions":[{"topic":"$share/g"}]}`:                         "/subscriptions/0/topic",
		`{"url":"mqtt://b","subscriptions":[{"topic":"a"}],"rpc_topic":"a/+"}`:              "/rpc_topic",
		`{"url":"mqtt://b","subscriptions":[{"topic":"a"}],"publish_topic":"a/${nothing}"}`: "/publish_topic",
	} {
		h := guesttest.New(t, &source{})
		h.KV()
		h.MQTT()
		if _, err := h.Open(guesttest.Opening(config, abi.ReasonStart)); err == nil || !strings.Contains(err.Error(), at) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// A test has no name of its own, and takes no session.
func TestTest(t *testing.T) {
	h := guesttest.New(t, &source{})
	h.KV()
	b := h.MQTT()
	result, err := h.Test(example(t))
	if err != nil || !result.Success || b.Opened()[0].ClientID != "" || len(b.Opened()[0].Subscriptions) != 0 {
		t.Errorf("%+v, %v, %+v", result, err, b.Opened())
	}
	b.Refuse(errors.New("nobody is there"))
	if result, err := h.Test(example(t)); err == nil && result.Success {
		t.Errorf("%+v", result)
	}
}
