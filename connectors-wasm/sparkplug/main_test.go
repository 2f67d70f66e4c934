package main

import (
	"errors"
	"fmt"
	"maps"
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

const small = `{"url":"mqtt://b","group":"plant","node":"hall"}`

// rig is a node with its broker and a strict host.
type rig struct {
	*guesttest.Harness
	tb     testing.TB
	broker *guesttest.Broker
	kept   map[string][]byte
	// committed is what is kept when the guest dies behind its last commit in a step.
	committed map[string][]byte
	log       *[]abi.LogLine
	host      *peertest.SparkplugHost
	sent      int // of what was published

	time int64 // that the host puts into its commands
	last uint64
}

func newRig(t *testing.T, config string) *rig {
	t.Helper()
	return newRigWith(t, config, nil)
}

// newRigWith is newRig with what an earlier node has kept.
func newRigWith(t *testing.T, config string, kept map[string][]byte) *rig {
	t.Helper()
	h := guesttest.New(t, &node{})
	r := &rig{Harness: h, tb: t, log: h.Log(), kept: h.KV(), broker: h.MQTT(), host: peertest.NewSparkplugHost(t, "plant", "hall")}
	maps.Copy(r.kept, kept)
	h.Host(abi.CoreGroup, "emit", func([]byte) ([]byte, error) {
		r.committed = maps.Clone(r.kept)
		return abi.Emitted{Sequence: 1}.Append(nil), nil
	})
	r.MustOpen(config)
	r.connected()
	return r
}

// see hands what was published since to the host.
func (r *rig) see() *rig {
	r.tb.Helper()
	all := r.broker.Published()
	for _, m := range all[r.sent:] {
		r.host.Take(shown(m))
	}
	r.sent = len(all)
	return r
}

// connected shows the host the will of the connection.
func (r *rig) connected() {
	r.tb.Helper()
	will := shown(*r.broker.Info(1).Will)
	r.host.Connected(&will)
}

func shown(m abi.MQTTMessage) peertest.MQTTMessage {
	return peertest.MQTTMessage{Topic: m.Topic, Payload: m.Payload, QoS: byte(m.QoS), Retain: m.Retain}
}

func (r *rig) birth() *rig {
	r.tb.Helper()
	r.MustEvents(abi.Event{Type: abi.EventTimer, Name: timerBirth})
	return r.see()
}

// part is a delivery that was received at a time after all births so far.
func (r *rig) part(records ...abi.Record) abi.DeliverPart {
	p := guesttest.Delivery("meters", r.last, records...)
	p.Received = time.Now().Add(time.Hour).UnixNano()
	r.last += uint64(len(records))
	return p
}

func (r *rig) deliver(records ...abi.Record) *abi.Outcome {
	r.tb.Helper()
	out := r.MustDeliver(r.part(records...))
	r.see()
	return out
}

func (r *rig) kinds() string {
	all := strings.Join(r.host.Kinds, ", ")
	r.host.Kinds = nil
	return all
}

const second = int64(time.Second)

func telemetry(device string, at int64, points ...abi.Point) abi.Record {
	return abi.Record{Device: device, Time: at * second, Points: points}
}

func point(name string, v abi.Value) abi.Point { return abi.Point{Name: name, Value: v} }

func (r *rig) state(online bool, at int) abi.Event {
	return r.broker.Event(abi.MQTTMessage{
		Topic: "spBv1.0/STATE/scada", Payload: fmt.Appendf(nil, `{"online":%v,"timestamp":%d}`, online, at), QoS: 1, Retain: true,
	})
}

func (r *rig) command(topic string, metrics ...metric) *abi.Outcome {
	r.tb.Helper()
	r.time++
	return r.says(topic, payload{Time: r.time, Seq: -1, Metrics: metrics})
}

func (r *rig) says(topic string, p payload) *abi.Outcome {
	r.tb.Helper()
	out := r.MustEvents(r.broker.Event(abi.MQTTMessage{Topic: topic, Payload: p.Append(nil), QoS: 1}))
	r.see()
	return out
}

func (r *rig) logged(part string) bool {
	return slices.ContainsFunc(*r.log, func(l abi.LogLine) bool { return strings.Contains(l.Text, part) })
}

func TestWorkedExample(t *testing.T) {
	r := newRig(t, example(t))
	args := r.broker.Opened()[0]
	if args.Version != 4 || !args.CleanStart || args.ClientID != "plant/hall" || args.Password != "secret://broker" || len(args.Subscriptions) != 3 ||
		args.Subscriptions[0] != (abi.MQTTSubscription{Filter: "spBv1.0/plant/NCMD/hall", QoS: 1}) ||
		args.Subscriptions[1] != (abi.MQTTSubscription{Filter: "spBv1.0/plant/DCMD/hall/+", QoS: 1}) ||
		args.Subscriptions[2] != (abi.MQTTSubscription{Filter: "spBv1.0/STATE/scada", QoS: 1}) {
		t.Errorf("%+v", args)
	}
	r.MustEvents(r.state(true, 100))
	r.see().deliver(telemetry("meter1", 10, point("voltage", abi.Double(230.5)), point("power", abi.Int(12))))
	r.deliver(telemetry("meter1", 11, point("voltage", abi.Int(231)), point("power", abi.Int(13))))
	if got := r.kinds(); got != "NBIRTH, DBIRTH meter1, DDATA meter1" {
		t.Error(got)
	}
	want := []string{"meter1/voltage=230.5@10000", "meter1/power=12@10000", "meter1/voltage=231@11000", "meter1/power=13@11000"}
	if !slices.Equal(r.host.History, want) {
		t.Errorf("%q", r.host.History)
	}
	if n := r.host.Datatype("meter1", "voltage"); n != uint32(typeFloat) {
		t.Errorf("voltage is of type %d", n)
	}
}

// A device is born again when it is no longer what it was born as.
func TestNewMetricsAndTypes(t *testing.T) {
	r := newRig(t, small).birth()
	for i, step := range []struct {
		points []abi.Point
		kinds  string
		kind   datatype // of a
	}{
		{[]abi.Point{point("a", abi.Bool(true))}, "NBIRTH, DBIRTH m", typeBoolean},
		{[]abi.Point{point("a", abi.Bool(false))}, "DDATA m", typeBoolean},
		{[]abi.Point{point("a", abi.Bool(true)), point("b", abi.Uint(1))}, "DBIRTH m", typeBoolean},
		{[]abi.Point{point("a", abi.Int(7))}, "DBIRTH m", typeInt64},
		{[]abi.Point{point("a", abi.Bool(true))}, "DDATA m", typeInt64},
		{[]abi.Point{point("a", abi.Uint(8))}, "DDATA m", typeInt64},
		{[]abi.Point{point("a", abi.Double(0.5))}, "DBIRTH m", typeDouble},
		{[]abi.Point{point("a", abi.Int(-3))}, "DDATA m", typeDouble},
		{[]abi.Point{point("a", abi.String("off"))}, "DBIRTH m", typeString},
		{[]abi.Point{point("a", abi.Int(4))}, "DDATA m", typeString},
		{[]abi.Point{{Name: "a", Value: abi.Int(5), Unit: "Cel"}}, "DBIRTH m", typeString},
		{[]abi.Point{{Name: "a"}}, "DDATA m", typeString},
		{[]abi.Point{{Name: "a", Value: abi.String("x"), Quality: 0x80000000}}, "DDATA m", typeString},
		{[]abi.Point{point("a", abi.String("1")), point("a", abi.String("2"))}, "DDATA m", typeString},
		{[]abi.Point{point("c", abi.Int(1)), point("c", abi.Double(1.5))}, "DBIRTH m, DDATA m", typeString},
	} {
		r.deliver(telemetry("m", int64(i+1), step.points...))
		if got := r.kinds(); got != step.kinds {
			t.Errorf("step %d: %s, want %s", i, got, step.kinds)
		}
		if got := r.host.Datatype("m", "a"); got != uint32(step.kind) {
			t.Errorf("step %d: a is of type %d, want %d", i, got, step.kind)
		}
	}
	tail := []string{"m/a=1@14000", "m/a=2@14000", "m/b=1@3000", "m/c=1.5@15000", "m/c=1@15000", "m/c=1.5@15000"}
	if got := r.host.History[len(r.host.History)-len(tail):]; !slices.Equal(got, tail) {
		t.Errorf("the last were %q", got)
	}
}

func TestKindsOfRecords(t *testing.T) {
	r := newRig(t, `{"url":"mqtt://b","group":"plant","node":"hall","node_device":"gateway"}`).birth()
	long := strings.Repeat("x", 300)
	out := r.deliver(
		abi.Record{Device: "m", Kind: abi.KindAttributes, Time: second, Points: []abi.Point{point("serial", abi.String("A1"))}},
		abi.Record{Device: "m", Kind: abi.KindEvent, Time: second, Points: []abi.Point{point("door", abi.Bool(true))}},
		abi.Record{Device: "m", Time: second, ContentType: "application/json; charset=utf-8", Payload: []byte(long)},
		abi.Record{Device: "m", Time: second, ContentType: "application/octet-stream", Payload: []byte("raw")},
		abi.Record{Device: "m", Kind: abi.KindGap, Time: second, Payload: []byte("{}")},
		abi.Record{Device: "gateway", Time: second, Points: []abi.Point{point("load", abi.Double(0.5))}},
		abi.Record{Time: 2 * second, Points: []abi.Point{point("load", abi.Double(0.75))}},
		telemetry("a/b+c#%", 3, point("x", abi.Int(1))),
	)
	if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 4 || out.Verdicts[0].Decision != abi.DecisionSkip {
		t.Errorf("%+v", out.Verdicts)
	}
	for key, want := range map[string]any{
		"m/Properties/serial": "A1", "m/Events/door": true, "load": 0.75, "a%2Fb%2Bc%23%25/x": int64(1), "m/payload": "cmF3",
	} {
		if got := r.host.Values[key]; got != want {
			t.Errorf("%s is %v (%T), want %v", key, got, got, want)
		}
	}
	if !slices.Contains(r.host.History, "m/payload="+long+"@1000") {
		t.Errorf("the long payload did not come: %q", r.host.History)
	}
}

// The sequence number goes through all messages of the node, and around; the host
// checks each.
func TestSequence(t *testing.T) {
	r := newRig(t, small).birth()
	for i := range int64(300) {
		r.deliver(telemetry("a", i, point("x", abi.Int(i))), telemetry("b", i, point("x", abi.Int(i))))
	}
	if len(r.host.Kinds) != 601 {
		t.Errorf("%d messages", len(r.host.Kinds))
	}
}

func TestConnectionThatIsLost(t *testing.T) {
	r := newRig(t, small).birth()
	r.deliver(telemetry("m", 1, point("x", abi.Int(1))))
	for n := 1; n <= 300; n++ { // around 255
		r.MustEvents(r.broker.Lost(1))
		if out := r.MustDeliver(r.part(telemetry("m", 2, point("x", abi.Int(2))))); !held(out) {
			t.Fatalf("delivered while away: %+v", out)
		}
		up := r.broker.Back(1)
		r.connected()
		if n%2 == 0 {
			r.MustEvents(up)
		}
		r.kinds()
		old := r.part(telemetry("m", int64(n), point("x", abi.Int(int64(n)))))
		old.Received = 1
		r.MustDeliver(old)
		r.see()
		if n%2 == 1 { // the delivery was first to see the connection
			r.MustEvents(up)
			r.see()
		}
		if got := r.kinds(); n%2 == 1 && got != "NBIRTH, DBIRTH m, DDATA m" {
			t.Fatalf("connection %d: %s", n, got)
		}
		if got := r.host.History[len(r.host.History)-1]; got != fmt.Sprintf("!m/x=%d@%d", n, n*1000) {
			t.Fatalf("connection %d: %s", n, got)
		}
	}
	if string(r.kept[keyBDSeq]) != fmt.Sprint(301%256) {
		t.Errorf("kept is %s", r.kept[keyBDSeq])
	}
}

// held reports whether all records of a delivery are to come again.
func held(out *abi.Outcome) bool {
	return len(out.Verdicts) == 1 && out.Verdicts[0].Input == 0 && out.Verdicts[0].Decision == abi.DecisionRetry && out.Verdicts[0].RetryAfterMS > 0
}

func TestPrimaryHost(t *testing.T) {
	r := newRig(t, example(t))
	r.birth()
	if out := r.MustDeliver(r.part(telemetry("m", 1, point("x", abi.Int(1))))); !held(out) || r.kinds() != "" {
		t.Fatalf("born before the host was seen: %+v", out)
	}
	for _, wrong := range []string{`ONLINE`, `{"online":true}`, `{"online":"yes","timestamp":1}`, `{"timestamp":1}`, ``} {
		r.MustEvents(r.broker.Event(abi.MQTTMessage{Topic: "spBv1.0/STATE/scada", Payload: []byte(wrong)}))
	}
	r.MustEvents(r.broker.Event(abi.MQTTMessage{Topic: "spBv1.0/STATE/SCADA", Payload: []byte(`{"online":true,"timestamp":1}`)}))
	r.MustEvents(r.state(false, 50))
	if r.see(); r.kinds() != "" {
		t.Error("born without a host that is online")
	}
	r.MustEvents(r.state(true, 49))
	if r.see(); r.kinds() != "" {
		t.Error("born by an old word")
	}
	r.MustEvents(r.state(true, 100))
	r.see().deliver(telemetry("m", 1, point("x", abi.Int(1))))
	if got := r.kinds(); got != "NBIRTH, DBIRTH m" {
		t.Error(got)
	}
	r.MustEvents(r.state(false, 99))
	if r.see(); r.kinds() != "" {
		t.Error("an old word ended the session")
	}
	connections := r.broker.Info(1).Connections
	r.MustEvents(r.state(false, 200))
	if r.see(); r.kinds() != "NDEATH" {
		t.Error("no death when the host has gone")
	}
	if r.broker.Info(1).Connections != connections+1 {
		t.Error("the node has not connected again")
	}
	r.connected()
	r.MustEvents(abi.Event{Type: abi.EventDown, Handle: 1}, abi.Event{Type: abi.EventUp, Handle: 1}, r.state(false, 200))
	stored := []abi.Record{telemetry("m", 2, point("x", abi.Int(2))), telemetry("m", 3, point("x", abi.Int(3))), telemetry("n", 3, point("y", abi.Int(4)))}
	part := r.part(stored...)
	part.Received = time.Now().UnixNano()
	if out := r.MustDeliver(part); !held(out) {
		t.Errorf("delivered while the host is away: %+v", out)
	}
	if r.see(); r.kinds() != "" {
		t.Error("something was said while the host was away")
	}
	r.host.History = nil
	r.MustEvents(r.state(true, 300))
	r.MustDeliver(part)
	r.see().deliver(telemetry("m", 5, point("x", abi.Int(5))))
	if got := r.kinds(); got != "NBIRTH, DBIRTH m, DDATA m, DDATA m, DBIRTH n, DDATA n, DDATA m" {
		t.Error(got)
	}
	want := []string{"m/x=1@1000", "!m/x=2@2000", "!m/x=3@3000", "n/y=4@3000", "!n/y=4@3000", "m/x=5@5000"}
	if !slices.Equal(r.host.History, want) {
		t.Errorf("%q", r.host.History)
	}
}

// The broker sends what it has retained with the subscription, which may be before
// the connection counts as there.
func TestPrimaryHostThatIsHeardEarly(t *testing.T) {
	r := newRig(t, example(t))
	r.MustEvents(r.broker.Lost(1))
	r.MustEvents(r.state(true, 100))
	up := r.broker.Back(1)
	r.connected()
	r.MustEvents(up)
	if got := r.see().kinds(); got != "NBIRTH" {
		t.Errorf("after the connection: %q", got)
	}
}

func TestRebirth(t *testing.T) {
	r := newRig(t, small).birth()
	r.deliver(telemetry("b", 1, point("x", abi.Int(1))), telemetry("a", 1, point("x", abi.Int(2))), telemetry("a", 2, point("x", abi.Int(3))))
	r.kinds()
	ask := metric{Name: rebirthName, Type: typeBoolean, Value: abi.Bool(true)}
	r.command("spBv1.0/plant/NCMD/hall", ask)
	if got := r.kinds(); got != "NBIRTH, DBIRTH a, DBIRTH b" || r.host.Values["a/x"] != int64(3) {
		t.Errorf("%s, %v", got, r.host.Values)
	}
	no := ask
	no.Value = abi.Bool(false)
	r.command("spBv1.0/plant/NCMD/hall", no)
	r.command("spBv1.0/plant/NCMD/other", ask)
	r.command("spBv1.0/plant/NCMD/hall/x", ask)
	r.MustEvents(r.broker.Event(abi.MQTTMessage{Topic: "spBv1.0/plant/NCMD/hall", Payload: []byte{0xff}}))
	if got := r.see().kinds(); got != "" {
		t.Error(got)
	}
}

func TestDeviceThatIsSilent(t *testing.T) {
	r := newRig(t, `{"url":"mqtt://b","group":"plant","node":"hall","device_timeout":0.001}`).birth()
	r.deliver(telemetry("m", 1, point("x", abi.Int(1))))
	for end := time.Now().Add(time.Minute); !slices.Contains(r.host.Kinds, "DDEATH m") && time.Now().Before(end); {
		r.MustEvents(abi.Event{Type: abi.EventTimer, Name: timerDevices})
		r.see()
	}
	r.deliver(telemetry("m", 2, point("x", abi.Int(2))))
	if got := r.kinds(); got != "NBIRTH, DBIRTH m, DDEATH m, DBIRTH m" {
		t.Error(got)
	}
}

// What is not sent comes again from the first record on that may be missing, after
// a birth: the numbers would have a hole otherwise.
func TestPublishThatFails(t *testing.T) {
	r := newRig(t, small).birth()
	r.deliver(telemetry("m", 1, point("x", abi.Int(1))))
	n := 0
	r.broker.Answer(func(abi.MQTTMessage) abi.MQTTResult {
		if n++; n > 2 {
			return abi.MQTTResult{Code: "not_connected", Text: "lost", Retry: true}
		}
		return abi.MQTTResult{}
	})
	records := []abi.Record{telemetry("m", 2, point("x", abi.Int(2))), telemetry("m", 3, point("x", abi.Int(3))), telemetry("m", 4, point("x", abi.Int(4)))}
	out := r.deliver(records...)
	if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 2 || out.Verdicts[0].Decision != abi.DecisionRetry {
		t.Errorf("%+v", out.Verdicts)
	}
	r.broker.Answer(func(abi.MQTTMessage) abi.MQTTResult { return abi.MQTTResult{} })
	r.kinds()
	r.deliver(records[2])
	if got := r.kinds(); got != "NBIRTH, DBIRTH m, DDATA m" || r.host.Values["m/x"] != int64(4) {
		t.Errorf("%s, %v", got, r.host.Values)
	}
	// No record gets two verdicts.
	r.broker.Answer(func(abi.MQTTMessage) abi.MQTTResult { return abi.MQTTResult{Code: "not_connected", Retry: true} })
	out = r.MustDeliver(r.part(abi.Record{Device: "m", Kind: abi.KindGap}, records[0]))
	if len(out.Verdicts) != 2 || out.Verdicts[1].Input != 1 || out.Verdicts[1].Decision != abi.DecisionRetry {
		t.Errorf("%+v", out.Verdicts)
	}
	if out = r.MustDeliver(r.part(abi.Record{Device: "m", Kind: abi.KindGap}, records[0])); !held(out) { // the birth fails
		t.Errorf("%+v", out.Verdicts)
	}
	r.broker.Answer(func(abi.MQTTMessage) abi.MQTTResult { return abi.MQTTResult{} })
	r.broker.Refuse(&abi.Error{Kind: abi.FaultDenied, Code: "denied", Text: "no grant"})
	out = r.MustDeliver(r.part(records...))
	if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 0 || out.Verdicts[0].Decision != abi.DecisionRetry || out.Verdicts[0].RetryAfterMS < 5000 {
		t.Errorf("without a grant: %+v", out.Verdicts)
	}
}

// A guest that takes over the session is born on the same connection, with the
// same number, and knows what the primary host has said on it.
func TestNextGuest(t *testing.T) {
	r := newRig(t, example(t))
	r.MustEvents(r.state(true, 100))
	r.see().deliver(telemetry("m", 1, point("x", abi.Int(1))))
	if err := r.Close(abi.ReasonSwap); err != nil || len(r.broker.Published()) != r.sent {
		t.Errorf("a guest that is swapped says goodbye: %v", err)
	}
	r.MustOpen(example(t))
	r.birth().deliver(telemetry("m", 2, point("x", abi.Int(2))))
	if got := r.kinds(); got != "NBIRTH, DBIRTH m, NBIRTH, DBIRTH m, DDATA m" || len(r.broker.Opened()) != 1 {
		t.Errorf("%s", got)
	}
	if err := r.Close(abi.ReasonStop); err != nil {
		t.Error(err)
	}
	if got := r.see().kinds(); got != "NDEATH" {
		t.Errorf("at the end: %s", got)
	}
}

// A config that makes another node of the connector leaves the death of the one
// before to its will, which the broker publishes when that session is closed.
func TestNodeThatBecomesAnother(t *testing.T) {
	r := newRig(t, small).birth()
	if err := r.Close(abi.ReasonSwap); err != nil {
		t.Fatal(err)
	}
	r.broker.Forget()
	r.MustOpen(`{"url":"mqtt://b","group":"plant","node":"yard"}`)
	r.MustEvents(abi.Event{Type: abi.EventTimer, Name: timerBirth})
	all := r.broker.Published()
	if len(r.broker.Opened()) != 2 || len(all) == 0 || all[0].Topic != "spBv1.0/plant/NBIRTH/yard" || r.broker.Left(1) {
		t.Fatalf("%+v", all)
	}
}

// A node that ends says one death, and tells the broker to publish no other. What it
// cannot say is left to the will.
func TestOneDeathAtTheEnd(t *testing.T) {
	ends := func(r *rig, deaths int, left bool) {
		t.Helper()
		r.broker.Forget()
		_ = r.Close(abi.ReasonStop)
		if n := len(r.broker.Published()); n != deaths || r.broker.Left(1) != left {
			t.Errorf("%d deaths, and a goodbye: %v; want %d, %v", n, r.broker.Left(1), deaths, left)
		}
	}
	ends(newRig(t, small).birth(), 1, true)
	ends(newRig(t, small), 0, false)
	r := newRig(t, small).birth()
	r.broker.Answer(func(abi.MQTTMessage) abi.MQTTResult { return abi.MQTTResult{Code: "not_sent"} })
	ends(r, 0, false)
	r = newRig(t, example(t))
	r.MustEvents(r.state(true, 100))
	r.MustEvents(r.state(false, 200)) // the death of this
	ends(r, 0, true)
}

// The next guest bears what was alive, with the metrics that it had, and not what was
// dead.
func TestDevicesThatAreKept(t *testing.T) {
	config := `{"url":"mqtt://b","group":"plant","node":"hall","device_timeout":0.001}`
	r := newRig(t, config).birth()
	r.deliver(telemetry("dead", 1, point("x", abi.Int(1))))
	for end := time.Now().Add(time.Minute); !slices.Contains(r.host.Kinds, "DDEATH dead") && time.Now().Before(end); {
		r.MustEvents(abi.Event{Type: abi.EventTimer, Name: timerDevices})
		r.see()
	}
	r.deliver(telemetry("a/b", 1, abi.Point{Name: "x", Value: abi.Int(1), Unit: "Cel"}, point("s", abi.String("one"))))
	r.deliver(telemetry("a/b", 2, point("x", abi.Double(1.5))))
	r.kinds()
	r.MustOpen(config)
	r.birth()
	if got := r.kinds(); got != "NBIRTH, DBIRTH a%2Fb" || r.host.Datatype("a%2Fb", "x") != uint32(typeDouble) || r.host.Values["a%2Fb/x"] != nil {
		t.Errorf("%s, %v", got, r.host.Values)
	}
	r.Connectors(func(connector string, m *abi.Message) ([]abi.Reply, error) {
		if connector != "meters" || m.Device != "a/b" {
			t.Errorf("asked %s for %s", connector, m.Device)
		}
		return []abi.Reply{{Status: abi.ReplyEmpty}}, nil
	})
	r.command("spBv1.0/plant/DCMD/hall/a%2Fb", metric{Name: "x", Type: typeDouble, Value: abi.Double(2)})
	r.deliver(telemetry("a/b", 3, point("x", abi.Int(2)), point("s", abi.String("two"))), telemetry("dead", 3, point("x", abi.Int(1))))
	if got := r.kinds(); got != "DDATA a%2Fb, DBIRTH dead" || r.host.Values["a%2Fb/s"] != "two" {
		t.Errorf("%s, %v", got, r.host.Values)
	}
	if len(*r.log) > 2 {
		t.Errorf("%+v", *r.log)
	}
}

func TestRejectedRecords(t *testing.T) {
	r := newRig(t, `{"url":"mqtt://b","group":"plant","node":"hall","types":{"n":"Int8"}}`).birth()
	out := r.deliver(
		telemetry("m", 1, point("n", abi.Int(300))),
		telemetry("m", 1, point("", abi.Int(1))),
		telemetry("m", 1, point(strings.Repeat("n", maxName+1), abi.Int(1))),
		telemetry("m", 1, point("ok", abi.Int(1)), point("big", abi.Bytes(make([]byte, maxPayload)))),
		telemetry("m", 1, point("n", abi.Double(-3)), point("ok", abi.Int(2))),
	)
	for i, want := range []uint32{0, 1, 2, 3} {
		if i >= len(out.Verdicts) || out.Verdicts[i].Input != want || out.Verdicts[i].Decision != abi.DecisionReject {
			t.Fatalf("%+v", out.Verdicts)
		}
	}
	if got := r.kinds(); got != "NBIRTH, DBIRTH m" || !slices.Equal(r.host.History, []string{"m/ok=2@1000", "m/n=-3@1000"}) {
		t.Errorf("%s, %q", got, r.host.History)
	}
}

func TestBoundsOfDevices(t *testing.T) {
	r := newRig(t, small).birth()
	var points []abi.Point
	for i := range 1200 {
		points = append(points, point(fmt.Sprintf("%0500d", i), abi.String("x")))
	}
	refused := 0
	for i := 0; i < len(points); i += 100 {
		refused += len(r.deliver(telemetry("wide", 1, points[i:i+100]...)).Verdicts)
	}
	if refused == 0 {
		t.Error("a device of any size is born")
	}
	var verdicts int
	for i := 0; i < maxDevices+200; i += 100 {
		var records []abi.Record
		for d := range 100 {
			records = append(records, telemetry(fmt.Sprint("d", i+d), 1, point("x", abi.Int(1))))
		}
		verdicts += len(r.deliver(records...).Verdicts)
	}
	if verdicts != 205 {
		t.Errorf("%d records of devices too many are rejected", verdicts)
	}
	r.command("spBv1.0/plant/NCMD/hall", metric{Name: rebirthName, Type: typeBoolean, Value: abi.Bool(true)})
	if n := len(r.host.Alive); n != maxDevices {
		t.Errorf("%d devices are alive after a rebirth", n)
	}
}

func TestConfigsThatAreWrong(t *testing.T) {
	for config, pointer := range map[string]string{
		`{"url":"mqtt://b","group":"a/b","node":"n"}`:                         "/group",
		`{"url":"mqtt://b","group":"a","node":"n#"}`:                          "/node",
		`{"url":"mqtt://b","group":"a","node":"n","primary_host":"+"}`:        "/primary_host",
		`{"url":"mqtt://b","group":"a","node":"n","types":{"a/b":"Complex"}}`: "/types/a~1b",
		`{"url":"mqtt://b"}`: "/group",
	} {
		h := guesttest.New(t, &node{})
		h.MQTT()
		h.KV()
		if _, err := h.Open(guesttest.Opening(config, abi.ReasonStart)); err == nil || !strings.Contains(err.Error(), pointer) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// A test shows hosts nothing: it has another client id, and no will.
func TestTest(t *testing.T) {
	h := guesttest.New(t, &node{})
	b := h.MQTT()
	result, err := h.Test(example(t))
	if args := b.Opened()[0]; err != nil || !result.Success || args.ClientID != "" || args.Will != nil || len(b.Published()) != 0 {
		t.Errorf("%+v, %v, %+v", result, err, args)
	}
	b.Refuse(errors.New("nobody is there"))
	if result, err := h.Test(example(t)); err != nil || result.Success {
		t.Errorf("%+v, %v", result, err)
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
		h := guesttest.New(t, &node{})
		h.Log()
		h.KV()
		broker := h.MQTT()
		h.Host("mqtt", "publish", func([]byte) ([]byte, error) { return nil, c.said })
		result, err := h.Test(example(t))
		if err != nil || result.Success != c.well || len(broker.Published()) > 0 || !c.well && !strings.Contains(result.Message, "right to write") {
			t.Errorf("%+v, %v", result, err)
		}
	}
}
