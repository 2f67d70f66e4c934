package outbox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// RejectOf says what the input of a Reject is. Numbers are stored, so that none
// is ever changed or reused.
type RejectOf uint8

// What is put aside.
const (
	RejectUnknown  RejectOf = iota // kept by a version that did not say
	RejectEvent                    // data of an event, as its group makes it
	RejectRecord                   // a record that a converter refused: its payload, or an abi.Batch of it
	RejectDelivery                 // a record on its way out: an abi.DeliverInput of it alone
	RejectMessage                  // the body of a message
)

// String is the word for people and for JSON.
func (o RejectOf) String() string {
	switch o {
	case RejectEvent:
		return "event"
	case RejectRecord:
		return "record"
	case RejectDelivery:
		return "delivery"
	case RejectMessage:
		return "message"
	case RejectUnknown:
	}
	return "unknown"
}

// The groups whose events are taken apart.
const (
	hooksGroup = "hooks" // requests
	mqttGroup  = "mqtt"
	kafkaGroup = "kafka"
)

// Summary says on one line what was put aside, with at most so many bytes of each
// part of its content: of a request its path and body, of a message its topic and
// payload, of a record on its way out its key and device. The whole has at most
// SummaryBound(most) bytes, and holds nothing of the content alive: names are a
// guest's to choose, and as long as a record may be.
func (j *Reject) Summary(most int) string {
	return fault.Clip(j.summary(most), SummaryBound(most))
}

// SummaryBound is how many bytes a Summary has at most: a quoted byte has up to four,
// and words and numbers come beside.
func SummaryBound(most int) int { return 4*most + 256 }

func (j *Reject) summary(most int) string {
	switch j.Of {
	case RejectEvent:
		if text, ok := j.event(most); ok {
			return text
		}
	case RejectRecord:
		if text, ok := j.record(most); ok {
			return text
		}
	case RejectDelivery:
		if text, ok := j.delivery(most); ok {
			return text
		}
	case RejectUnknown, RejectMessage:
	}
	return excerpt(j.Input, most)
}

// event is what a group encodes around what was sent.
func (j *Reject) event(most int) (text string, ok bool) {
	switch j.Group {
	case hooksGroup:
		var r abi.HookRequest
		if r.Decode(j.Input) == nil {
			return fmt.Sprintf("%s %s: %s", clip(r.Method, most), clip(r.Path, most), excerpt(r.Body, most)), true
		}
	case mqttGroup:
		var r abi.MQTTReceived
		if r.Decode(j.Input) == nil && len(r.Messages) > 0 {
			text = clip(r.Messages[0].Topic, most) + ": " + excerpt(r.Messages[0].Payload, most)
			if more := len(r.Messages) - 1; more > 0 {
				text += fmt.Sprintf(" and %d more", more)
			}
			return text, true
		}
	case kafkaGroup:
		var r abi.KafkaRecord
		if r.Decode(j.Input) == nil {
			return fmt.Sprintf("%s/%d@%d: %s", clip(r.Topic, most), r.Partition, r.Offset, excerpt(r.Value, most)), true
		}
	}
	return "", false
}

// record is a batch that is kept because its record has no payload.
func (j *Reject) record(most int) (text string, ok bool) {
	var b abi.Batch
	if b.Decode(j.Input) != nil || len(b.Records) != 1 || len(b.Records[0].Points) == 0 {
		return "", false
	}
	return recordText(&b.Records[0], most), true
}

func (j *Reject) delivery(most int) (text string, ok bool) {
	var in abi.DeliverInput
	if in.Decode(j.Input) != nil || in.Count() != 1 {
		return "", false
	}
	p := &in.Parts[slices.IndexFunc(in.Parts, func(p abi.DeliverPart) bool { return len(p.Batch.Records) > 0 })]
	r := &p.Batch.Records[0]
	text = clip(p.Key(0), max(most, keyLen)) + " of " + clip(p.Connector, most)
	if r.Device != "" {
		text += ", device " + clip(r.Device, most)
	}
	return text + ": " + recordText(r, most), true
}

// recordText is what a record says: its payload, or its points.
func recordText(r *abi.Record, most int) string {
	if len(r.Points) == 0 {
		return excerpt(r.Payload, most)
	}
	var b strings.Builder
	for i := range r.Points {
		if b.Len() > most {
			return b.String() + " …"
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%s", clip(r.Points[i].Name, most), pointText(r.Points[i].Value, most))
	}
	return b.String()
}

// keyLen is the room that the idempotency key of a connector of ours needs.
const keyLen = 128

// clip is a name as it is, or its beginning.
func clip(name string, most int) string {
	if len(name) > most {
		return fault.Clip(name[:min(len(name), most+utf8.UTFMax)], most) + "…"
	}
	return name
}

func excerpt(data []byte, most int) string {
	if len(data) > most {
		return fmt.Sprintf("%q… (%d bytes)", data[:most], len(data))
	}
	return fmt.Sprintf("%q", data)
}

func pointText(v abi.Value, most int) string {
	switch v.Type() {
	case abi.ValueBool:
		return strconv.FormatBool(v.Bool())
	case abi.ValueInt:
		return strconv.FormatInt(v.Int(), 10)
	case abi.ValueUint:
		return strconv.FormatUint(v.Uint(), 10)
	case abi.ValueDouble:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case abi.ValueString:
		return excerpt([]byte(v.String()), most)
	case abi.ValueBytes:
		return excerpt(v.Bytes(), most)
	case abi.ValueNone:
	}
	return "none"
}
