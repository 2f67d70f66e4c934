package outbox

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// What was put aside is told in words that a person can use: content, and not the
// bytes of our encoding.
func TestSummaryOfAReject(t *testing.T) {
	request := abi.HookRequest{Method: "POST", Path: "/github", Headers: []abi.Header{{Name: "Accept", Value: []byte("x")}}, Body: []byte("not json")}
	message := abi.MQTTReceived{Messages: []abi.MQTTMessage{{Topic: "plant/pump1", Payload: []byte("notjson"), QoS: 1}}}
	messages := abi.MQTTReceived{Messages: []abi.MQTTMessage{{Topic: "a", Payload: []byte("1")}, {Topic: "b"}, {Topic: "c"}}}
	produced := abi.KafkaRecord{Topic: "plant.raw", Partition: 2, Offset: 17, Value: []byte("notjson")}
	points := abi.Batch{Records: []abi.Record{{Device: "d1", Points: []abi.Point{{Name: "t", Value: abi.Double(21.5)}, {Name: "on", Value: abi.Bool(true)}}}}}
	deliver := abi.DeliverPart{Connector: "press", ID: "con_1", Epoch: 3, First: 41}
	payload := abi.Batch{Records: []abi.Record{{Device: "d1", Payload: []byte("raw")}}}
	for _, c := range []struct {
		name string
		in   Reject
		want string
	}{
		{"request", Reject{Of: RejectEvent, Group: "hooks", Input: request.Append(nil)}, `POST /github: "not json"`},
		{"message", Reject{Of: RejectEvent, Group: "mqtt", Input: message.Append(nil)}, `plant/pump1: "notjson"`},
		{"messages", Reject{Of: RejectEvent, Group: "mqtt", Input: messages.Append(nil)}, `a: "1" and 2 more`},
		{"no message", Reject{Of: RejectEvent, Group: "mqtt", Input: []byte("\xff")}, `"\xff"`},
		{"record of Kafka", Reject{Of: RejectEvent, Group: "kafka", Input: produced.Append(nil)}, `plant.raw/2@17: "notjson"`},
		{"another group's event", Reject{Of: RejectEvent, Group: "serial", Input: []byte("\x01x")}, `"\x01x"`},
		{"payload of a record", Reject{Of: RejectRecord, Input: []byte("21;5")}, `"21;5"`},
		{"record with points", Reject{Of: RejectRecord, Input: points.Append(nil)}, `t=21.5 on=true`},
		{"delivery", Reject{Of: RejectDelivery, Input: deliver.AppendAround(nil, points.Append(nil))}, `con_1/3/41 of press, device d1: t=21.5 on=true`},
		{"delivery of a payload", Reject{Of: RejectDelivery, Input: deliver.AppendAround(nil, payload.Append(nil))}, `con_1/3/41 of press, device d1: "raw"`},
		{"damaged delivery", Reject{Of: RejectDelivery, Input: []byte("\xff")}, `"\xff"`},
		{"long", Reject{Of: RejectMessage, Input: []byte(strings.Repeat("x", 30))}, `"xxxxxxxxxxxxxxxxxxxx"… (30 bytes)`},
	} {
		if got := c.in.Summary(20); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// Names are a guest's to choose: a list of what was put aside does not hold them
// whole, whatever they are of.
func TestSummaryIsBounded(t *testing.T) {
	long := strings.Repeat("n\xff", 300<<10)
	request := abi.HookRequest{Method: long, Path: long, Body: []byte(long)}
	points := abi.Batch{Records: []abi.Record{{Device: long, Points: []abi.Point{{Name: long, Value: abi.String(long)}, {Name: long}}}}}
	raw := points.Append(nil)
	deliver := abi.DeliverPart{Connector: long, ID: long}
	for of, in := range map[RejectOf][]byte{
		RejectEvent: request.Append(nil), RejectRecord: raw, RejectDelivery: deliver.AppendAround(nil, raw), RejectMessage: []byte(long), RejectUnknown: []byte(long),
	} {
		j := Reject{Of: of, Group: "hooks", Input: in}
		for _, most := range []int{0, 1, 160, 4096} {
			if got := j.Summary(most); len(got) > SummaryBound(most) || !utf8.ValidString(got) {
				t.Errorf("%s with %d of the content: %d bytes", of, most, len(got))
			}
		}
	}
	short := abi.Batch{Records: []abi.Record{{Points: []abi.Point{{Name: "a-long-name-of-a-point", Value: abi.Int(1)}}}}}
	if got := (&Reject{Of: RejectRecord, Input: short.Append(nil)}).Summary(6); got != "a-long…=1" {
		t.Errorf("a name is told as %s", got)
	}
}

func TestRejectKeepsWhatItIs(t *testing.T) {
	in := Block{Connector: "c", Rejects: []Reject{
		{Reason: "why", Input: []byte("in"), Of: RejectEvent, Group: "hooks"}, {Device: "d", Input: []byte("x"), Of: RejectDelivery}, {Input: []byte("old")},
	}}
	var out Block
	if err := decodeBlock(appendBlock(nil, &in), &out); err != nil || !reflect.DeepEqual(out.Rejects, in.Rejects) {
		t.Errorf("%+v, %v", out.Rejects, err)
	}
}
