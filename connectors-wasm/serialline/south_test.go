package main

import (
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

const twoPorts = `{"devices":[{"name":"roof"},{"name":"oven","port":"/dev/ttyUSB1","rpc_reply":"frame","rpc_reply_prefix":"OK","write_delay":0.02}]}`

func south(t *testing.T, config string) (*guesttest.Harness, *guesttest.Ports) {
	t.Helper()
	h := guesttest.New(t, &line{})
	ports := h.Serial("/dev/ttyUSB0", "/dev/ttyUSB1")
	h.Log()
	h.MustOpen(config)
	return h, ports
}

func said(t *testing.T, m abi.Message, out *abi.Outcome) string {
	t.Helper()
	var all []string
	for _, r := range guesttest.RepliesTo(m, out) {
		text := string(r.Body)
		if r.Err != nil {
			text = r.Err.Code + ": " + r.Err.Text
		}
		all = append(all, text)
	}
	return strings.Join(all, "|")
}

func TestWhatIsWritten(t *testing.T) {
	for _, tt := range []struct {
		m             abi.Message
		written, said string
	}{
		{abi.Message{Type: abi.MessagePublish, Device: "roof", ContentType: "text/plain", Body: []byte("a\n")}, "a\n", ""},
		{abi.Message{Type: abi.MessagePublish, Device: "roof", ContentType: "application/json", Body: []byte(`"a\n"`)}, "a\n", ""},
		{abi.Message{Type: abi.MessagePublish, Device: "roof", ContentType: "application/json", Body: []byte(`{"a":1}`)}, `{"a":1}`, ""},
		{abi.Message{Type: abi.MessageCommand, Correlation: "c", Device: "roof", ContentType: "application/octet-stream", Body: []byte{1, 2}}, "\x01\x02", `{"success":true}`},
		{abi.Message{Type: abi.MessageCommand, Correlation: "c", Device: "cellar", Body: []byte("1")}, "", "device_unknown: the device cellar has no open port"},
		{abi.Message{Type: abi.MessageRPC, Correlation: "c", Device: "roof", ContentType: "text/plain", Body: []byte("s\n")}, "s\n", `{"success":true}`},
		{abi.Message{Type: abi.MessageRPC, Device: "roof", ContentType: "text/plain", Body: []byte("s\n")}, "s\n", ""}, // one-way
		{
			abi.Message{Type: abi.MessageRPC, Correlation: "c", Device: "roof", Method: "on", Body: []byte(`{"pin":1}`)},
			"",
			"no_template: nothing says what the method on sends to the device roof",
		},
		{abi.Message{Type: abi.MessageAttributes, Correlation: "c", Device: "roof", ContentType: "text/plain; charset=utf-8", Body: []byte("T4\n")}, "T4\n", `{"success":true}`},
		{abi.Message{Type: abi.MessageAttributes, Correlation: "c", Device: "roof", ContentType: "application/json", Body: []byte(`{"a":1}`)}, "", ""},
	} {
		h, ports := south(t, twoPorts)
		out := h.MustMessage(tt.m)
		if got := said(t, tt.m, out); ports.Written("/dev/ttyUSB0") != tt.written || got != tt.said {
			t.Errorf("%+v wrote %q and answered %s", tt.m, ports.Written("/dev/ttyUSB0"), got)
		}
	}
}

// An update of attributes is logged as a ThingsBoard gateway does, and rests.
func TestAttributesRest(t *testing.T) {
	h := guesttest.New(t, &line{})
	h.Serial("/dev/ttyUSB0", "/dev/ttyUSB1")
	lines := h.Log()
	h.MustOpen(twoPorts)
	before := time.Now()
	h.MustMessage(abi.Message{Type: abi.MessageAttributes, Device: "oven", ContentType: "text/plain", Body: []byte("T4")})
	if rest := time.Since(before); rest < 20*time.Millisecond {
		t.Errorf("rested %v", rest)
	}
	if n := len(*lines); n == 0 || (*lines)[n-1].Text != "Attribute update request to device oven : T4" || (*lines)[n-1].Level != abi.LogDebug {
		t.Errorf("log %+v", *lines)
	}
}

func TestFramesAnswerCalls(t *testing.T) {
	h, ports := south(t, twoPorts)
	call := func(id string, deadline int64, header string) abi.Message {
		m := abi.Message{Type: abi.MessageRPC, Correlation: id, Device: "oven", ContentType: "text/plain", Body: []byte("s\n"), Deadline: deadline}
		if header != "" {
			m.Headers = []abi.Header{{Name: "reply", Value: []byte(header)}}
		}
		return m
	}
	expired, first, second, third := call("0", 1, ""), call("1", 0, ""), call("2", 0, "nonsense"), call("3", 0, "success")
	for _, m := range []abi.Message{expired, first, second} {
		if out := h.MustMessage(m); len(out.Replies) != 0 {
			t.Fatalf("answered at once: %+v", out.Replies)
		}
	}
	if got := said(t, third, h.MustMessage(third)); got != `{"success":true}` {
		t.Errorf("the header is not followed: %s", got)
	}
	out := h.MustEvents(ports.Frame("/dev/ttyUSB1", "23\n"), ports.Frame("/dev/ttyUSB1", "OK 1\n"), ports.Frame("/dev/ttyUSB0", "OK x\n"),
		ports.Frame("/dev/ttyUSB1", "OK\xff\n"), ports.Frame("/dev/ttyUSB1", "OK 3\n"))
	if a, b := said(t, first, out), said(t, second, out); a != `{"data":"OK 1","success":true}` || b != `{"base64":"T0v/","success":true}` || len(out.Replies) != 2 {
		t.Errorf("answers %s, %s of %+v", a, b, out.Replies)
	}
	var records []string
	for _, r := range out.Batch.Records {
		records = append(records, r.Device+" "+string(r.Payload))
	}
	if got := strings.Join(records, ","); got != "oven 23\n,roof OK x\n,oven OK 3\n" {
		t.Errorf("records %q", got)
	}
	if len(out.Verdicts) != 2 || out.Verdicts[0].Input != 1 || out.Verdicts[1].Input != 3 {
		t.Errorf("verdicts %+v", out.Verdicts)
	}
}

func TestTheOnlyDevice(t *testing.T) {
	h, ports := south(t, `{"devices":[{"name":"roof"}]}`)
	h.MustMessage(abi.Message{Type: abi.MessagePublish, ContentType: "text/plain", Body: []byte("x")})
	if ports.Written("/dev/ttyUSB0") != "x" {
		t.Error("a message to no device is not for the only one")
	}
	h = guesttest.New(t, &line{})
	h.Serial("/dev/ttyUSB0")
	if _, err := h.Open(guesttest.Opening(`{"rpc_reply":"soon","devices":[{"name":"roof"}]}`, abi.ReasonStart)); err == nil || !strings.Contains(err.Error(), "rpc_reply") {
		t.Errorf("error %v", err)
	}
}

// The mapping of a ThingsBoard gateway, with a result for each row: one that
// fails does not keep the next from being written.
func TestMapping(t *testing.T) {
	h, ports := south(t, `{"write_delay":0,"devices":[{"name":"roof","attributeUpdates":[
		{"attributeOnThingsBoard":"a","stringToDevice":"A${a};"},{"attribute":"b","template":"B${b};"},{"attribute":"a","template":"C${a};"}]}]}`)
	m := abi.Message{Type: abi.MessageAttributes, Correlation: "c", Device: "roof", ContentType: "application/json"}
	for _, tt := range []struct{ update, written, answer string }{
		{`{"b":2,"a":"x"}`, "Ax;B2;Cx;", `[{"item":"a","success":true},{"item":"b","success":true},{"item":"a","success":true}]`},
		{`{"b":"\n","a":1}`, "A1;C1;", `[{"item":"a","success":true},{"item":"b","success":false,"error":{"code":"not_written","text":"the value of ${b} has control characters, which could be taken for the end of the text"}},{"item":"a","success":true}]`},
		{`{"c":1}`, "", ""},
	} {
		before := ports.Written("/dev/ttyUSB0")
		m.Body = []byte(tt.update)
		out := h.MustMessage(m)
		if got := said(t, m, out); ports.Written("/dev/ttyUSB0") != before+tt.written || got != tt.answer {
			t.Errorf("%s wrote %q and answered %s", tt.update, strings.TrimPrefix(ports.Written("/dev/ttyUSB0"), before), got)
		}
	}
	bad := guesttest.New(t, &line{})
	if _, err := bad.Open(guesttest.Opening(`{"devices":[{"name":"roof","attributeUpdates":[{"attribute":"a"}]}]}`, abi.ReasonStart)); err == nil || !strings.Contains(err.Error(), "template are required") {
		t.Errorf("error %v", err)
	}
}
