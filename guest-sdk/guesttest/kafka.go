package guesttest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Topics plays the group kafka: topics of one partition each.
type Topics struct {
	tb      testing.TB
	refuse  error
	opened  []abi.KafkaOpen // the handle is 1 + the index
	stored  map[string][]abi.KafkaRecord
	batches map[string]abi.KafkaProduced
	answer  func(abi.KafkaRecord) *abi.KafkaResult
	stalled bool
	unheard map[string]abi.KafkaResult // of records with an ID
	tickets map[abi.Ticket][]string    // the IDs of what is for later and has ended well
	last    uint64                     // number of a ticket
	broken  bool                       // something has not, and the guest was not told yet
}

// Kafka grants the group kafka on topics of these names. Any other is not there
// until it is ensured.
func (h *Harness) Kafka(topics ...string) *Topics {
	k := &Topics{tb: h.tb, stored: map[string][]abi.KafkaRecord{}, batches: map[string]abi.KafkaProduced{}, unheard: map[string]abi.KafkaResult{}, tickets: map[abi.Ticket][]string{}}
	for _, topic := range topics {
		k.stored[topic] = []abi.KafkaRecord{}
	}
	h.Host("kafka", "open", k.open)
	h.Host("kafka", "produce", k.produce)
	h.later = append(h.later, k)
	h.Host("kafka", "ensure", func(request []byte) ([]byte, error) { return k.ensure(request, true) })
	h.Host("kafka", "topic", func(request []byte) ([]byte, error) { return k.ensure(request, false) })
	h.Host("kafka", "delete", k.delete)
	return k
}

// Refuse makes open and produce fail with err, until it is nil.
func (k *Topics) Refuse(err error) { k.refuse = err }

// Answer has f say what a record that is produced comes to; nil, also of f: it is
// stored.
func (k *Topics) Answer(f func(abi.KafkaRecord) *abi.KafkaResult) { k.answer = f }

// Stall has produce take records in and end with a timeout, as a broker does that
// is slow to answer: the results are for who asks again by the records' IDs.
func (k *Topics) Stall(stalled bool) { k.stalled = stalled }

// Opened are the arguments of the sessions, in the order of their handles.
func (k *Topics) Opened() []abi.KafkaOpen { return k.opened }

// Stored is what a topic holds.
func (k *Topics) Stored(topic string) []abi.KafkaRecord { return k.stored[topic] }

// Event is the event of a record that an open topic with a group has read.
func (k *Topics) Event(record abi.KafkaRecord) abi.Event {
	k.tb.Helper()
	for i, args := range k.opened {
		if args.Topic == record.Topic && args.Group != "" {
			return abi.Event{Type: abi.EventData, Handle: uint32(i + 1), Time: record.Time, Data: record.Append(nil)}
		}
	}
	k.tb.Fatalf("the topic %s is not read", record.Topic)
	return abi.Event{}
}

func (k *Topics) open(request []byte) ([]byte, error) {
	var args abi.KafkaOpen
	if err := args.Decode(slices.Clone(request)); err != nil || k.refuse != nil {
		return nil, firstError(err, k.refuse)
	}
	at := slices.IndexFunc(k.opened, func(o abi.KafkaOpen) bool { return reflect.DeepEqual(o, args) })
	if at < 0 {
		at = len(k.opened)
		k.opened = append(k.opened, args)
	}
	return abi.Handle{Handle: uint32(at + 1)}.Append(nil), nil
}

func (k *Topics) produce(request []byte) ([]byte, error) {
	var q abi.KafkaProduce
	if err := q.Decode(slices.Clone(request)); err != nil || k.refuse != nil {
		return nil, firstError(err, k.refuse)
	}
	topic, err := k.topic(q.Handle)
	if err = firstError(err, shape(&q)); err != nil {
		return nil, err
	}
	if q.Later {
		return k.later(topic, &q)
	}
	k.broken = false
	reply, repeated := k.batches[q.ID]
	if repeated && q.ID != "" {
		return reply.Append(nil), nil
	}
	reply = abi.KafkaProduced{}
	for _, record := range q.Records {
		result, known := k.unheard[record.ID]
		if !known {
			result = k.put(topic, record)
		}
		delete(k.unheard, record.ID)
		if k.stalled && record.ID != "" {
			k.unheard[record.ID] = result
		}
		reply.Results = append(reply.Results, result)
	}
	if k.stalled {
		return nil, &abi.Error{Kind: abi.FaultTimeout, Code: "timeout", Text: "no broker has confirmed it yet"}
	}
	if !slices.ContainsFunc(reply.Results, func(r abi.KafkaResult) bool { return r.Retry }) {
		k.batches[q.ID] = reply // until the end is heard, as a host does: here, for good
	}
	return reply.Append(nil), nil
}

// shape gives the records of a request what they have in common.
func shape(q *abi.KafkaProduce) error {
	for i := range q.Records {
		r := &q.Records[i]
		if r.Form == 0 {
			continue
		}
		if int64(r.Form) > int64(len(q.Forms)) {
			return &abi.Error{Kind: abi.FaultInvalid, Code: "invalid", Text: fmt.Sprintf("a record has the form %d of %d", r.Form, len(q.Forms))}
		}
		f := &q.Forms[r.Form-1]
		if r.Key == nil {
			r.Key = f.Key
		}
		r.Headers = slices.Clone(r.Headers)
		if f.IDHeader != "" {
			r.Headers = append(r.Headers, abi.Header{Name: f.IDHeader, Value: []byte(r.ID)})
		}
		r.Headers, r.Form = append(r.Headers, f.Headers...), 0
	}
	return nil
}

// later puts records under way for a ticket. None is sent behind one that did not end
// well; what is in the topic is known when it is asked for again.
func (k *Topics) later(topic string, q *abi.KafkaProduce) ([]byte, error) {
	k.last++
	before, well := k.broken, true
	var ids []string
	for _, record := range q.Records {
		if record.ID == "" {
			return nil, &abi.Error{Kind: abi.FaultInvalid, Code: "invalid", Text: "a record is for later and has no ID"}
		}
		if before {
			well = false
			continue
		}
		result, known := k.unheard[record.ID]
		if !known {
			result = k.put(topic, record)
		}
		if well = well && result.Code == "" && !k.stalled; result.Code == "" {
			k.unheard[record.ID] = result
			ids = append(ids, record.ID)
		}
	}
	if k.broken = !well; well {
		k.tickets[abi.Ticket{Handle: q.Handle, Number: k.last}] = ids
	}
	return (&abi.KafkaProduced{Ticket: k.last}).Append(nil), nil
}

// endedWell reports whether what a ticket is of has ended well.
func (k *Topics) endedWell(ticket abi.Ticket) bool {
	_, well := k.tickets[ticket]
	return well
}

// heard forgets what a ticket is of.
func (k *Topics) heard(ticket abi.Ticket) {
	for _, id := range k.tickets[ticket] {
		delete(k.unheard, id)
	}
	delete(k.tickets, ticket)
}

// put is what becomes of one record.
func (k *Topics) put(topic string, record abi.KafkaRecord) abi.KafkaResult {
	if k.answer != nil {
		if result := k.answer(record); result != nil {
			return *result
		}
	}
	stored, there := k.stored[topic]
	if !there {
		return abi.KafkaResult{Code: "UNKNOWN_TOPIC_OR_PARTITION", Text: "no topic " + topic, Retry: true}
	}
	record.Topic, record.Offset = topic, uint64(len(stored))
	k.stored[topic] = append(stored, record)
	return abi.KafkaResult{Partition: record.Partition, Offset: record.Offset}
}

// ensure says of a topic what it is. One that is not there is made, or it is an error.
func (k *Topics) ensure(request []byte, create bool) ([]byte, error) {
	var q abi.KafkaEnsure
	if err := q.Decode(request); err != nil {
		return nil, err
	}
	topic, err := k.topic(q.Handle)
	if err != nil {
		return nil, err
	}
	_, there := k.stored[topic]
	switch {
	case there:
	case create:
		k.stored[topic] = []abi.KafkaRecord{}
	default:
		return nil, &abi.Error{Kind: abi.FaultNotFound, Code: "not_found", Text: "no topic " + topic}
	}
	ensured := abi.KafkaEnsured{Created: !there, Partitions: 1}
	return ensured.Append(nil), nil
}

func (k *Topics) delete(request []byte) ([]byte, error) {
	var q abi.KafkaDelete
	if err := q.Decode(request); err != nil {
		return nil, err
	}
	topic, err := k.topic(q.Handle)
	if err != nil {
		return nil, err
	}
	if topic != q.Topic {
		return nil, &abi.Error{Kind: abi.FaultInvalid, Text: "the session is of the topic " + topic}
	}
	_, there := k.stored[topic]
	delete(k.stored, topic)
	deleted := abi.KafkaDeleted{Deleted: there}
	return deleted.Append(nil), nil
}

func (k *Topics) topic(handle uint32) (string, error) {
	if handle == 0 || int(handle) > len(k.opened) {
		return "", notFound(fmt.Sprintf("no handle %d", handle))
	}
	return k.opened[handle-1].Topic, nil
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
