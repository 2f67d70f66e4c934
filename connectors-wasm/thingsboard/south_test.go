package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// peers plays the connectors behind the gateway.
func peers(r *rig, answer func(m *abi.Message) abi.Reply) *[]string {
	asked := new([]string)
	r.Connectors(func(connector string, m *abi.Message) ([]abi.Reply, error) {
		*asked = append(*asked, fmt.Sprintf("%s %s %d %s %s", connector, m.Device, m.Type, m.Method, m.Body))
		return []abi.Reply{answer(m)}, nil
	})
	return asked
}

func nothing(*abi.Message) abi.Reply { return abi.Reply{Status: abi.ReplyEmpty} }

func TestAttributeUpdates(t *testing.T) {
	r := newRig(t, small)
	asked := peers(r, nothing)
	r.deliver(telemetry("hall", 1, point("x", abi.Int(1))))
	for body, want := range map[string]string{
		`{"device":"hall","data":{"interval":5,"name":"a b"}}`:      `[meters hall 4  {"interval":5,"name":"a b"}]`,
		`{"device":"hall","data":{"interval":5,"deleted":["old"]}}`: `[meters hall 4  {"interval":5}]`,
		`{"device":"hall","data":{"deleted":["old"]}}`:              `[]`,
		`{"device":"nobody","data":{"a":1}}`:                        `[]`,
		`{"hall":{"mine":1}}`:                                       `[]`,
		`{"device":"hall"}`:                                         `[]`,
		`{"device":"hall","data":[1]}`:                              `[]`,
		`nonsense`:                                                  `[]`,
	} {
		*asked = nil
		r.says("v1/gateway/attributes", body)
		if got := fmt.Sprint(*asked); got != want {
			t.Errorf("%s: asked %s, want %s", body, got, want)
		}
	}
}

// The example of an RPC is that of a custom connector of the platform's gateway.
func TestRPC(t *testing.T) {
	r := newRig(t, small)
	var reply abi.Reply
	asked := peers(r, func(*abi.Message) abi.Reply { return reply })
	r.deliver(telemetry("CustomSerialDevice1", 1, point("x", abi.Int(1))))
	for i, c := range []struct {
		reply abi.Reply
		want  string
	}{
		{abi.Reply{Status: abi.ReplyEmpty}, `{"success":true}`},
		{abi.Reply{Body: []byte(`{"pin":1,"on":true}`)}, `{"pin":1,"on":true}`},
		{abi.Reply{Body: []byte(`[1,2]`)}, `{"result":[1,2]}`},
		{abi.Reply{Body: []byte(`plain`)}, `{"result":"plain"}`},
		{abi.Reply{Status: abi.ReplyError, Err: &abi.Error{Code: "interlocked", Text: "a \"no\""}}, `{"success":false,"error":"interlocked: a \"no\""}`},
	} {
		reply, *asked, r.platform.Answers = c.reply, nil, nil
		r.says("v1/gateway/rpc", fmt.Sprintf(`{"device": "CustomSerialDevice1", "data": {"id": %d, "method": "toggle_gpio", "params": {"pin":1}}}`, i+1))
		if got := fmt.Sprint(*asked); got != `[meters CustomSerialDevice1 2 toggle_gpio {"pin":1}]` {
			t.Errorf("asked %s", got)
		}
		if got := strings.Join(r.platform.Answers, ""); got != fmt.Sprintf("CustomSerialDevice1 %d ", i+1)+c.want {
			t.Errorf("answered %s, want %s", got, c.want)
		}
	}
	*asked, r.platform.Answers = nil, nil
	r.says("v1/gateway/rpc", `{"device":"nobody","data":{"id":2,"method":"m","params":{}}}`)
	r.says("v1/gateway/rpc", `{"device":"CustomSerialDevice1","id":1,"data":{"success":true}}`) // an answer, from a broker that hands it back
	if len(*asked) != 0 || len(r.platform.Answers) != 1 || !strings.Contains(r.platform.Answers[0], "device_unknown") {
		t.Errorf("%v, %v", *asked, r.platform.Answers)
	}
}

const openValve = `{"device":"hall","data":{"id":7,"method":"open_valve","params":{"to":%d}}}`

// An RPC that is handed in again, to this guest or the next one, is answered and not
// made. The platform uses its numbers again, for other RPCs.
func TestRPCIsMadeOnce(t *testing.T) {
	r := newRig(t, small)
	asked := peers(r, func(*abi.Message) abi.Reply { return abi.Reply{Body: []byte(`{"open":1}`)} })
	r.deliver(telemetry("hall", 1, point("x", abi.Int(1))))
	twice := func(r *rig) {
		t.Helper()
		for range 2 {
			r.platform.Answers = nil
			r.says("v1/gateway/rpc", fmt.Sprintf(openValve, 1))
			if got := strings.Join(r.platform.Answers, ""); got != `hall 7 {"open":1}` {
				t.Errorf("answered %s", got)
			}
		}
	}
	twice(r)
	if len(*asked) != 1 {
		t.Errorf("asked %v", *asked)
	}
	r.says("v1/gateway/rpc", fmt.Sprintf(openValve, 2))
	if len(*asked) != 2 {
		t.Errorf("another RPC of the number was not made: asked %v", *asked)
	}

	next := newRigWith(t, small, r.kept)
	asked = peers(next, nothing)
	twice(next)
	if len(*asked) != 0 {
		t.Errorf("after a restart: asked %v", *asked)
	}
}

// An RPC that the gateway died in is not made again, and whoever asked is told that
// nobody knows.
func TestRPCThatWasInterrupted(t *testing.T) {
	r := newRig(t, small)
	var died map[string][]byte
	r.Connectors(func(string, *abi.Message) ([]abi.Reply, error) {
		died = r.committed
		return []abi.Reply{nothing(nil)}, nil
	})
	r.deliver(telemetry("hall", 1, point("x", abi.Int(1))))
	r.says("v1/gateway/rpc", fmt.Sprintf(openValve, 1))

	next := newRigWith(t, small, died)
	asked := peers(next, nothing)
	for range 2 {
		next.platform.Answers = nil
		next.says("v1/gateway/rpc", fmt.Sprintf(openValve, 1))
		if got := strings.Join(next.platform.Answers, ""); len(*asked) != 0 || !strings.HasPrefix(got, `hall 7 {"success":false,"error":"interrupted`) {
			t.Errorf("asked %v, answered %s", *asked, got)
		}
	}
}

// A device that is slow takes the step's time: what comes behind it is not begun, and
// is handed in again.
func TestRPCsBegunAsTimeAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, small)
		asked := peers(r, func(*abi.Message) abi.Reply {
			time.Sleep(stepTime + time.Millisecond) //nolint:forbidigo // the time of the test
			return abi.Reply{}
		})
		r.deliver(telemetry("hall", 1, point("x", abi.Int(1))))
		var events []abi.Event
		for i := range 3 {
			events = append(events, r.broker.Event(abi.MQTTMessage{Topic: topicRPC, Payload: fmt.Appendf(nil, openValve, i), QoS: 1}))
		}
		out := r.MustEvents(events...)
		if len(*asked) != 1 || len(out.Verdicts) != 2 || out.Verdicts[0].Input != 1 || out.Verdicts[1].Input != 2 ||
			out.Verdicts[0].Decision != abi.DecisionRetry || out.Verdicts[1].Decision != abi.DecisionRetry {
			t.Errorf("asked %v, %+v", *asked, out.Verdicts)
		}
	})
}

func TestRPCWithoutGrant(t *testing.T) {
	r := newRig(t, small)
	r.deliver(telemetry("hall", 1, point("x", abi.Int(1))))
	r.says("v1/gateway/rpc", `{"device":"hall","data":{"id":1,"method":"m","params":{}}}`)
	if got := strings.Join(r.platform.Answers, ""); !strings.HasPrefix(got, `hall 1 {"success":false,"error":"denied`) {
		t.Error(got)
	}
}

func TestGatewayAsDevice(t *testing.T) {
	r := newRig(t, small)
	r.deliver(telemetry("hall", 1, point("x", abi.Int(1))))
	for _, c := range []struct{ method, want string }{
		{"gateway_ping", `{"code":200,"resp":"pong"}`},
		{"gateway_devices", `{"code":200,"resp":{"hall":"meters"}}`},
		{"other", `{"success":false,"error":"method_unknown: the gateway has gateway_ping and gateway_devices, not other"}`},
	} {
		r.platform.Own = nil
		r.says("v1/devices/me/rpc/request/12", `{"method":"`+c.method+`","params":{}}`)
		if got := strings.Join(r.platform.Own, ""); got != c.want {
			t.Errorf("%s: %s", c.method, got)
		}
	}
}

// Shared attributes are asked for when a device is connected, and written.
func TestSharedAttributes(t *testing.T) {
	r := newRig(t, `{"url":"mqtt://b","access_token":"secret://t","shared_attributes":["interval"]}`)
	asked := peers(r, nothing)
	r.deliver(telemetry("hall", 1, point("x", abi.Int(1))))
	id := r.platform.Requests[0].ID
	r.says("v1/gateway/attributes/response", fmt.Sprintf(`{"id":%d,"device":"hall","value":5}`, id+1))
	r.says("v1/gateway/attributes/response", fmt.Sprintf(`{"id":%d,"device":"hall","value":5}`, id))
	r.says("v1/gateway/attributes/response", fmt.Sprintf(`{"id":%d,"device":"hall","value":5}`, id)) // there is no question any more
	if got := fmt.Sprint(*asked); got != `[meters hall 4  {"interval":5}]` {
		t.Error(got)
	}
}

func rpc(method, body string) abi.Message {
	return abi.Message{Type: abi.MessageRPC, Correlation: "c1", Method: method, Body: []byte(body)}
}

func TestAskingThePlatform(t *testing.T) {
	r := newRig(t, small)
	r.deliver(telemetry("hall", 1, point("x", abi.Int(1))))

	m := rpc("attributes", `{"device":"hall","keys":["a","b"],"client":true}`)
	if out := r.MustMessage(m); len(guesttest.RepliesTo(m, out)) != 0 {
		t.Errorf("answered before the platform has: %+v", out)
	}
	r.see()
	q := r.platform.Requests[0]
	if !*q.Client || len(q.Keys) != 2 {
		t.Errorf("%+v", q)
	}
	out := r.says("v1/gateway/attributes/response", fmt.Sprintf(`{"id":%d,"device":"hall","values":{"a":1}}`, q.ID))
	if got := guesttest.RepliesTo(m, out); len(got) != 1 || string(got[0].Body) != `{"a":1}` {
		t.Errorf("%+v", got)
	}

	m = rpc("call", `{"method":"getTime","params":{"zone":"UTC"}}`)
	r.MustMessage(m)
	r.see()
	if got := strings.Join(r.platform.Own, ""); got != `{"method":"getTime","params":{"zone":"UTC"}}` {
		t.Error(got)
	}
	asked := r.broker.Published()[r.sent-1].Topic
	out = r.says(strings.Replace(asked, "request", "response", 1), `{"time":1}`)
	if got := guesttest.RepliesTo(m, out); len(got) != 1 || string(got[0].Body) != `{"time":1}` {
		t.Errorf("%+v", got)
	}

	m = rpc("claim", `{"device":"hall","secretKey":"k","durationMs":60000}`)
	if got := guesttest.RepliesTo(m, r.MustMessage(m)); len(got) != 1 || got[0].Status != abi.ReplyComplete {
		t.Errorf("%+v", got)
	}
	m = rpc("disconnect", `{"device":"hall"}`)
	r.MustMessage(m)
	r.see()
	if len(r.platform.Connected) != 0 || strings.Join(r.platform.Claims, "") != `{"hall":{"secretKey":"k","durationMs":60000}}` {
		t.Errorf("%+v", r.platform)
	}
	for _, wrong := range []abi.Message{rpc("claim", `{"device":"x"}`), rpc("attributes", `{"device":"hall"}`), rpc("call", `{}`), rpc("other", `{}`), rpc("call", `[`)} {
		if got := guesttest.RepliesTo(wrong, r.MustMessage(wrong)); len(got) != 1 || got[0].Status != abi.ReplyError {
			t.Errorf("%s %s: %+v", wrong.Method, wrong.Body, got)
		}
	}
}
