// Package kafka reads and writes topics of Kafka that were granted (group kafka).
//
// With a consumer group, what is read comes to the guest as events: one EventData
// for each record (see Read), EventDown and EventUp when the cluster goes and
// comes back, EventGap when records were gone before they were read. Their offsets
// are committed by the host once what the guest made of them is safe, so that a
// connector has nothing to acknowledge.
//
// A secret of the connector is named, not known: the host puts it where Username,
// Password, CA, Certificate or Key says secret://name.
//
//	topic, err := kafka.Open(abi.KafkaOpen{Brokers: []string{"kafka1:9092"}, Topic: "readings"})
//	results, err := topic.Produce(messageID, abi.KafkaRecord{Key: []byte("pump1"), Value: payload})
package kafka

import (
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Topic is an open topic. The host keeps the session while guests of the connector
// come and go, and closes it when none of them opens it again.
type Topic struct {
	handle uint32
}

// Open connects to the cluster for one topic, or takes over the session that this
// connector has with the same arguments. The error is an *abi.Error: denied
// without a grant, invalid for a login that is refused, unavailable or timeout
// when no broker answers. The topic need not be there: see Ensure.
func Open(args abi.KafkaOpen) (Topic, error) {
	reply, err := hostOpen(args.Append(hostcall.Request()))
	if err != nil {
		return Topic{}, err
	}
	var h abi.Handle
	if err := h.Decode(reply); err != nil {
		return Topic{}, err
	}
	return Topic{handle: h.Handle}, nil
}

// Handle is what the topic's events carry.
func (t Topic) Handle() uint32 { return t.handle }

// Produce sends records, in order, and waits until all replicas have them. Each
// has a result of its own. A timeout leaves them under way: called again with the
// same id, Produce sends nothing and waits on, and so it does for each record that
// has an ID of its own, whatever it comes with; without either they may come twice.
// The error is an *abi.Error, exhausted when too much is under way and
// nothing of this batch was sent.
func (t Topic) Produce(id string, records ...abi.KafkaRecord) ([]abi.KafkaResult, error) {
	return t.ProduceWithin(0, id, records...)
}

// ProduceWithin is Produce that waits no longer than most; 0: as long as the call
// may take.
func (t Topic) ProduceWithin(most time.Duration, id string, records ...abi.KafkaRecord) ([]abi.KafkaResult, error) {
	request := abi.KafkaProduce{Handle: t.handle, ID: id, Records: records, TimeoutMS: timeout(most)}
	reply, err := hostProduce(request.Append(hostcall.Request()))
	if err != nil {
		return nil, err
	}
	var produced abi.KafkaProduced
	err = produced.Decode(reply)
	return produced.Results, err
}

// Draft is a batch that is put together record by record, and produced from its
// encoded form: a sink that keeps one allocates nothing for what it delivers. The
// zero value is an empty one.
type Draft struct {
	abi.KafkaDraft

	produced abi.KafkaProduced
}

// ProduceDraft is ProduceWithin for the records of a draft, which stays as it is.
// The results are good until the draft is produced again.
func (t Topic) ProduceDraft(most time.Duration, d *Draft) ([]abi.KafkaResult, error) {
	reply, err := hostProduce(d.Append(hostcall.Request(), &abi.KafkaProduce{Handle: t.handle, TimeoutMS: timeout(most)}))
	if err != nil {
		return nil, err
	}
	err = d.produced.Decode(reply)
	return d.produced.Results, err
}

// ProduceLater sends the records of a draft, each of which has an ID, behind those
// that were sent before, and waits for nothing: Step.Await takes the ticket. When one
// of them does not end well, none that comes behind it is sent, and what became of
// each is for whoever produces them again.
func (t Topic) ProduceLater(d *Draft) (abi.Ticket, error) {
	reply, err := hostProduce(d.Append(hostcall.Request(), &abi.KafkaProduce{Handle: t.handle, Later: true}))
	if err == nil {
		err = d.produced.Decode(reply)
	}
	return abi.Ticket{Handle: t.handle, Number: d.produced.Ticket}, err
}

// timeout is a time to wait in milliseconds; 0: none is said.
func timeout(most time.Duration) uint64 {
	if most <= 0 {
		return 0
	}
	return uint64(max(most.Milliseconds(), 1))
}

// Ensure makes the topic unless it is there. 0 and nil are the broker's defaults;
// a topic that is there is not changed.
func (t Topic) Ensure(partitions, replication uint32, configs []abi.Header) (abi.KafkaEnsured, error) {
	request := abi.KafkaEnsure{Handle: t.handle, Partitions: partitions, Replication: replication, Configs: configs}
	var ensured abi.KafkaEnsured
	reply, err := hostEnsure(request.Append(hostcall.Request()))
	if err == nil {
		err = ensured.Decode(reply)
	}
	return ensured, err
}

// Partitions is how many the topic has. It needs the right to read, and makes no
// topic: where there is none, the error has the kind abi.FaultNotFound.
func (t Topic) Partitions() (uint32, error) {
	request := abi.KafkaEnsure{Handle: t.handle}
	var there abi.KafkaEnsured
	reply, err := hostTopic(request.Append(hostcall.Request()))
	if err == nil {
		err = there.Decode(reply)
	}
	return there.Partitions, err
}

// Delete deletes the topic, whose name is said once more, with all that it holds,
// and says whether there was one.
func (t Topic) Delete(name string) (bool, error) {
	request := abi.KafkaDelete{Handle: t.handle, Topic: name}
	var deleted abi.KafkaDeleted
	reply, err := hostDelete(request.Append(hostcall.Request()))
	if err == nil {
		err = deleted.Decode(reply)
	}
	return deleted.Deleted, err
}

// Read is the record of an EventData of a topic. It shares the event's memory.
func Read(event abi.Event) (abi.KafkaRecord, error) {
	var record abi.KafkaRecord
	err := record.Decode(event.Data)
	return record, err
}

// SourceKey names a record that was read, as in readings/3/4711, and behind it the
// topic's ID, if it has one: a topic that is made anew begins at 0 again. The host
// drops what comes twice with the same one.
func SourceKey(record abi.KafkaRecord) string {
	key := append([]byte(record.Topic), '/')
	key = strconv.AppendUint(key, uint64(record.Partition), 10)
	key = strconv.AppendUint(append(key, '/'), record.Offset, 10)
	if record.TopicID != "" {
		key = append(append(key, '/'), record.TopicID...)
	}
	return string(key)
}

// Fill gives a record of the guest the key, the headers and the source key of one
// that was read, as in
//
//	kafka.Fill(step.Payload(device, from.Time, "application/json", from.Value), from)
//
// It shares the memory of the event.
func Fill(to *abi.Record, from abi.KafkaRecord) {
	to.Key, to.SourceKey = from.Key, SourceKey(from)
	to.Headers = append(to.Headers[:0], from.Headers...)
}
