package control

import (
	"context"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/secret"
)

// Content is what the group of an event brought, taken out of what the group puts
// around it: a message of MQTT, a record of Kafka, a request. It is masked.
type Content struct {
	Topic       string
	Kafka       *KafkaPlace // of a record of Kafka
	Method      string      // of a request, with the next two
	Path, Query string
	ContentType string
	Headers     []abi.Header // user properties, those of MQTT
	Key         []byte       // of a record of Kafka; nil: it has none
	Payload     []byte
}

// KafkaPlace is where in its topic a record stands.
type KafkaPlace struct {
	Partition uint32
	Offset    uint64
}

// contentOf takes the data of an event apart; nil: its group puts nothing around it,
// or this is not it.
func contentOf(group string, input []byte) (all []Content) {
	switch group {
	case "mqtt":
		var in abi.MQTTReceived
		if in.Decode(input) != nil {
			return nil
		}
		for i := range in.Messages {
			m := &in.Messages[i]
			all = append(all, Content{Topic: m.Topic, ContentType: m.ContentType, Headers: m.UserProperties, Payload: m.Payload})
		}
	case "kafka":
		var r abi.KafkaRecord
		if r.Decode(input) == nil {
			all = append(all, Content{Topic: r.Topic, Kafka: &KafkaPlace{r.Partition, r.Offset}, Headers: r.Headers, Key: r.Key, Payload: r.Value})
		}
	case "hooks":
		var r abi.HookRequest
		if r.Decode(input) == nil {
			all = append(all, Content{Method: r.Method, Path: r.Path, Query: r.Query, Headers: r.Headers, Payload: r.Body})
		}
	}
	return all
}

func (c *Content) hide(mask *secret.Mask) {
	for _, text := range []*string{&c.Topic, &c.Method, &c.Path, &c.Query, &c.ContentType} {
		*text = mask.Text(*text)
	}
	if c.Payload = mask.Bytes(c.Payload); c.Key != nil {
		c.Key = mask.Bytes(c.Key)
	}
	c.Headers = maskedHeaders(c.Headers, mask)
}

func maskedHeaders(in []abi.Header, mask *secret.Mask) []abi.Header {
	out := slices.Clone(in)
	for i := range out {
		out[i] = abi.Header{Name: mask.Text(out[i].Name), Value: mask.Bytes(out[i].Value)}
	}
	return out
}

// delivered is a record on its way out as the stream shows it, masked as its summary
// is, and the name of the connector that it came from. Its position is left out when
// the log does not hold its block any more.
func (t *Tenant) delivered(ctx context.Context, r *outbox.Reject, mask *secret.Mask) (record *Record, source string) {
	var in abi.DeliverInput
	if r.Of != outbox.RejectDelivery || in.Decode(r.Input) != nil || in.Count() != 1 {
		return nil, ""
	}
	p := &in.Parts[slices.IndexFunc(in.Parts, func(p abi.DeliverPart) bool { return len(p.Batch.Records) > 0 })]
	record = deliveredRecord(p, mask)
	if at, ok := delivery.Find(ctx, t.runtime.Outbox(), p); ok {
		record.Position = at.String()
	}
	return record, mask.Text(p.Connector)
}

// deliveredRecord is the record of a part, without its position.
func deliveredRecord(p *abi.DeliverPart, mask *secret.Mask) *Record {
	r := recordForm(&p.Batch.Records[0], p.ID, p.Epoch, p.First, p.Received)
	r.Device, r.SourceKey, r.Payload = mask.Text(r.Device), mask.Text(r.SourceKey), mask.Bytes(r.Payload)
	r.Headers = maskedHeaders(r.Headers, mask)
	for i := range r.Points {
		pt := &r.Points[i]
		pt.Name, pt.Unit = mask.Text(pt.Name), mask.Text(pt.Unit)
		switch pt.Value.Type() {
		case abi.ValueString:
			pt.Value = abi.String(mask.Text(pt.Value.String()))
		case abi.ValueBytes:
			pt.Value = abi.Bytes(mask.Bytes(pt.Value.Bytes()))
		default: // a number
		}
	}
	return &r
}
