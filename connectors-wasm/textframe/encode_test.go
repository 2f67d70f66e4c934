package main

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/template"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// oven is the example of the README: an oven that is told its target and
// switched.
const oven = `{"fields":[{"name":"temperature","from":0,"type":"int"}],
	"attributeUpdates":[
		{"attributeOnThingsBoard":"target","stringToDevice":"T${target}\n"},
		{"attribute":"name","template":"N${name} of ${site}\n"}],
	"rpc":{"switch":"S${output} ${on.state}\n","*":"${method} ${body}\n"},
	"command":{"reset":"R ${device}\n"},
	"publish":"P ${body}\n"}`

func message(kind abi.MessageType, method, body string) abi.Message {
	return abi.Message{
		Type: kind, Correlation: "c", Device: "oven", Method: method, ContentType: "application/json", Body: []byte(body),
		Headers: []abi.Header{{Name: "trace", Value: []byte("1")}},
	}
}

func encode(t *testing.T, h *guesttest.Harness, messages ...abi.Message) abi.Messages {
	t.Helper()
	raw, err := h.Call(abi.EntryEncode, (&abi.Messages{Messages: messages}).Append(nil))
	var out abi.Messages
	if err == nil {
		err = out.Decode(append([]byte(nil), raw...))
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEncode(t *testing.T) {
	h := open(t, oven)
	for _, tt := range []struct {
		in    abi.Message
		texts string
		items string
	}{
		{message(abi.MessageAttributes, "", `{"target":42,"site":"north"}`), "T42\n", "target"},
		{message(abi.MessageAttributes, "", `{"name":"oven 1","target":4.5,"site":"north"}`), "T4.5\n|Noven 1 of north\n", "target|name"},
		{message(abi.MessageAttributes, "", `{"name":true}`), "Ntrue of ${site}\n", "name"},
		{message(abi.MessageAttributes, "", `{"other":1}`), "", ""},
		{message(abi.MessageRPC, "switch", `{"output":3,"on":{"state":"off"}}`), "S3 off\n", ""},
		{message(abi.MessageRPC, "version", ``), "version \n", ""},
		{message(abi.MessageRPC, "say", `"hello"`), "say hello\n", ""},
		{message(abi.MessageCommand, "reset", `{}`), "R oven\n", ""},
		{message(abi.MessagePublish, "", `[1,2]`), "P [1,2]\n", ""},
		{message(abi.MessageQuery, "", `{"q":1}`), `{"q":1}`, ""}, // of which the config says nothing
	} {
		out := encode(t, h, tt.in)
		var texts, items []string
		for _, m := range out.Messages {
			texts = append(texts, string(m.Body))
			if m.Correlation != "c" || m.Device != "oven" || m.Method != tt.in.Method || m.Type != tt.in.Type || string(m.Headers[0].Value) != "1" {
				t.Errorf("%s became %+v", tt.in.Body, m)
			}
			if tt.in.Type != abi.MessageQuery && m.ContentType != "text/plain; charset=utf-8" {
				t.Errorf("%s has the content type %s", tt.in.Body, m.ContentType)
			}
			for _, header := range m.Headers[1:] {
				items = append(items, string(header.Value))
			}
		}
		if strings.Join(texts, "|") != tt.texts || strings.Join(items, "|") != tt.items || len(out.Verdicts) != 0 {
			t.Errorf("%s %s became %q, %q, %+v", tt.in.Method, tt.in.Body, texts, items, out.Verdicts)
		}
	}
}

// What could end the frame and begin another is not sent, and a template gets
// all that it wants or nothing.
func TestEncodeRejects(t *testing.T) {
	h := open(t, oven)
	for want, in := range map[string]abi.Message{
		"control characters":      message(abi.MessageAttributes, "", `{"target":"1\nS3 on"}`),
		"${output}":               message(abi.MessageRPC, "switch", `{"on":{"state":"off"}}`),
		"${on.state}":             message(abi.MessageRPC, "switch", `{"output":3,"on":1}`),
		`the method "stop"`:       message(abi.MessageCommand, "stop", `{}`),
		"the value of ${body}":    message(abi.MessagePublish, "", `"a\u001bb"`),
		"is a JSON object":        message(abi.MessageAttributes, "", `[]`),
		"the value of ${method} ": message(abi.MessageRPC, "a\nb", ``),
	} {
		out := encode(t, h, message(abi.MessagePublish, "", `1`), in)
		if len(out.Messages) != 1 || len(out.Verdicts) != 1 || out.Verdicts[0].Input != 1 || !strings.Contains(out.Verdicts[0].Reason, want) {
			t.Errorf("%s became %+v", in.Body, out)
		}
	}
}

func TestNothingToEncode(t *testing.T) {
	h := open(t, weather)
	m := message(abi.MessageRPC, "x", `{}`)
	if _, err := h.Call(abi.EntryEncode, (&abi.Messages{Messages: []abi.Message{m}}).Append(nil)); err == nil || !strings.Contains(err.Error(), "says nothing") {
		t.Errorf("error %v", err)
	}
}

// One that is for the way south alone leaves records as they are.
func TestSouthAlone(t *testing.T) {
	h := open(t, `{"fields":[],"publish":"${body}"}`)
	if out := h.MustConvert(frame("422498\n")); len(out.Batch.Records) != 1 || string(out.Batch.Records[0].Payload) != "422498\n" {
		t.Errorf("gave %+v", out)
	}
	bad := guesttest.New(t, &converter{})
	if _, err := bad.Open(abi.OpenInput{Config: []byte(`{"fields":[],"attributeUpdates":[{"attribute":"a"}]}`)}); err == nil || !strings.Contains(err.Error(), "template are required") {
		t.Errorf("error %v", err)
	}
}

func FuzzEncode(f *testing.F) {
	for _, seed := range []string{`{"target":1}`, `{"output":3,"on":{"state":"x"}}`, `{`, `"x"`, "\xff"} {
		f.Add(uint32(0), seed)
		f.Add(uint32(2), seed)
		f.Add(uint32(4), seed)
	}
	f.Fuzz(func(t *testing.T, kind uint32, body string) {
		h := guesttest.New(t, &converter{})
		h.MustOpen(oven)
		m := message(abi.MessageType(kind), "switch", body)
		raw, err := h.Call(abi.EntryEncode, (&abi.Messages{Messages: []abi.Message{m}}).Append(nil))
		var out abi.Messages
		if err == nil {
			err = out.Decode(raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			if m.ContentType == template.ContentType && kind == uint32(abi.MessageRPC) && strings.Count(string(m.Body), "\n") != 1 {
				t.Fatalf("%q became the two frames %q", body, m.Body)
			}
		}
	})
}
