package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// A command becomes a message to the connector of the device.
func TestCommands(t *testing.T) {
	for _, c := range []struct{ writes, want string }{
		{`"attributes"`, `meters pump 4 {"speed":%s}`},
		{`"rpc"`, `meters pump 2 write {"item":"speed","value":%s}`},
		{`"none"`, ``},
	} {
		r := newRig(t, `{"url":"mqtt://b","group":"plant","node":"hall","writes":`+c.writes+`}`).birth()
		var asked []string
		r.Connectors(func(connector string, m *abi.Message) ([]abi.Reply, error) {
			method := ""
			if m.Method != "" {
				method = m.Method + " "
			}
			asked = append(asked, fmt.Sprintf("%s %s %d %s%s", connector, m.Device, m.Type, method, m.Body))
			return []abi.Reply{{Status: abi.ReplyComplete, Body: []byte(`{"success":true}`)}}, nil
		})
		r.deliver(telemetry("pump", 1, point("speed", abi.Int(-4))))
		topic := "spBv1.0/plant/DCMD/hall/pump"
		for _, told := range []struct {
			m    metric
			want string
		}{
			{metric{Name: "speed", Type: typeInt64, Value: abi.Int(-7)}, "-7"},
			{metric{Alias: 1, Untold: true, Type: typeInt64, Value: abi.Int(-8)}, "-8"},
			{metric{Name: "speed", Type: typeDouble, Value: abi.Double(1.5)}, "1.5"},
			{metric{Name: "speed", Null: true}, "null"},
			{metric{Name: "speed", Type: typeString, Value: abi.String("a\"b")}, `"a\"b"`},
		} {
			asked = nil
			r.command(topic, told.m)
			want := ""
			if c.want != "" {
				want = fmt.Sprintf(c.want, told.want)
			}
			if got := fmt.Sprint(asked); got != "["+want+"]" {
				t.Errorf("writes %s: asked %s, want %s", c.writes, got, want)
			}
		}
		asked = nil
		r.command(topic, metric{Name: "other", Type: typeInt64, Value: abi.Int(1)}, metric{Alias: 99, Type: typeInt64, Value: abi.Int(1)})
		r.command("spBv1.0/plant/DCMD/hall/nobody", metric{Name: "speed", Type: typeInt64, Value: abi.Int(1)})
		if len(asked) != 0 {
			t.Errorf("a command to what was not born asked %v", asked)
		}
		if !r.logged("not born") {
			t.Errorf("nothing is told of it: %+v", *r.log)
		}
	}
}

// What a connector refuses is told in the log, whatever form its answer has.
func TestCommandsThatAreRefused(t *testing.T) {
	r := newRig(t, small).birth()
	var answer abi.Reply
	var fails error
	r.Connectors(func(string, *abi.Message) ([]abi.Reply, error) { return []abi.Reply{answer}, fails })
	r.deliver(telemetry("pump", 1, point("speed", abi.Int(-4))))
	for want, is := range map[string]func(){
		"interlocked": func() { answer = abi.Reply{Status: abi.ReplyError, Err: &abi.Error{Code: "interlocked", Text: "no"}} },
		"not_written": func() {
			answer = abi.Reply{Body: []byte(`[{"item":"speed","success":false,"error":{"code":"not_written","text":"no"}}]`)}
		},
		"call_cycle": func() { fails = &abi.Error{Kind: abi.FaultConflict, Code: "call_cycle", Text: "no"} },
	} {
		is()
		r.command("spBv1.0/plant/DCMD/hall/pump", metric{Name: "speed", Type: typeInt64, Value: abi.Int(1)})
		if !r.logged(want) {
			t.Errorf("%s is not told: %+v", want, *r.log)
		}
		fails = nil
	}
}

// A command that is handed in again, to this node or the next one, is not made again.
// One that has no time may be another that says the same.
func TestACommandIsMadeOnce(t *testing.T) {
	r := newRig(t, small).birth()
	asked := 0
	count := func(string, *abi.Message) ([]abi.Reply, error) {
		asked++
		return []abi.Reply{{Status: abi.ReplyEmpty}}, nil
	}
	r.Connectors(count)
	r.deliver(telemetry("valve", 1, point("open", abi.Bool(false))))
	topic := "spBv1.0/plant/DCMD/hall/valve"
	open := payload{Time: 1_700_000_000_000, Seq: -1, Metrics: []metric{{Name: "open", Type: typeBoolean, Value: abi.Bool(true)}}}
	r.says(topic, open)
	r.says(topic, open)
	if asked != 1 {
		t.Errorf("a command that came again was made %d times", asked)
	}
	kept := r.kept
	open.Time++
	r.says(topic, open)
	if asked != 2 {
		t.Errorf("%d writes of two commands", asked)
	}
	next := newRigWith(t, small, kept)
	next.Connectors(count)
	next.birth()
	next.says(topic, open)
	if asked != 2 {
		t.Error("a command that came again after a restart was made again")
	}
	open.Time = 0
	next.says(topic, open)
	next.says(topic, open)
	if asked != 4 {
		t.Errorf("%d writes of two commands without a time", asked-2)
	}
}

// A write that the node died in is not made again, which the log tells; those behind it
// are made.
func TestAWriteThatWasInterrupted(t *testing.T) {
	r := newRig(t, small).birth()
	died := map[string]map[string][]byte{}
	var asked []string
	writes := func(r *rig, died map[string]map[string][]byte) {
		r.Connectors(func(_ string, m *abi.Message) ([]abi.Reply, error) {
			died[string(m.Body)] = r.committed
			asked = append(asked, string(m.Body))
			return []abi.Reply{{Status: abi.ReplyEmpty}}, nil
		})
	}
	writes(r, died)
	r.deliver(telemetry("pump", 1, point("a", abi.Int(0)), point("b", abi.Int(0)), point("c", abi.Int(0))))
	all := payload{Time: 5, Seq: -1}
	for i, name := range []string{"a", "b", "c"} {
		all.Metrics = append(all.Metrics, metric{Name: name, Type: typeInt64, Value: abi.Int(int64(i))})
	}
	topic := "spBv1.0/plant/DCMD/hall/pump"
	r.says(topic, all)
	for body, want := range map[string]string{`{"a":0}`: `[{"b":1} {"c":2}]`, `{"b":1}`: `[{"c":2}]`, `{"c":2}`: `[]`} {
		asked = nil
		next := newRigWith(t, small, died[body])
		next.birth()
		writes(next, map[string]map[string][]byte{})
		next.deliver(telemetry("pump", 1, point("a", abi.Int(0)), point("b", abi.Int(0)), point("c", abi.Int(0))))
		next.says(topic, all)
		if got := fmt.Sprint(asked); got != want || !next.logged("is not known, and it is not made again") {
			t.Errorf("the node died in %s: then %s was written, not %s: %+v", body, got, want, *next.log)
		}
	}
}

// A device that is slow takes the step's time: the other writes of its command are
// made when that is handed in again, and what is behind it is not begun.
func TestCommandsBegunAsTimeAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, small).birth()
		var asked []string
		r.Connectors(func(_ string, m *abi.Message) ([]abi.Reply, error) {
			time.Sleep(stepTime + time.Millisecond) //nolint:forbidigo // the time of the test
			asked = append(asked, string(m.Body))
			return []abi.Reply{{Status: abi.ReplyEmpty}}, nil
		})
		r.deliver(telemetry("pump", 1, point("a", abi.Int(0)), point("b", abi.Int(0))))
		both := payload{Time: 5, Seq: -1, Metrics: []metric{{Name: "a", Type: typeInt64, Value: abi.Int(1)}, {Name: "b", Type: typeInt64, Value: abi.Int(2)}}}
		event := r.broker.Event(abi.MQTTMessage{Topic: "spBv1.0/plant/DCMD/hall/pump", Payload: both.Append(nil), QoS: 1})
		out := r.MustEvents(event, event)
		if got := fmt.Sprint(asked); got != `[{"a":1}]` || len(out.Verdicts) != 2 || out.Verdicts[0].Decision != abi.DecisionRetry || out.Verdicts[1].Decision != abi.DecisionRetry {
			t.Errorf("%s, %+v", got, out.Verdicts)
		}
		out = r.MustEvents(event)
		if got := fmt.Sprint(asked); got != `[{"a":1} {"b":2}]` || len(out.Verdicts) != 0 {
			t.Errorf("%s, %+v", got, out.Verdicts)
		}
	})
}

// A node that is not born says so once, however often it tries.
func TestTroubleIsToldOnce(t *testing.T) {
	r := newRig(t, small)
	r.broker.Answer(func(abi.MQTTMessage) abi.MQTTResult { return abi.MQTTResult{Code: "denied", Text: "no grant"} })
	for range 5 {
		r.MustEvents(abi.Event{Type: abi.EventTimer, Name: timerBirth})
	}
	told := 0
	for _, l := range *r.log {
		if strings.Contains(l.Text, "is not born") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}
