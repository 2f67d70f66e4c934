package control

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/mask"
)

// TestSettledMarks: a position is noted once, however often it is said, and as text.
func TestSettledMarks(t *testing.T) {
	var m settledMarks
	if err := json.Unmarshal([]byte(`{"through":"9.1"}`), &m); err != nil {
		t.Fatal(err)
	}
	for _, at := range []delivery.Position{{Block: 10, Index: 2}, {Block: 10}, {Block: 10, Index: 2}, {Block: 9, Index: 1}, {Block: 2, Index: 7}} {
		if m.add(at); !m.has(at) {
			t.Errorf("%s is not noted", at)
		}
	}
	if m.has(delivery.Position{Block: 9, Index: 2}) {
		t.Error("what nobody noted is")
	}
	if raw, err := json.Marshal(m); err != nil || string(raw) != `{"through":"9.1","each":["10.2","10.0"]}` {
		t.Errorf("%s, %v", raw, err)
	}
}

// TestDeliveredRecordIsMasked, all of it: what its summary hides does not stand
// beside it.
func TestDeliveredRecordIsMasked(t *testing.T) {
	const hidden = "tr0ub4dor-and-3"
	part := abi.DeliverPart{ID: "src", Epoch: 3, First: 7, Batch: abi.Batch{Records: []abi.Record{{
		Device: "d-" + hidden, ContentType: "text/plain", Payload: []byte("p " + hidden), Key: []byte(hidden), SourceKey: "s-" + hidden,
		Headers: []abi.Header{{Name: "n-" + hidden, Value: []byte("v-" + hidden)}},
		Points: []abi.Point{
			{Name: "text-" + hidden, Value: abi.String(hidden)}, {Name: "bytes", Unit: "Cel", Value: abi.Bytes([]byte(hidden))}, {Name: "number", Value: abi.Int(5)},
		},
	}}}}
	r := deliveredRecord(&part, mask.Of(hidden))
	if text := fmt.Sprintf("%s %s %s %s %s", r.Device, r.Payload, r.SourceKey, r.Headers[0].Name, r.Headers[0].Value); strings.Contains(text, hidden) || strings.Count(text, mask.Masked) != 5 {
		t.Error(text)
	}
	for _, p := range r.Points {
		if text := p.Name + p.Value.String() + string(p.Value.Bytes()); strings.Contains(text, hidden) {
			t.Error(text)
		}
	}
	if r.Key != "src/3/7" || r.SourceKey == "" || r.Points[1].Unit != "Cel" || r.Points[2].Value.Int() != 5 {
		t.Errorf("%+v", r)
	}
}

// TestContentIsTakenOutOfEvents: what a source sent stands by itself, and masked.
func TestContentIsTakenOutOfEvents(t *testing.T) {
	const hidden = "tr0ub4dor-and-3"
	mqtt := abi.MQTTReceived{Messages: []abi.MQTTMessage{
		{Topic: "plant/" + hidden, Payload: []byte("not json " + hidden), QoS: 1, UserProperties: []abi.Header{{Name: "n", Value: []byte(hidden)}}}, {Topic: "b"},
	}}
	kafka := abi.KafkaRecord{Topic: "plant", Partition: 2, Offset: 17, Key: []byte(hidden), Value: []byte("v")}
	request := abi.HookRequest{Method: "POST", Path: "/in", Query: "t=" + hidden, Headers: []abi.Header{{Name: "X", Value: []byte(hidden)}}, Body: []byte("b")}
	show := func(group string, input []byte) (text string) {
		for _, c := range contentOf(group, input) {
			c.hide(mask.Of(hidden))
			text += fmt.Sprintf("%s|%s%s%s|%q|%s|%s", c.Topic, c.Method, c.Path, c.Query, c.Headers, c.Key, c.Payload)
			if c.Kafka != nil {
				text += fmt.Sprint(*c.Kafka)
			}
			text += "\n"
		}
		return text
	}
	for _, c := range []struct {
		group string
		input []byte
		want  string
	}{
		{"mqtt", mqtt.Append(nil), "plant/*||[{\"n\" \"*\"}]||not json *\nb||[]||\n"},
		{"kafka", kafka.Append(nil), "plant||[]|*|v{2 17}\n"},
		{"hooks", request.Append(nil), "|POST/int=*|[{\"X\" \"*\"}]||b\n"},
		{"mqtt", []byte("\xff"), ""},
		{"serial", mqtt.Append(nil), ""},
	} {
		if got, want := show(c.group, c.input), strings.ReplaceAll(c.want, "*", mask.Masked); got != want {
			t.Errorf("%s: %s, want %s", c.group, got, want)
		}
	}
}
