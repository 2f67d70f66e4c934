package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/opcua"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

const example = `{"endpoint":"opc.tcp://plc1:4840","interval":0.5,"device":"boiler","items":[
	{"name":"temperature","node":"ns=2;s=T","unit":"Cel","deadband":0.5,"sampling":0.1,"writable":true},
	{"name":"running","node":"ns=2;s=R","device":"pump"},
	{"name":"array","node":"ns=2;s=A"},
	{"name":"fixed","node":"ns=2;s=F","writable":true},
	{"name":"gone","node":"ns=2;s=G","writable":true}]}`

func opened(t *testing.T, config string) (*guesttest.Harness, *guesttest.UA, *abi.Outcome) {
	t.Helper()
	h := guesttest.New(t, &plant{})
	h.Log()
	u := h.OPCUA(map[string][]byte{
		"ns=2;s=T": opcua.Double(20.5), "ns=2;s=R": opcua.Boolean(true), "ns=2;s=A": {0x86, 1, 0, 0, 0, 7, 0, 0, 0}, "ns=2;s=F": opcua.Int32(1),
	})
	u.ReadOnly["ns=2;s=F"] = true
	return h, u, h.MustOpen(config)
}

func TestWatches(t *testing.T) {
	h, u, out := opened(t, example)
	if len(out.Devices) != 2 {
		t.Errorf("devices %+v", out.Devices)
	}
	s, ok := u.Subscription("items")
	if !ok || s.IntervalMS != 500 || len(s.Items) != 5 {
		t.Fatalf("subscription %+v", s)
	}
	if it := s.Items[0]; it.Node != "ns=2;s=T" || *it.SamplingMS != 100 || it.Deadband != 1 || it.DeadbandValue != 0.5 {
		t.Errorf("item %+v", it)
	}
	number := func(i int) uint32 { return s.Items[i].ID }
	out = h.MustEvents(u.Change("items",
		abi.OPCUAValue{Item: number(0), Variant: opcua.Double(21), SourceTicks: 133444736001234567},
		abi.OPCUAValue{Item: number(1), Variant: opcua.Boolean(false), Status: 0x40000000},
		abi.OPCUAValue{Item: number(2), Variant: []byte{0x86, 1, 0, 0, 0, 7, 0, 0, 0}},
		abi.OPCUAValue{Item: number(0), Status: 0x80340000},
		abi.OPCUAValue{Item: 99, Variant: opcua.Double(1)}))
	if len(out.Batch.Records) != 3 {
		t.Fatalf("records %+v", out.Batch.Records)
	}
	first, second, third := out.Batch.Records[0], out.Batch.Records[1], out.Batch.Records[2]
	if first.Device != "boiler" || len(first.Points) != 2 || second.Device != "pump" || third.Device != "boiler" {
		t.Fatalf("records %+v", out.Batch.Records)
	}
	if p := first.Points[0]; p.Name != "temperature" || p.Unit != "Cel" || p.Value.Double() != 21 || p.SourceTime != 1700000000123456700 {
		t.Errorf("point %+v", p)
	}
	if p := first.Points[1]; p.Value.Type() != abi.ValueBytes || len(p.Value.Bytes()) != 9 {
		t.Errorf("array %+v", p)
	}
	if p := second.Points[0]; p.Value.Bool() || p.Quality != 0x40000000 {
		t.Errorf("uncertain %+v", p)
	}
	if p := third.Points[0]; p.Quality != 0x80340000 || p.Value.Type() != abi.ValueNone {
		t.Errorf("bad %+v", p)
	}
}

// TestNumbersFollowTheNodes: what the host holds for one version means the same to
// the next, and items of one node have numbers of their own.
func TestNumbersFollowTheNodes(t *testing.T) {
	one := config{Items: []item{{Node: "i=1"}, {Node: "i=2"}, {Node: "i=2"}}}
	two := config{Items: []item{{Node: "i=3"}, {Node: "i=2"}, {Node: "i=1"}}}
	_, first := one.numbers()
	of, second := two.numbers()
	if first[0] != second[2] || first[1] != second[1] || first[2] == first[1] || of[first[0]] != 2 {
		t.Errorf("%v, then %v", first, second)
	}
	if _, there := of[first[2]]; there {
		t.Error("an item that is gone is there")
	}
}

// TestFullStep: what a step has no room for is asked for again, in its order.
func TestFullStep(t *testing.T) {
	h, u, _ := opened(t, example)
	s, _ := u.Subscription("items")
	var events []abi.Event
	for i := range 4 {
		values := make([]abi.OPCUAValue, 100) // of one item, so that each makes a record
		for k := range values {
			values[k] = abi.OPCUAValue{Item: s.Items[0].ID, Variant: opcua.Int32(int32(100*i + k))}
		}
		events = append(events, u.Change("items", values...))
	}
	out := h.MustEvents(events...)
	if len(out.Batch.Records) != 200 || out.Batch.Records[199].Points[0].Value.Int() != 199 {
		t.Errorf("%d records", len(out.Batch.Records))
	}
	if len(out.Verdicts) != 2 || out.Verdicts[0].Input != 2 || out.Verdicts[1].Input != 3 || out.Verdicts[0].Decision != abi.DecisionRetry {
		t.Errorf("verdicts %+v", out.Verdicts)
	}
	if out = h.MustEvents(events[2:]...); len(out.Batch.Records) != 200 || len(out.Verdicts) != 0 {
		t.Errorf("%d records, then; %+v", len(out.Batch.Records), out.Verdicts)
	}
	values := make([]abi.OPCUAValue, 256)
	for k := range values {
		values[k] = abi.OPCUAValue{Item: s.Items[k%5].ID, Variant: opcua.Int32(int32(k))}
	}
	events = nil
	for range 65 {
		events = append(events, u.Change("items", values...))
	}
	out = h.MustEvents(events...)
	points := 0
	for _, r := range out.Batch.Records {
		points += len(r.Points)
	}
	if len(out.Batch.Records) > abi.MaxItems || points > abi.MaxBatchPoints || len(out.Verdicts) == 0 {
		t.Errorf("%d records, %d points, %d verdicts", len(out.Batch.Records), points, len(out.Verdicts))
	}
}

func TestPolls(t *testing.T) {
	h, u, out := opened(t, strings.Replace(example, `"interval":0.5`, `"poll":2`, 1))
	if len(out.Timers) != 1 || out.Timers[0].Name != "poll" {
		t.Fatalf("timers %+v", out.Timers)
	}
	if _, ok := u.Subscription("items"); ok {
		t.Error("it watches, too")
	}
	out = h.MustEvents(abi.Event{Type: abi.EventTimer, Name: "poll", Time: 5})
	if len(out.Batch.Records) != 2 || len(out.Batch.Records[0].Points) != 4 || out.Batch.Records[0].Time != 5 {
		t.Errorf("records %+v", out.Batch.Records)
	}
}

func asked(t *testing.T, h *guesttest.Harness, m abi.Message) abi.Reply {
	t.Helper()
	m.Correlation = "c"
	out := h.MustMessage(m)
	replies := guesttest.RepliesTo(m, out)
	if len(replies) != 1 {
		t.Fatalf("replies %+v", out)
	}
	return replies[0]
}

func TestAttributesAreWrittenEachByItself(t *testing.T) {
	h, u, _ := opened(t, example)
	r := asked(t, h, abi.Message{
		Type: abi.MessageAttributes, Device: "boiler", ContentType: "application/json",
		Body: []byte(`{"temperature":22.5,"fixed":2,"gone":1,"array":1,"running":true}`),
	})
	var results []result
	if err := json.Unmarshal(r.Body, &results); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, x := range results {
		got[x.Item] = "ok"
		if x.Error != nil {
			got[x.Item] = x.Error.Code
		}
	}
	for name, want := range map[string]string{"temperature": "ok", "fixed": "not_written", "gone": "type_unknown", "array": "not_writable", "running": "item_unknown"} {
		if got[name] != want {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
	if string(u.Nodes["ns=2;s=T"]) != string(opcua.Double(22.5)) {
		t.Errorf("written %x", u.Nodes["ns=2;s=T"])
	}
}

func TestRPC(t *testing.T) {
	h, u, _ := opened(t, strings.Replace(example, `"interval"`, `"any_node":true,"interval"`, 1))
	u.Method = func(q abi.OPCUACall) abi.OPCUACallResult {
		return abi.OPCUACallResult{Outputs: []abi.OPCUAVariant{q.Arguments[0]}}
	}
	rpc := func(method, body string) string {
		r := asked(t, h, abi.Message{Type: abi.MessageRPC, Method: method, Device: "boiler", Body: []byte(body)})
		if r.Err != nil {
			return r.Err.Code
		}
		return string(r.Body)
	}
	for _, c := range [][3]string{
		{"read", `{"item":"temperature"}`, `{"value":20.5,"type":11,"status":0}`},
		{"read", `{"node":"ns=2;s=none"}`, `{"value":null,"type":0,"status":2150891520}`},
		{"write", `{"item":"temperature","value":"19.5"}`, `{"success":true}`},
		{"write", `{"item":"temperature","value":"warm"}`, `value_wrong`},
		{"write", `{"node":"ns=2;s=R","value":false}`, `{"success":true}`},
		{"write", `{"item":"running","value":false}`, `item_unknown`},
		{"call", `{"object":"ns=2;s=O","method":"ns=2;s=M","arguments":[{"type":6,"value":5}]}`, `{"outputs":[{"value":5,"type":6,"status":0}]}`},
		{"explode", `{}`, `method_unknown`},
		{"read", `[]`, `not_an_object`},
	} {
		if got := rpc(c[0], c[1]); got != c[2] {
			t.Errorf("%s %s: %s, want %s", c[0], c[1], got, c[2])
		}
	}
	h, _, _ = opened(t, example)
	if got := rpc("read", `{"node":"ns=2;s=T"}`); got != "any_node" {
		t.Errorf("a node that is no item: %s", got)
	}
	if got := rpc("call", `{"object":"ns=2;s=O","method":"ns=2;s=M"}`); got != "any_node" {
		t.Errorf("a call: %s", got)
	}
}

func TestQueryBrowsesPageByPage(t *testing.T) {
	h, _, _ := opened(t, example)
	emits := h.Emits()
	m := abi.Message{Type: abi.MessageQuery, Correlation: "c", Body: []byte(`{"node":"i=85","limit":3}`)}
	out := h.MustMessage(m)
	replies := guesttest.RepliesTo(m, append(*emits, out)...)
	if len(*emits) != 1 || len(replies) != 2 || replies[0].Status != abi.ReplyPartial || replies[1].Status != abi.ReplyComplete {
		t.Fatalf("%d emits, replies %+v", len(*emits), replies)
	}
	if !strings.Contains(string(replies[0].Body), `"node":"ns=2;s=A"`) || strings.Count(string(replies[1].Body), "browse_name") != 1 {
		t.Errorf("%s then %s", replies[0].Body, replies[1].Body)
	}
}

// What is wrong in a config is named by its place.
func TestConfigThatIsWrong(t *testing.T) {
	h := guesttest.New(t, &plant{})
	_, err := h.Open(guesttest.Opening(`{"endpoint":"opc.tcp://plc","items":[{"name":"a","node":"i=1"},{"name":"a","node":"i=2","device":"b"},{"name":"a","node":"i=3"}]}`, abi.ReasonStart))
	if err == nil || !strings.Contains(err.Error(), "/items/2/name: another item of the device opcua is named a") {
		t.Errorf("got %v", err)
	}
}

func TestTestReadsAllItems(t *testing.T) {
	h, u, _ := opened(t, example)
	r, err := h.Test(example)
	if err != nil || r.Success || !strings.Contains(r.Message, "4 of 5 items read") {
		t.Errorf("%+v, %v", r, err)
	}
	u.Nodes["ns=2;s=G"] = opcua.Int32(1)
	if r, err = h.Test(example); err != nil || !r.Success {
		t.Errorf("%+v, %v", r, err)
	}
	u.Down = &abi.Error{Kind: abi.FaultUnavailable, Code: "peer_tls", Text: "another certificate"}
	if r, err = h.Test(example); err != nil || r.Success || !strings.Contains(r.Message, "another") {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := h.Test(`{"endpoint":"opc.tcp://a","items":[{"name":"a","node":"i=1"},{"name":"a","node":"i=2"}]}`); err != nil {
		t.Error(err)
	}
}
