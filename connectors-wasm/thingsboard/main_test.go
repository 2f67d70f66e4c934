package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
	"github.com/snaprail/snaprail/hostfns/peertest"
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

const small = `{"url":"mqtt://b","access_token":"secret://t"}`

// rig is a gateway with its broker and a strict platform.
type rig struct {
	*guesttest.Harness
	tb     testing.TB
	broker *guesttest.Broker
	kept   map[string][]byte
	// committed is what is kept when the guest dies behind its last commit in a step.
	committed map[string][]byte
	log       *[]abi.LogLine
	platform  *peertest.ThingsBoard
	sent      int
	last      uint64
}

func newRig(t *testing.T, config string) *rig {
	t.Helper()
	return newRigWith(t, config, nil)
}

// newRigWith is newRig with what an earlier gateway has kept.
func newRigWith(t *testing.T, config string, kept map[string][]byte) *rig {
	t.Helper()
	h := guesttest.New(t, &gateway{})
	r := &rig{Harness: h, tb: t, log: h.Log(), kept: h.KV(), broker: h.MQTT(), platform: peertest.NewThingsBoard(t)}
	maps.Copy(r.kept, kept)
	h.Host(abi.CoreGroup, "emit", func([]byte) ([]byte, error) {
		r.committed = maps.Clone(r.kept)
		return abi.Emitted{Sequence: 1}.Append(nil), nil
	})
	r.MustOpen(config)
	r.MustEvents(abi.Event{Type: abi.EventTimer, Name: timerConnect})
	return r
}

// see hands what was published since to the platform.
func (r *rig) see() *rig {
	r.tb.Helper()
	all := r.broker.Published()
	for _, m := range all[r.sent:] {
		r.platform.Take(peertest.MQTTMessage{Topic: m.Topic, Payload: m.Payload, QoS: byte(m.QoS), Retain: m.Retain})
	}
	r.sent = len(all)
	return r
}

func (r *rig) deliver(records ...abi.Record) *abi.Outcome {
	r.tb.Helper()
	out := r.MustDeliver(guesttest.Delivery("meters", r.last, records...))
	r.last += uint64(len(records))
	r.see()
	return out
}

func (r *rig) topics() string {
	all := strings.Join(r.platform.Topics, ", ")
	r.platform.Topics = nil
	return all
}

// says hands in a message of the platform.
func (r *rig) says(topic, body string) *abi.Outcome {
	r.tb.Helper()
	out := r.MustEvents(r.broker.Event(abi.MQTTMessage{Topic: topic, Payload: []byte(body), QoS: 1}))
	r.see()
	return out
}

const second = int64(time.Second)

func telemetry(device string, at int64, points ...abi.Point) abi.Record {
	return abi.Record{Device: device, Time: at * second, Points: points}
}

func point(name string, v abi.Value) abi.Point { return abi.Point{Name: name, Value: v} }

func TestWorkedExample(t *testing.T) {
	r := newRig(t, example(t))
	args := r.broker.Opened()[0]
	if args.Version != 4 || args.Username != "secret://gateway" || args.Password != "" || !args.CleanStart || args.Will != nil {
		t.Errorf("%+v", args)
	}
	var filters []string
	for _, s := range args.Subscriptions {
		filters = append(filters, s.Filter)
	}
	if got := strings.Join(filters, " "); got != "v1/gateway/attributes v1/gateway/attributes/response v1/gateway/rpc v1/devices/me/rpc/request/+ v1/devices/me/rpc/response/+" {
		t.Error(got)
	}
	r.deliver(telemetry("hall", 1_700_000_000, point("temperature", abi.Int(42)), point("humidity", abi.Int(24))))
	if got := r.topics(); got != "gateway/connect, gateway/attributes/request, gateway/telemetry" {
		t.Error(got)
	}
	if r.platform.Connected["hall"] != "energy meter" || !slices.Equal(r.platform.Requests[0].Keys, []string{"interval"}) || *r.platform.Requests[0].Client {
		t.Errorf("%+v", r.platform)
	}
	last := r.broker.Published()[r.sent-1]
	if got := string(last.Payload); got != `{"hall":[{"ts":1700000000000,"values":{"temperature":42,"humidity":24}}]}` {
		t.Error(got)
	}
}

func TestValues(t *testing.T) {
	r := newRig(t, `{"url":"mqtt://b","access_token":"secret://t","drop_bad":true}`)
	out := r.deliver(
		telemetry("m", 1, point("b", abi.Bool(true)), point("i", abi.Int(-5)), point("u", abi.Uint(math.MaxInt64)), point("big", abi.Uint(math.MaxUint64)),
			point("d", abi.Double(3)), point("e", abi.Double(1e300)), point("nan", abi.Double(math.NaN())), point("s", abi.String("a\"\n")), point("x", abi.Bytes([]byte{255})),
			abi.Point{Name: "none"}, abi.Point{Name: "bad", Value: abi.Int(1), Quality: 1 << 31}, abi.Point{Name: "old", Value: abi.Int(1), SourceTime: second / 2}, point("b", abi.Bool(false))),
		telemetry("m", 2, abi.Point{Name: "none"}),
		abi.Record{Device: "m", Time: 3 * second, ContentType: "application/json", Payload: []byte(` {"a": 1} `)},
		abi.Record{Device: "m", Time: 4 * second, ContentType: "application/json", Payload: []byte(`[1]`)},
		abi.Record{Device: "m", Time: 5 * second, ContentType: "text/plain", Payload: []byte("hello")},
		abi.Record{Device: "m", Time: 6 * second, Payload: []byte("raw")},
		abi.Record{Device: "m", Time: 7 * second, Kind: abi.KindEvent, ContentType: "application/json", Payload: []byte("7"), Headers: []abi.Header{{Name: "service", Value: []byte("alarm")}}},
		abi.Record{Device: "m", Time: 8 * second, ContentType: "application/json", Payload: []byte("{")},
		abi.Record{Device: "m", Time: 9 * second, Kind: abi.KindGap},
		abi.Record{Time: 9 * second, Points: []abi.Point{point("a", abi.Int(1))}},
		abi.Record{Device: "m", Time: 10 * second, Kind: abi.KindAttributes, Points: []abi.Point{point("serial", abi.String("A")), point("serial", abi.String("B"))}},
		abi.Record{Device: "m", Time: 11 * second, Kind: abi.KindAttributes, Points: []abi.Point{point("serial", abi.String("C")), point("v", abi.Int(1))}},
	)
	want := []string{
		"b=true@1000", "big=\"18446744073709551615\"@1000", "d=3.0@1000", "e=1e+300@1000", "i=-5@1000", `s="a\"\n"@1000`, "u=9223372036854775807@1000", `x="/w=="@1000`,
		"old=1@500", "b=false@1000", "a=1@3000", "payload=[1]@4000", `payload="hello"@5000`, `payload="cmF3"@6000`, "alarm=7@7000",
	}
	if !slices.Equal(r.platform.Telemetry["m"], want) {
		t.Errorf("%q", r.platform.Telemetry["m"])
	}
	if got := r.platform.Client["m"]; got["serial"] != `"C"` || got["v"] != "1" {
		t.Errorf("attributes are %v", got)
	}
	var verdicts []string
	for _, v := range out.Verdicts {
		verdicts = append(verdicts, fmt.Sprint(v.Input, v.Decision == abi.DecisionReject))
	}
	if got := strings.Join(verdicts, ", "); got != "1 false, 7 true, 8 false, 9 true" {
		t.Error(got)
	}
}

// A message is never larger than the platform takes, and holds as much as it may.
func TestBatches(t *testing.T) {
	r := newRig(t, `{"url":"mqtt://b","access_token":"secret://t","max_payload":2000}`)
	r.platform.Limit = 2000
	var records []abi.Record
	for i := range int64(200) {
		records = append(records, telemetry(fmt.Sprint("m", i%3), i+1, point("x", abi.Int(i)), point("text", abi.String(strings.Repeat("é\"", 10)))))
	}
	records = append(records, telemetry("m0", 1, point("large", abi.String(strings.Repeat("x", 2000)))))
	out := r.deliver(records...)
	if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 200 || out.Verdicts[0].Decision != abi.DecisionReject {
		t.Errorf("%+v", out.Verdicts)
	}
	if n := strings.Count(r.topics(), "telemetry"); n < 10 || n > 20 {
		t.Errorf("%d messages", n)
	}
	for d := range int64(3) {
		got := r.platform.Telemetry[fmt.Sprint("m", d)]
		for i := d; i < 200; i += 3 {
			if want := fmt.Sprintf("x=%d@%d", i, (i+1)*1000); !slices.Contains(got, want) {
				t.Errorf("no %s", want)
			}
		}
	}
}

func TestConnectionThatIsLost(t *testing.T) {
	r := newRig(t, small)
	r.deliver(telemetry("a", 1, point("x", abi.Int(1))), telemetry("b", 1, point("x", abi.Int(1))))
	r.topics()
	r.MustEvents(r.broker.Lost(1))
	record := telemetry("c", 2, point("x", abi.Int(2)))
	if out := r.MustDeliver(guesttest.Delivery("meters", 9, record)); !held(out) {
		t.Errorf("delivered while away: %+v", out)
	}
	r.platform.Connected = map[string]string{}
	r.MustEvents(r.broker.Back(1))
	r.see()
	r.deliver(record)
	if got := r.topics(); got != "gateway/connect, gateway/connect, gateway/connect, gateway/telemetry" {
		t.Error(got)
	}
	r.MustEvents(r.broker.Lost(1))
	r.platform.Connected = map[string]string{}
	r.broker.Back(1)
	r.deliver(record) // before the guest has heard of the connection
	if got := r.topics(); got != "gateway/connect, gateway/connect, gateway/connect, gateway/telemetry" {
		t.Error(got)
	}
}

// held reports whether all records of a delivery are to come again.
func held(out *abi.Outcome) bool {
	return len(out.Verdicts) == 1 && out.Verdicts[0].Input == 0 && out.Verdicts[0].Decision == abi.DecisionRetry && out.Verdicts[0].RetryAfterMS > 0
}

// The next guest tells the platform of all devices, because the platform reaches no
// other.
func TestNextGuest(t *testing.T) {
	r := newRig(t, small)
	for i := range 150 {
		r.deliver(telemetry(fmt.Sprint("d", i), 1, point("x", abi.Int(1))))
	}
	r.platform.Connected, r.platform.Topics = map[string]string{}, nil
	r.MustOpen(small)
	r.MustEvents(abi.Event{Type: abi.EventTimer, Name: timerConnect})
	r.see()
	if len(r.platform.Connected) != 150 || len(r.broker.Opened()) != 1 {
		t.Errorf("%d devices are connected", len(r.platform.Connected))
	}
	r.Connectors(func(connector string, _ *abi.Message) ([]abi.Reply, error) {
		return []abi.Reply{{Body: []byte(`{"from":"` + connector + `"}`)}}, nil
	})
	r.says("v1/gateway/rpc", `{"device":"d7","data":{"id":3,"method":"m","params":null}}`)
	if got := strings.Join(r.platform.Answers, ""); got != `d7 3 {"from":"meters"}` {
		t.Error(got)
	}
}

func TestDeviceThatIsSilent(t *testing.T) {
	r := newRig(t, `{"url":"mqtt://b","access_token":"secret://t","device_timeout":0.001}`)
	r.deliver(telemetry("m", 1, point("x", abi.Int(1))))
	for end := time.Now().Add(time.Minute); len(r.platform.Connected) > 0 && time.Now().Before(end); {
		r.MustEvents(abi.Event{Type: abi.EventTimer, Name: timerDevices})
		r.see()
	}
	r.deliver(telemetry("m", 2, point("x", abi.Int(2))))
	if got := r.topics(); got != "gateway/connect, gateway/telemetry, gateway/disconnect, gateway/connect, gateway/telemetry" {
		t.Error(got)
	}
}

// What the platform refuses for good is found alone; what may pass later is held,
// with all that comes after it.
func TestPublishThatFails(t *testing.T) {
	r := newRig(t, small)
	r.deliver(telemetry("m", 1, point("x", abi.Int(1))))
	for _, c := range []struct {
		code  string
		retry bool
		want  string
	}{{"payload_format_invalid", false, "[{3 2}]"}, {"denied", false, "[{0 3}]"}, {"not_acknowledged", true, "[{0 3}]"}} {
		r.broker.Answer(func(m abi.MQTTMessage) abi.MQTTResult {
			if strings.Contains(string(m.Payload), "poison") {
				return abi.MQTTResult{Code: c.code, Text: "no", Retry: c.retry}
			}
			return abi.MQTTResult{}
		})
		var records []abi.Record
		for i := range int64(6) {
			name := "x"
			if i == 3 {
				name = "poison"
			}
			records = append(records, telemetry("m", 10+i, point(name, abi.Int(i))))
		}
		var got []struct {
			input    uint32
			decision abi.Decision
		}
		for _, v := range r.deliver(records...).Verdicts {
			got = append(got, struct {
				input    uint32
				decision abi.Decision
			}{v.Input, v.Decision})
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s", c.code, got, c.want)
		}
	}
	if got := r.platform.Telemetry["m"]; len(got) != 6 {
		t.Errorf("%q", got)
	}
}

func TestConfigsThatAreWrong(t *testing.T) {
	for config, pointer := range map[string]string{
		`{"url":"mqtt://b"}`:                                  "/access_token",
		`{"url":"mqtt://b","login":"basic"}`:                  "/username",
		`{"url":"mqtt://b","login":"x509","certificate":"x"}`: "/certificate",
	} {
		h := guesttest.New(t, &gateway{})
		h.MQTT()
		h.KV()
		if _, err := h.Open(guesttest.Opening(config, abi.ReasonStart)); err == nil || !strings.Contains(err.Error(), pointer) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestLogins(t *testing.T) {
	r := newRig(t, `{"url":"mqtt://b","login":"basic","client_id":"c","username":"u","password":"secret://p"}`)
	if a := r.broker.Opened()[0]; a.ClientID != "c" || a.Username != "u" || a.Password != "secret://p" {
		t.Errorf("%+v", a)
	}
	result, err := r.Test(small)
	if err != nil || !result.Success {
		t.Errorf("%+v, %v", result, err)
	}
	if a := r.broker.Opened()[1]; len(a.Subscriptions) != 0 || len(r.broker.Published()) != 0 {
		t.Errorf("%+v", a)
	}
}

func TestDevicesAreBounded(t *testing.T) {
	r := newRig(t, `{"url":"mqtt://b","access_token":"secret://t","device_by":"connector","device_types":{"d1":"one","meters":"many"}}`)
	rejected := 0
	for i := 0; i < maxDevices+100; i += 100 {
		var records []abi.Record
		for d := range 100 {
			records = append(records, telemetry(fmt.Sprint("d", i+d), 1, point("x", abi.Int(1))))
		}
		rejected += len(r.deliver(records...).Verdicts)
	}
	if rejected != 8300-maxDevices || r.platform.Connected["meters:d1"] != "one" || r.platform.Connected["meters:d2"] != "many" {
		t.Errorf("%d rejected, %v", rejected, r.platform.Connected["meters:d1"])
	}
	for name, value := range r.kept {
		if !json.Valid(value) || len(value) > 64<<10 {
			t.Errorf("%s is kept in %d bytes", name, len(value))
		}
	}
	if out := r.deliver(telemetry(strings.Repeat("n", 300), 1, point("x", abi.Int(1)))); len(out.Verdicts) != 1 {
		t.Errorf("%+v", out)
	}
}

// A test asks whether it may publish, which a host answers it that lets it write
// nothing yet.
func TestTestAsksForTheRightToWrite(t *testing.T) {
	for _, c := range []struct {
		said error
		well bool
	}{
		{&abi.Error{Kind: abi.FaultNotActive, Code: "not_active", Text: "the running version still owns the writes"}, true},
		{&abi.Error{Kind: abi.FaultDenied, Code: "denied", Text: "no grant covers broker:b with the right to write"}, false},
	} {
		h := guesttest.New(t, &gateway{})
		h.Log()
		h.KV()
		broker := h.MQTT()
		h.Host("mqtt", "publish", func([]byte) ([]byte, error) { return nil, c.said })
		result, err := h.Test(small)
		if err != nil || result.Success != c.well || len(broker.Published()) > 0 || !c.well && !strings.Contains(result.Message, "right to write") {
			t.Errorf("%+v, %v", result, err)
		}
	}
}
