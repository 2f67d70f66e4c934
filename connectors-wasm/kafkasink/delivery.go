package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/handover"
	"github.com/snaprail/snaprail/guest-sdk/go/kafka"
)

// maxCall bounds the bytes of one call, but for a record that is larger.
const maxCall = 512 << 10

// maxKept bounds the memory of a bundle that is kept for the next call, but for the
// first one's.
const maxKept = 64 << 10

// delivery is one call of deliver. Its memory is that of the call before.
type delivery struct {
	*sink
	bundle []bundle

	id     []byte // of the record that is being put into its bundle
	value  []byte
	kafka  abi.KafkaRecord
	single kafka.Draft
	calls  uint64
}

// bundle are the records of one topic.
type bundle struct {
	name    string
	topic   kafka.Topic
	draft   kafka.Draft
	places  []int // of its records
	sent    bool  // the results are there
	refused error
}

// begin makes the delivery that of a call.
func (d *delivery) begin(s *sink, in *abi.DeliverInput) {
	d.sink, d.bundle = s, d.bundle[:0]
	d.calls++
	d.ends.Begin(in)
	if d.value == nil || cap(d.value) > maxCall {
		d.value = []byte{}
	}
}

// sort puts a record into the bundle of its topic.
func (d *delivery) sort(at int, part *abi.DeliverPart, i int) {
	gap := part.Batch.Records[i].Kind == abi.KindGap
	if gap && d.config.Value != valueJSON {
		d.ends.SkipGap(at)
		return
	}
	d.id = part.AppendKey(d.id[:0], i)
	if d.ends.Before(at, d.id) {
		return
	}
	f := d.message(part, i)
	switch {
	case gap && (f.wrong != "" || d.config.topic.wants("device")): // it is of no device
		d.ends.SkipGap(at)
		return
	case f.wrong != "":
		d.ends.Reject(at, f.wrong)
		return
	}
	b, n := d.bundleOf(f.topic)
	if f.call != d.calls || f.bundle != n {
		f.number, f.call, f.bundle = b.draft.Form(&f.KafkaForm), d.calls, n
	}
	d.add(&b.draft, f, f.number)
	b.places = append(b.places, at)
}

// bundleOf is the topic's bundle that has room, with its number.
func (d *delivery) bundleOf(name string) (*bundle, int) {
	for i := len(d.bundle) - 1; i >= 0; i-- {
		if b := &d.bundle[i]; b.name == name {
			if b.draft.Size() < maxCall {
				return b, i
			}
			break
		}
	}
	n := len(d.bundle)
	d.bundle = slices.Grow(d.bundle, 1)[:n+1]
	b, most := &d.bundle[n], maxKept
	if n == 0 {
		most = 2 * maxCall
	}
	b.draft.Reset(most)
	b.name, b.topic, b.places, b.sent, b.refused = name, kafka.Topic{}, b.places[:0], false, nil
	return b, n
}

// later puts all bundles under way, if nothing is to be said of any record, and has
// the host wait for them.
func (d *delivery) later(in *abi.DeliverInput, step *snaprail.Step) bool {
	if in.Wait || !d.ends.Untouched() {
		return false
	}
	for i := range d.bundle {
		b := &d.bundle[i]
		topic, err := d.open(b.name)
		if err != nil {
			return false
		}
		b.topic = topic
	}
	tickets := step.Outcome().Tickets
	for i := range d.bundle {
		b := &d.bundle[i]
		ticket, err := b.topic.ProduceLater(&b.draft)
		if err != nil { // who waits is told why, and hears of those that are under way
			step.Outcome().Tickets = tickets
			return false
		}
		step.Await(ticket)
	}
	return true
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
				d.ends.Reject(at, "topic "+b.name+": "+err.Error())
			}
			continue
		}
		if err != nil {
			d.refuse(b, err)
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
func (d *delivery) refusedBefore(i int) error {
	for j := range d.bundle[:i] {
		if b := &d.bundle[j]; b.name == d.bundle[i].name && b.refused != nil {
			return b.refused
		}
	}
	return nil
}

// refuse is what becomes of the records of a topic that cannot be opened or
// written: nothing is lost by it.
func (d *delivery) refuse(b *bundle, err error) {
	b.sent, b.refused = true, err
	for _, at := range b.places {
		d.ends.HoldFor(at, err)
	}
}

func (d *delivery) produce(b *bundle, most time.Duration) {
	results, err := b.topic.ProduceDraft(most, &b.draft)
	if err == nil && len(results) != b.draft.Len() {
		err = &abi.Error{Text: "the host does not answer for each record"}
	}
	if err != nil {
		if said, ok := errors.AsType[*abi.Error](err); most == glance && ok && said.Kind == abi.FaultTimeout {
			return // it is under way
		}
		d.refuse(b, err)
		return
	}
	b.sent = true
	for i := range results {
		r := &results[i]
		if r.Code == "MESSAGE_TOO_LARGE" && len(results) > 1 {
			d.alone(b, i, r) // together they may have been
		}
		d.judge(b.places[i], b, r)
	}
}

// alone produces one record by itself, whose result it changes.
func (d *delivery) alone(b *bundle, i int, r *abi.KafkaResult) {
	part, at := d.ends.Record(b.places[i])
	d.id = part.AppendKey(d.id[:0], at)
	f := d.message(part, at)
	d.single.Reset(maxKept)
	d.add(&d.single, f, d.single.Form(&f.KafkaForm))
	results, err := b.topic.ProduceDraft(waitTime, &d.single)
	if err != nil || len(results) != 1 {
		r.Retry = err != nil
		return
	}
	*r = results[0]
}

// judge says what becomes of a record. What a person can mend is held until then;
// what nobody can is refused.
func (d *delivery) judge(at int, b *bundle, r *abi.KafkaResult) {
	if r.Code == "" {
		d.ends.Delivered(at)
		return
	}
	reason := "topic " + b.name + ": " + r.Code
	if r.Text != "" && !strings.Contains(r.Text, r.Code) {
		reason += ": " + r.Text
	} else if r.Text != "" {
		reason = "topic " + b.name + ": " + r.Text
	}
	switch {
	case strings.HasSuffix(r.Code, "_AUTHORIZATION_FAILED"):
		d.ends.Hold(at, handover.Long, reason)
	case strings.HasPrefix(r.Code, "UNKNOWN_TOPIC"):
		delete(d.topics, b.name) // it is made again, if it is to be
		after := handover.Long
		if d.config.Create != nil {
			after = handover.Shortly
		}
		d.ends.Hold(at, after, reason)
	case r.Retry, slices.Contains(passing, r.Code):
		d.ends.Hold(at, handover.Shortly, reason)
	default:
		d.ends.Reject(at, reason)
	}
}

// passing are codes of errors that pass, although Kafka's clients do not try
// again by themselves.
var passing = []string{"NOT_SENT", "DELIVERY_TIMEOUT", "OUT_OF_ORDER_SEQUENCE_NUMBER", "UNKNOWN_PRODUCER_ID", "INVALID_PRODUCER_EPOCH", "UNKNOWN_SERVER_ERROR", "KAFKA_STORAGE_ERROR", "POLICY_VIOLATION"}
