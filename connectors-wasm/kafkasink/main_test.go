package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/handover"
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

func opened(t *testing.T, config string, topics ...string) (*guesttest.Harness, *guesttest.Topics) {
	t.Helper()
	h := guesttest.New(t, &sink{})
	h.Log()
	k := h.Kafka(topics...)
	h.MustOpen(config)
	return h, k
}

const plain = `{"brokers":["k1:9092"],"topic":"out"}`

func reading(device, value string) abi.Record {
	return abi.Record{Device: device, Time: 1, ContentType: "text/plain", Payload: []byte(value)}
}

func headers(m abi.KafkaRecord) string {
	var b strings.Builder
	for _, h := range m.Headers {
		fmt.Fprintf(&b, "%s=%s ", h.Name, h.Value)
	}
	return b.String()
}

func TestWorkedExample(t *testing.T) {
	h, k := opened(t, example(t))
	pressure := abi.Record{
		Device: "pump1", Time: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).UnixNano(),
		Points: []abi.Point{{Name: "pressure", Unit: "bar", Value: abi.Double(4.2)}},
	}
	part := guesttest.Delivery("hall", 17, pressure)
	part.ID, part.Received = "con_1", pressure.Time+1e9
	out := h.MustDeliver(part)
	if len(out.Verdicts) != 0 {
		t.Errorf("%+v", out.Verdicts)
	}
	stored := k.Stored("plant.hall")
	if len(stored) != 1 {
		t.Fatalf("%+v, opened %+v", stored, k.Opened())
	}
	readme, _ := os.ReadFile("README.md")
	m := stored[0]
	if !strings.Contains(string(readme), "| value | `"+string(m.Value)+"` |") {
		t.Errorf("the value is %s", m.Value)
	}
	if string(m.Key) != "pump1" || m.Time != pressure.Time {
		t.Errorf("%+v", m)
	}
	if got := headers(m); got != "snaprail-id=con_1/1/17 snaprail-device=pump1 snaprail-connector=hall snaprail-kind=telemetry content-type=application/json " {
		t.Errorf("headers %s", got)
	}
	if args := k.Opened()[0]; args.Group != "" || args.Password != "secret://kafka" || !args.TLS {
		t.Errorf("%+v", args)
	}
}

func TestPayloadsAndKeys(t *testing.T) {
	h, k := opened(t, plain, "out")
	own := reading("pump1", "4.2")
	own.Key, own.Headers = []byte("k"), []abi.Header{{Name: "trace", Value: []byte("7")}}
	h.MustDeliver(guesttest.Delivery("hall", 1, own, reading("pump2", ""), abi.Record{Kind: abi.KindGap},
		abi.Record{Device: "pump3", Kind: abi.KindAttributes, Points: []abi.Point{
			{Name: "serial", Value: abi.String("old")},
			{Name: "serial", Value: abi.String("a\"ü")},
			{Name: "n", Value: abi.Int(-3)},
			{Name: "u", Value: abi.Uint(1 << 63)},
			{Name: "on", Value: abi.Bool(true)},
			{Name: "raw", Value: abi.Bytes([]byte{1})},
			{Name: "none"},
		}}))
	stored := k.Stored("out")
	if len(stored) != 3 || string(stored[0].Key) != "k" || string(stored[0].Value) != "4.2" || !strings.HasPrefix(headers(stored[0]), "trace=7 snaprail-id=hall/1/1 ") {
		t.Fatalf("%+v", stored)
	}
	if stored[1].Value == nil || string(stored[1].Key) != "pump2" {
		t.Errorf("an empty payload: %+v", stored[1])
	}
	if want := `{"serial":"a\"ü","n":-3,"u":9223372036854775808,"on":true,"raw":"AQ==","none":null}`; string(stored[2].Value) != want {
		t.Errorf("got %s", stored[2].Value)
	}
}

// What many records have in common is said once a request; what is too large for that
// stands with the record.
func TestDevicesTakeTurns(t *testing.T) {
	h, k := opened(t, plain, "out")
	large := strings.Repeat("x", abi.MaxKafkaForm)
	var list []abi.Record
	for i := range 9 {
		r := reading("pump"+strconv.Itoa(i%3), strconv.Itoa(i))
		if i%3 == 2 {
			r.ContentType = large
		}
		list = append(list, r)
	}
	for call := range 2 { // the forms of a call are not those of the next
		h.MustDeliver(guesttest.Delivery("hall", uint64(1+9*call), list[call:]...))
		for i, m := range k.Stored("out")[9*call:] {
			at := call + i
			device := "pump" + strconv.Itoa(at%3)
			if want := "snaprail-id=hall/1/" + strconv.Itoa(1+9*call+i) + " snaprail-device=" + device + " "; string(m.Key) != device || string(m.Value) != strconv.Itoa(at) || !strings.HasPrefix(headers(m), want) {
				t.Errorf("call %d, record %d: %s %s, %.99s", call, i, m.Key, m.Value, headers(m))
			}
			if n := len(m.Headers); n != 5 || at%3 == 2 && len(m.Headers[4].Value) != len(large) {
				t.Errorf("call %d, record %d has %d headers", call, i, n)
			}
		}
	}
}

func TestTopics(t *testing.T) {
	h, k := opened(t, `{"brokers":["k1:9092"],"topic":"p.${kind}.${device}","headers":false}`, "p.telemetry.a", "p.event.b_c")
	event := reading("b/c", "2")
	event.Kind = abi.KindEvent
	out := h.MustDeliver(guesttest.Delivery("hall", 1, reading("a", "1"), event, reading(strings.Repeat("x", 300), "3"), reading("a", "4")))
	if a, b := k.Stored("p.telemetry.a"), k.Stored("p.event.b_c"); len(a) != 2 || len(b) != 1 || headers(a[0]) != "snaprail-id=hall/1/1 " {
		t.Errorf("%+v, %+v", a, b)
	}
	if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 2 || out.Verdicts[0].Decision != abi.DecisionReject {
		t.Errorf("%+v", out.Verdicts)
	}
}

// What is held is handed in again: what was behind it and is in Kafka is not sent
// twice.
func TestHeldRecords(t *testing.T) {
	h, k := opened(t, plain, "out")
	parts := []abi.DeliverPart{guesttest.Delivery("hall", 1, reading("a", "1"), reading("b", "2")), guesttest.Delivery("roof", 1, reading("c", "3"))}
	k.Answer(func(m abi.KafkaRecord) *abi.KafkaResult {
		if string(m.Value) == "2" {
			return &abi.KafkaResult{Code: "TOPIC_AUTHORIZATION_FAILED", Text: "TOPIC_AUTHORIZATION_FAILED: no"}
		}
		return nil
	})
	out := h.MustDeliver(parts...)
	if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 1 || out.Verdicts[0].Decision != abi.DecisionRetry || !strings.Contains(out.Verdicts[0].Reason, "TOPIC_AUTHORIZATION_FAILED") {
		t.Fatalf("%+v", out.Verdicts)
	}
	k.Answer(nil)
	out = h.MustDeliver(guesttest.Delivery("hall", 2, reading("b", "2")), parts[1])
	if stored := k.Stored("out"); len(out.Verdicts) != 0 || len(stored) != 3 || string(stored[1].Value) != "3" || string(stored[2].Value) != "2" {
		t.Errorf("%+v, stored %+v", out.Verdicts, stored)
	}
	out = h.MustDeliver(guesttest.Delivery("roof", 1, reading("c", "3")))
	if len(out.Verdicts) != 0 || len(k.Stored("out")) != 4 {
		t.Errorf("what is handed in later: %+v", k.Stored("out"))
	}
}

func TestTooLarge(t *testing.T) {
	h, k := opened(t, plain, "out")
	k.Answer(func(m abi.KafkaRecord) *abi.KafkaResult {
		if string(m.Value) == "2" {
			return &abi.KafkaResult{Code: "MESSAGE_TOO_LARGE", Text: "too large"}
		}
		return nil
	})
	out := h.MustDeliver(guesttest.Delivery("hall", 1, reading("a", "1"), reading("a", "2"), reading("a", "3")))
	if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 1 || out.Verdicts[0].Decision != abi.DecisionReject || len(k.Stored("out")) != 2 {
		t.Errorf("%+v", out.Verdicts)
	}
}

// A broker that is away holds all, a slow one is asked again and sent nothing
// twice.
func TestAway(t *testing.T) {
	h, k := opened(t, plain, "out")
	part := guesttest.Delivery("hall", 1, reading("a", "1"), reading("b", "2"))
	for kind, want := range map[abi.FaultKind]time.Duration{abi.FaultUnavailable: handover.Shortly, abi.FaultDenied: handover.Long} {
		k.Refuse(&abi.Error{Kind: kind, Text: "nobody is there"})
		out := h.MustDeliver(part)
		if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 0 || out.Verdicts[0].Decision != abi.DecisionRetry || out.Verdicts[0].RetryAfterMS != uint64(want.Milliseconds()) {
			t.Fatalf("%v: %+v", kind, out.Verdicts)
		}
	}
	k.Refuse(nil)
	k.Stall(true)
	if out := h.MustDeliver(part); len(out.Verdicts) != 1 || out.Verdicts[0].Decision != abi.DecisionRetry {
		t.Fatalf("%+v", out.Verdicts)
	}
	k.Stall(false)
	longer := guesttest.Delivery("hall", 1, reading("a", "1"), reading("b", "2"), reading("c", "3"))
	if out := h.MustDeliver(longer); len(out.Verdicts) != 0 || len(k.Stored("out")) != 3 {
		t.Errorf("%+v, stored %+v", out.Verdicts, k.Stored("out"))
	}
}

// A topic that is not there is waited for, or made.
func TestATopicThatIsNotThere(t *testing.T) {
	h, _ := opened(t, `{"brokers":["k1:9092"],"topic":"${connector}"}`)
	if out := h.MustDeliver(guesttest.Delivery("hall", 1, reading("a", "1"))); len(out.Verdicts) != 1 || out.Verdicts[0].Decision != abi.DecisionRetry {
		t.Errorf("%+v", out.Verdicts)
	}
	made, k := opened(t, `{"brokers":["k1:9092"],"topic":"made","create":{"partitions":3}}`)
	made.MustDeliver(guesttest.Delivery("hall", 1, reading("a", "1")))
	if len(k.Stored("made")) != 1 {
		t.Error("it is not made")
	}
}

func TestConfigThatIsWrong(t *testing.T) {
	for config, want := range map[string]string{
		`{"brokers":["k1"],"topic":"a/b"}`:           `/topic: a topic's name has no "/"`,
		`{"brokers":["k1"],"topic":"a.${x}"}`:        `/topic: there is no ${x}`,
		`{"brokers":["k1"],"topic":"a.${device"}`:    `/topic: there is no ${device}`,
		`{"brokers":["k1"]}`:                         "/topic: want the name",
		`{"topic":"t"}`:                              "/brokers:",
		`{"brokers":["k1"],"topic":"t","key":"x"}`:   "/key:",
		`{"brokers":["k1"],"topic":"t","value":"x"}`: "/value:",
	} {
		h := guesttest.New(t, &sink{})
		h.Kafka("t")
		if result, err := h.Test(config); err != nil || result.Success || !strings.Contains(result.Message, want) {
			t.Errorf("%s: %+v, %v", config, result, err)
		}
	}
}

func TestTest(t *testing.T) {
	h := guesttest.New(t, &sink{})
	k := h.Kafka("out")
	if result, err := h.Test(plain); err != nil || !result.Success || len(k.Opened()) != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	k.Refuse(&abi.Error{Kind: abi.FaultUnavailable, Text: "nobody is there"})
	for _, config := range []string{plain, example(t)} {
		if result, err := h.Test(config); err != nil || result.Success || !strings.Contains(result.Message, "nobody is there") {
			t.Errorf("%+v, %v", result, err)
		}
	}
}

// Where the records name the topics a broker is asked for one as they may name it,
// which is not made. That no grant covers that one says nothing of the others.
func TestTestOfManyTopics(t *testing.T) {
	h := guesttest.New(t, &sink{})
	k := h.Kafka()
	result, err := h.Test(example(t))
	if err != nil || !result.Success || len(k.Opened()) != 1 || k.Opened()[0].Topic != "plant.connector" {
		t.Errorf("%+v, %v, %+v", result, err, k.Opened())
	}
	k.Refuse(&abi.Error{Kind: abi.FaultDenied, Code: "denied", Text: "no grant"})
	if result, err := h.Test(example(t)); err != nil || !result.Success || !strings.Contains(result.Message, "no broker was asked") {
		t.Errorf("%+v, %v", result, err)
	}
	k.Refuse(&abi.Error{Kind: abi.FaultDenied, Code: "denied", Finer: abi.KafkaNoTopic, Text: "no grant"})
	result, err = h.Test(example(t))
	if err != nil || result.Success || !strings.Contains(result.Message, "no topic of") || len(result.Details) != 2 ||
		!strings.Contains(string(result.Details[1].Value), `/plant.*" --write`) {
		t.Errorf("%+v, %v", result, err)
	}
	k.Refuse(&abi.Error{Kind: abi.FaultDenied, Code: "egress_forbidden", Text: "127.0.0.1 may not be reached"})
	if result, err := h.Test(example(t)); err != nil || result.Success || !strings.Contains(result.Message, "127.0.0.1") {
		t.Errorf("%+v, %v", result, err)
	}
}

// That data is missing is told where there is a form for it.
func TestGaps(t *testing.T) {
	gap := abi.Record{Kind: abi.KindGap, ContentType: "application/json", Payload: []byte(`{"from":"a","to":"b","reason":"c"}`)}
	for topic, want := range map[string]string{
		`"p.${kind}","value":"json"`:   "p.gap",
		`"p.${kind}"`:                  "",
		`"p.${device}","value":"json"`: "",
	} {
		h, k := opened(t, `{"brokers":["k1:9092"],"topic":`+topic+`}`, "p.gap", "p.")
		out := h.MustDeliver(guesttest.Delivery("hall", 1, gap))
		stored := append(k.Stored("p.gap"), k.Stored("p.")...)
		if want == "" {
			if len(stored) != 0 || len(out.Verdicts) != 1 || out.Verdicts[0].Decision != abi.DecisionSkip {
				t.Errorf("%s: %+v, %+v", topic, stored, out.Verdicts)
			}
			continue
		}
		if len(stored) != 1 || len(out.Verdicts) != 0 || !strings.Contains(string(stored[0].Value), `"kind":"gap"`) ||
			!strings.Contains(string(stored[0].Value), `"payload":{"from":"a","to":"b","reason":"c"}`) || !strings.Contains(headers(stored[0]), "snaprail-kind=gap") {
			t.Errorf("%s: %+v, %+v", topic, stored, out.Verdicts)
		}
	}
}

// One topic too many takes no others along.
func TestTooManyTopics(t *testing.T) {
	var topics []string
	var records []abi.Record
	for i := range maxTopics + 2 {
		topics = append(topics, fmt.Sprint("d", i))
		records = append(records, reading(topics[i], "1"))
	}
	records = append(records, reading("d0", "2"))
	h, k := opened(t, `{"brokers":["k1:9092"],"topic":"${device}"}`, topics...)
	out := h.MustDeliver(guesttest.Delivery("hall", 1, records...))
	if len(out.Verdicts) != 2 || out.Verdicts[0].Input != maxTopics || out.Verdicts[0].Decision != abi.DecisionReject || len(k.Stored("d0")) != 2 {
		t.Errorf("%+v", out.Verdicts)
	}
}
