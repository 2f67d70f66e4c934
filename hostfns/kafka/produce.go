package kafka

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// produce sends a batch and waits until all replicas have it. What does not end
// in time stays under way, in its place: the guest asks again by its ID.
func (s *session) produce(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.KafkaProduce
	if err := q.Decode(bytes.Clone(in)); err != nil { // the records outlive the call
		return nil, fault.Wrap(fault.Invalid, err, "kafka.produce: the request cannot be read")
	}
	if err := checkRecords(&q); err != nil || len(q.Records) == 0 {
		return out[:0], err
	}
	if q.Later {
		number, err := s.later(&q) //nolint:contextcheck // records outlive the call
		if err != nil {
			return nil, err
		}
		reply := abi.KafkaProduced{Ticket: number}
		return reply.Append(out[:0]), nil
	}
	s.throwAway(maxTickets) // of a guest that is gone: it waits for none of them
	w, send := s.flights.begin(&q)
	if w == nil {
		return nil, s.full()
	}
	if len(send) > 0 {
		s.put(s.cargo(w, &q, send), false) //nolint:contextcheck // records outlive the call
	}
	if err := s.await(ctx, w, q.TimeoutMS); err != nil {
		s.flights.leave(w)
		return nil, err
	}
	reply := abi.KafkaProduced{Results: s.flights.heard(w)}
	return reply.Append(out[:0]), nil
}

func (s *session) full() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	why := "the broker is slow"
	if !s.up {
		why = s.reason
	}
	return fault.New(fault.Exhausted, "kafka.produce: too many records of %s are under way: %s", s.set.resource(), why).
		WithHint("Nothing of this batch was sent: try it again later.").WithRetryAfter(time.Second)
}

// launch hands records to the client, in order. Those without an ID, for which
// nobody can ask again, are given up after a time; those with one stay until the
// session ends, lest what comes behind them overtakes. landed, if any, is told when
// all have ended.
func (s *session) launch(landed func(), list ...*cargo) {
	client := s.current()
	// The library's own timeout counts from a record's time, which is the device's.
	ctx, cancel := context.WithTimeout(s.quit, deliveryTime)
	together := &batch{cancel: cancel, landed: landed}
	for _, c := range list {
		together.left += len(c.records)
	}
	for _, c := range list {
		for k, b := range c.flights {
			until := ctx
			if b.id != "" {
				until = s.quit
			}
			client.TryProduce(until, &c.records[k], func(r *kgo.Record, err error) {
				if err != nil && landed != nil {
					s.crashed()
				}
				s.flights.end(b, s.result(r, err))
				together.ended()
			})
		}
	}
	// They are all that there is: they go out in one request for each partition.
	// Nobody waits here, for await does.
	over, end := context.WithCancel(s.quit)
	end()
	_ = client.Flush(over)
}

// cargo is what is to be sent of a call.
func (s *session) cargo(w *wait, q *abi.KafkaProduce, send []int) *cargo {
	c := &cargo{flights: make([]*flight, len(send)), records: s.recordsFor(q, send)}
	for k, i := range send {
		c.flights[k] = w.flights[i]
		c.size += w.flights[i].size
	}
	return c
}

// recordsFor are the library's records for those that are to be sent, with what
// they hold beside each other.
func (s *session) recordsFor(q *abi.KafkaProduce, send []int) []kgo.Record {
	n, size := 0, 0
	for _, i := range send {
		n += len(q.Records[i].Headers)
		if f := formOf(q, i); f != nil {
			n, size = n+1+len(f.Headers), size+len(q.Records[i].ID)
		}
	}
	records, headers, ids := make([]kgo.Record, len(send)), make([]kgo.RecordHeader, 0, n), make([]byte, 0, size)
	for k, i := range send {
		from, r := &q.Records[i], &records[k]
		r.Topic, r.Key, r.Value, r.Partition = s.set.args.Topic, from.Key, from.Value, unpinned
		if from.Pinned {
			r.Partition = int32(min(from.Partition, 1<<31-1))
		}
		if from.Time != 0 {
			r.Timestamp = time.Unix(0, from.Time)
		}
		first := len(headers)
		for _, h := range from.Headers {
			headers = append(headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		if f := formOf(q, i); f != nil {
			if r.Key == nil {
				r.Key = f.Key
			}
			if f.IDHeader != "" {
				at := len(ids)
				ids = append(ids, from.ID...)
				headers = append(headers, kgo.RecordHeader{Key: f.IDHeader, Value: ids[at:len(ids):len(ids)]})
			}
			for j := range f.Headers {
				headers = append(headers, kgo.RecordHeader{Key: f.Headers[j].Name, Value: f.Headers[j].Value})
			}
		}
		if len(headers) > first {
			r.Headers = headers[first:len(headers):len(headers)]
		}
	}
	return records
}

// await waits for the end of all records of a call.
func (s *session) await(ctx context.Context, w *wait, timeoutMS uint64) error {
	most := maxTimeout
	if timeoutMS > 0 {
		most = time.Duration(min(timeoutMS, uint64(maxTimeout.Milliseconds()))) * time.Millisecond //nolint:gosec // at most an hour
	}
	wait, cancel := capability.BeforeDeadline(ctx, most)
	defer cancel()
	select {
	case <-w.done:
		return nil
	case <-wait.Done():
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault.Wrap(fault.Canceled, ctx.Err(), "kafka.produce to %s", s.set.resource())
	}
	why := "no broker has confirmed it yet"
	if f := s.dialer.trouble(); f != nil {
		why = f.Text
	}
	return fault.New(fault.Timeout, "kafka.produce to the topic %s: %s", s.set.args.Topic, why).
		WithHint("The records stay under way, those without an ID for two minutes: ask again with their IDs to hear of them; without any they may come twice.").
		WithRetryAfter(time.Second)
}

// result is what became of a record.
func (s *session) result(r *kgo.Record, err error) abi.KafkaResult {
	if err == nil {
		s.written()
		return abi.KafkaResult{Partition: uint32(r.Partition), Offset: uint64(r.Offset)} //nolint:gosec // Kafka has no negative ones
	}
	text := s.mask.Text(fault.Clip(err.Error(), maxReason))
	if known, ok := errors.AsType[*kerr.Error](err); ok {
		s.mayNot(known)
		return abi.KafkaResult{Code: known.Message, Text: text, Retry: known.Retriable}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return abi.KafkaResult{Code: "DELIVERY_TIMEOUT", Text: text, Retry: true}
	}
	transient := errors.Is(err, kgo.ErrAborting) || errors.Is(err, kgo.ErrClientClosed) || errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrMaxBuffered)
	return abi.KafkaResult{Code: codeNotSent, Text: text, Retry: transient}
}

// codeNotSent is the code of what never came to a broker.
const codeNotSent = "NOT_SENT"

// mayNot tells that the broker lets this login write no more: a look at the topic
// does not show it.
func (s *session) mayNot(known *kerr.Error) {
	switch known.Code {
	case kerr.TopicAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Code:
		f := refused(s.set.resource(), known)
		s.setIll(f)
		s.mu.Lock()
		s.illWrite = true
		s.mu.Unlock()
		s.setDown(f)
	}
}

// written shows that the cluster is there, which the next look would: who was
// told that records are held is told with their end that it is over.
func (s *session) written() {
	s.mu.Lock()
	up := s.up
	if s.illWrite {
		s.ill, s.illWrite = nil, false
	}
	s.mu.Unlock()
	if !up && s.quit.Err() == nil {
		s.setUp()
	}
}

// maxReason bounds what is told of an error's own words, in bytes.
const maxReason = 512
