package main

import (
	"fmt"
	"testing"

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
