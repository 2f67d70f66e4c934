package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/kafka"
)

// How long records are held for what does not come right by itself, and for what
// does.
const (
	holdLong  = 5 * time.Second
	holdShort = 500 * time.Millisecond
)

// maxCall bounds the bytes of one call, but for a record that is larger.
const maxCall = 512 << 10

// delivery is one call of deliver.
type delivery struct {
	*sink
	ends   []end // of the records, in the order in which they came
	bundle []bundle
}

// end is how a record ended: well, unless there is a reason.
type end struct {
	key    string
	reason string
	skip   bool
	after  time.Duration // it is to be tried again
}

// bundle are the records of one topic.
type bundle struct {
	name    string
	topic   kafka.Topic
	records []abi.KafkaRecord
	places  []int // in ends
	bytes   int
	sent    bool // the results are there
	refused *abi.Error
}

// sort puts a record into the bundle of its topic.
func (d *delivery) sort(at int, part *abi.DeliverPart, i int) {
	r, e := &part.Batch.Records[i], &d.ends[at]
	if r.Kind == abi.KindGap {
		e.skip, e.reason = true, "a gap is no record"
		return
	}
	e.key = part.Key(i)
	if d.done[e.key] {
		return
	}
	name, err := d.config.topic.of(part, r)
	if err != nil {
		e.reason = err.Error()
		return
	}
	record, err := d.config.record(part, r, e.key)
	if err != nil {
		e.reason = err.Error()
		return
	}
	b := d.bundleOf(name)
	b.records, b.places = append(b.records, record), append(b.places, at)
	b.bytes += len(record.Key) + len(record.Value)
}

// bundleOf is the topic's bundle that has room.
func (d *delivery) bundleOf(name string) *bundle {
	for i := len(d.bundle) - 1; i >= 0; i-- {
		if b := &d.bundle[i]; b.name == name {
			if b.bytes < maxCall {
				return b
			}
			break
		}
	}
	d.bundle = append(d.bundle, bundle{name: name})
	return &d.bundle[len(d.bundle)-1]
}

// send produces all bundles: at first each is put under way, then each is waited
// for.
func (d *delivery) send() {
	for i := range d.bundle {
		b := &d.bundle[i]
		if before := d.refusedBefore(i); before != nil {
			d.refuse(b, before) // lest it overtake
			continue
		}
		topic, err := d.open(b.name)
		if errors.Is(err, errTooMany) {
			b.sent = true
			for _, at := range b.places {
				d.ends[at].reason = "topic " + b.name + ": " + err.Error()
			}
			continue
		}
		if err != nil {
			d.refuse(b, hostError(err))
			continue
		}
		b.topic = topic
		if len(d.bundle) > 1 {
			d.produce(b, glance)
		}
	}
	for i := range d.bundle {
		if b := &d.bundle[i]; !b.sent {
			d.produce(b, waitTime)
		}
	}
}

// refusedBefore is why an earlier bundle of the same topic was refused.
func (d *delivery) refusedBefore(i int) *abi.Error {
	for j := range d.bundle[:i] {
		if b := &d.bundle[j]; b.name == d.bundle[i].name && b.refused != nil {
			return b.refused
		}
	}
	return nil
}

// refuse is what becomes of the records of a topic that cannot be opened or
// written: nothing is lost by it.
func (d *delivery) refuse(b *bundle, e *abi.Error) {
	b.sent, b.refused = true, e
	after := holdShort
	switch e.Kind {
	case abi.FaultTimeout, abi.FaultUnavailable, abi.FaultExhausted:
	default:
		after = holdLong
	}
	if e.RetryAfterMS > 0 {
		after = min(time.Duration(e.RetryAfterMS)*time.Millisecond, after)
	}
	for _, at := range b.places {
		d.ends[at].after, d.ends[at].reason = after, e.Text
	}
}

func (d *delivery) produce(b *bundle, most time.Duration) {
	results, err := b.topic.ProduceWithin(most, "", b.records...)
	if err == nil && len(results) != len(b.records) {
		err = &abi.Error{Text: "the host does not answer for each record"}
	}
	if err != nil {
		e := hostError(err)
		if most == glance && e.Kind == abi.FaultTimeout {
			return // it is under way
		}
		d.refuse(b, e)
		return
	}
	b.sent = true
	for i, r := range results {
		if r.Code == "MESSAGE_TOO_LARGE" && len(b.records) > 1 {
			r = d.alone(b, i, r) // together they may have been
		}
		d.judge(&d.ends[b.places[i]], b, &r)
	}
}

// alone produces one record by itself.
func (d *delivery) alone(b *bundle, i int, was abi.KafkaResult) abi.KafkaResult {
	results, err := b.topic.ProduceWithin(waitTime, "", b.records[i])
	if err != nil || len(results) != 1 {
		was.Retry = err != nil
		return was
	}
	return results[0]
}

// judge says what becomes of a record. What a person can mend is held until then;
// what nobody can is refused.
func (d *delivery) judge(e *end, b *bundle, r *abi.KafkaResult) {
	if r.Code == "" {
		return
	}
	e.reason = "topic " + b.name + ": " + r.Code
	if r.Text != "" && !strings.Contains(r.Text, r.Code) {
		e.reason += ": " + r.Text
	} else if r.Text != "" {
		e.reason = "topic " + b.name + ": " + r.Text
	}
	switch {
	case strings.HasSuffix(r.Code, "_AUTHORIZATION_FAILED"):
		e.after = holdLong
	case strings.HasPrefix(r.Code, "UNKNOWN_TOPIC"):
		delete(d.topics, b.name) // it is made again, if it is to be
		e.after = holdLong
		if d.config.Create != nil {
			e.after = holdShort
		}
	case r.Retry, slices.Contains(passing, r.Code):
		e.after = holdShort
	}
}

// passing are codes of errors that pass, although Kafka's clients do not try
// again by themselves.
var passing = []string{"NOT_SENT", "DELIVERY_TIMEOUT", "OUT_OF_ORDER_SEQUENCE_NUMBER", "UNKNOWN_PRODUCER_ID", "INVALID_PRODUCER_EPOCH", "UNKNOWN_SERVER_ERROR", "KAFKA_STORAGE_ERROR", "POLICY_VIOLATION"}
