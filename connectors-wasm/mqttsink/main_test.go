package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

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
	h := guesttest.New(t, &sink{})
	h.Log()
	b := h.MQTT()
	h.MustOpen(config)
	return h, b
}

func reading(device, value string) abi.Record {
	return abi.Record{Device: device, Time: 1, ContentType: "text/plain", Payload: []byte(value)}
}

// came is what was published, as topic=payload.
func came(b *guesttest.Broker) string {
	var all []string
	for _, m := range b.Published() {
		all = append(all, m.Topic+"="+string(m.Payload))
	}
	return strings.Join(all, " ")
}

func TestWorkedExample(t *testing.T) {
	h, b := opened(t, example(t))
	pressure := abi.Record{
		Device: "pump1", Time: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).UnixNano(),
		Points: []abi.Point{{Name: "pressure", Unit: "bar", Value: abi.Double(4.2)}},
	}
	part := guesttest.Delivery("hall", 17, pressure)
	part.ID, part.Received = "con_1", pressure.Time+1e9
	if out := h.MustDeliver(part); len(out.Verdicts) != 0 {
		t.Errorf("%+v", out.Verdicts)
	}
	readme, _ := os.ReadFile("README.md")
	m := b.Published()[0]
	if m.Topic != "plant/hall/pump1" || !m.Retain || m.QoS != 1 || m.ContentType != "application/json" || m.ID != "con_1/1/17" ||
		!strings.Contains(string(readme), "| payload | `"+string(m.Payload)+"` |") {
		t.Errorf("%+v: %s", m, m.Payload)
	}
	var properties strings.Builder
	for _, p := range m.UserProperties {
		fmt.Fprintf(&properties, "%s=%s ", p.Name, p.Value)
	}
	if got := properties.String(); got != "snaprail-id=con_1/1/17 snaprail-device=pump1 snaprail-connector=hall snaprail-kind=telemetry " {
		t.Error(got)
	}
	if args := b.Opened()[0]; !args.CleanStart || args.Password != "secret://mqtt" || args.ClientID != "" {
		t.Errorf("%+v", args)
	}
}

func TestTopicsAndPayloads(t *testing.T) {
	h, b := opened(t, `{"url":"mqtt://b","version":4,"topic":"p/${kind}/${device}","qos":2,"expiry":60}`)
	event := reading("$a/+#b", "2")
	event.Kind = abi.KindEvent
	out := h.MustDeliver(
		guesttest.Delivery("hall", 1, reading("a", "1"), event, abi.Record{Kind: abi.KindGap}),
		guesttest.Delivery("roof", 1, reading("", "3"), abi.Record{Device: "c", Points: []abi.Point{{Name: "x", Value: abi.Int(1)}, {Name: "y", Value: abi.Bool(true)}}}),
	)
	if got := came(b); got != `p/telemetry/a=1 p/event/_a___b=2 p/telemetry/c={"x":1,"y":true}` {
		t.Error(got)
	}
	if m := b.Published()[0]; m.QoS != 2 || m.ExpiryS != 60 || len(m.UserProperties) != 0 {
		t.Errorf("%+v", m)
	}
	if len(out.Verdicts) != 2 || out.Verdicts[0].Decision != abi.DecisionSkip || out.Verdicts[1].Input != 3 || out.Verdicts[1].Decision != abi.DecisionReject {
		t.Errorf("%+v", out.Verdicts)
	}
}

// That data is missing is told where there is a form for it, and never in place of a
// value.
func TestGaps(t *testing.T) {
	gap := abi.Record{Kind: abi.KindGap, ContentType: "application/json", Payload: []byte(`{"from":"a","to":"b","reason":"c"}`)}
	for config, want := range map[string]string{
		`{"url":"mqtt://b","topic":"p/${kind}","value":"json","retain":true}`: "p/gap",
		`{"url":"mqtt://b","topic":"p/${kind}"}`:                              "",
		`{"url":"mqtt://b","topic":"p/${device}","value":"json"}`:             "",
	} {
		h, b := opened(t, config)
		out := h.MustDeliver(guesttest.Delivery("hall", 1, gap))
		published := b.Published()
		if want == "" {
			if len(published) != 0 || len(out.Verdicts) != 1 || out.Verdicts[0].Decision != abi.DecisionSkip {
				t.Errorf("%s: %+v, %+v", config, published, out.Verdicts)
			}
			continue
		}
		if len(published) != 1 || len(out.Verdicts) != 0 || published[0].Topic != want || published[0].Retain ||
			!strings.Contains(string(published[0].Payload), `"kind":"gap"`) || !strings.Contains(string(published[0].Payload), `"payload":{"from":"a","to":"b","reason":"c"}`) {
			t.Errorf("%s: %+v, %+v", config, published, out.Verdicts)
		}
	}
}

// What is held is handed in again: what was behind it and is at the broker is not
// published twice.
func TestHeldRecords(t *testing.T) {
	h, b := opened(t, `{"url":"mqtt://b","topic":"out"}`)
	parts := []abi.DeliverPart{guesttest.Delivery("hall", 1, reading("a", "1"), reading("b", "2")), guesttest.Delivery("roof", 1, reading("c", "3"))}
	b.Answer(func(m abi.MQTTMessage) abi.MQTTResult {
		if string(m.Payload) == "2" {
			return abi.MQTTResult{Code: "quota_exceeded", Retry: true}
		}
		return abi.MQTTResult{}
	})
	out := h.MustDeliver(parts...)
	if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 1 || out.Verdicts[0].Decision != abi.DecisionRetry {
		t.Fatalf("%+v", out.Verdicts)
	}
	b.Answer(func(abi.MQTTMessage) abi.MQTTResult { return abi.MQTTResult{} })
	h.MustDeliver(guesttest.Delivery("hall", 2, reading("b", "2")), guesttest.Delivery("roof", 1, reading("c", "3"), reading("c", "4")))
	if got := came(b); got != "out=1 out=3 out=2 out=4" {
		t.Error(got)
	}
}

func TestBrokerAway(t *testing.T) {
	h, b := opened(t, `{"url":"mqtt://b","topic":"out"}`)
	b.Refuse(&abi.Error{Kind: abi.FaultUnavailable, Text: "away", RetryAfterMS: 1000})
	out := h.MustDeliver(guesttest.Delivery("hall", 1, reading("a", "1"), reading("a", "2")))
	if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 0 || out.Verdicts[0].Decision != abi.DecisionRetry || out.Verdicts[0].RetryAfterMS != 1000 {
		t.Errorf("%+v", out.Verdicts)
	}
	b.Refuse(nil)
	h.MustDeliver(guesttest.Delivery("hall", 1, reading("a", "1"), reading("a", "2")))
	if got := came(b); got != "out=1 out=2" {
		t.Error(got)
	}
}

// A batch that is held keeps those behind it from being published, and none of them
// is taken for published.
func TestBatchesBehindOneThatIsHeld(t *testing.T) {
	h, b := opened(t, `{"url":"mqtt://b","topic":"out"}`)
	large := strings.Repeat("x", maxCall)
	deliver := func() *abi.Outcome {
		return h.MustDeliver(guesttest.Delivery("hall", 1, reading("a", large), reading("a", "2")), guesttest.Delivery("roof", 1, reading("a", "3")))
	}
	b.Answer(func(abi.MQTTMessage) abi.MQTTResult { return abi.MQTTResult{Code: "not_acknowledged", Retry: true} })
	if out := deliver(); len(out.Verdicts) != 1 || out.Verdicts[0].Input != 0 {
		t.Fatalf("%+v", out.Verdicts)
	}
	b.Answer(func(abi.MQTTMessage) abi.MQTTResult { return abi.MQTTResult{} })
	deliver()
	if got := came(b); got != "out="+large+" out=2 out=3" {
		t.Errorf("%d bytes came", len(got))
	}
}

func TestWhatNobodyCanMend(t *testing.T) {
	h, b := opened(t, `{"url":"mqtt://b","topic":"out"}`)
	b.Answer(func(m abi.MQTTMessage) abi.MQTTResult {
		switch string(m.Payload) {
		case "large":
			return abi.MQTTResult{Code: "packet_too_large", Text: "no"}
		case "denied":
			return abi.MQTTResult{Code: "denied", Text: "no grant covers topic:out", Hint: "Grant it."}
		}
		return abi.MQTTResult{}
	})
	out := h.MustDeliver(guesttest.Delivery("hall", 1, reading("a", "large"), reading("a", "1"), reading("a", "denied")))
	held := abi.Verdict{Input: 2, Decision: abi.DecisionRetry, Reason: "no grant covers topic:out", RetryAfterMS: 5000, Kind: abi.FaultDenied, Hint: "Grant it."}
	if len(out.Verdicts) != 2 || out.Verdicts[0].Decision != abi.DecisionReject || out.Verdicts[1] != held {
		t.Errorf("%+v", out.Verdicts)
	}
}

func TestConfigThatIsWrong(t *testing.T) {
	for config, at := range map[string]string{
		`{"url":"mqtt://b","topic":"a/+"}`:             "/topic",
		`{"url":"mqtt://b","topic":"a/${nothing}"}`:    "/topic",
		`{"url":"mqtt://b","topic":""}`:                "/topic",
		`{"url":"mqtt://b","topic":"a","value":"xml"}`: "/value",
	} {
		h := guesttest.New(t, &sink{})
		h.MQTT()
		if _, err := h.Open(guesttest.Opening(config, abi.ReasonStart)); err == nil || !strings.Contains(err.Error(), at) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestTest(t *testing.T) {
	h := guesttest.New(t, &sink{})
	b := h.MQTT()
	result, err := h.Test(`{"url":"mqtt://b","topic":"a","client_id":"mine"}`)
	if err != nil || !result.Success || b.Opened()[0].ClientID != "" {
		t.Errorf("%+v, %v, %+v", result, err, b.Opened())
	}
	b.Refuse(errors.New("nobody is there"))
	if result, err := h.Test(example(t)); err == nil && result.Success {
		t.Errorf("%+v", result)
	}
}
