package kafka

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxID bounds the ID of a batch, in bytes.
const maxID = 256

// unheard is how many batches are remembered whose end nobody has heard of.
const unheard = 256

// flights are the batches under way.
type flights struct {
	mu      sync.Mutex
	byID    map[string]*flight
	order   []*flight // with an ID, in the order of their start
	records int       // under way
	bytes   int

	maxRecords, maxBytes int
}

// flight is a batch under way.
type flight struct {
	id      string
	results []abi.KafkaResult
	left    int
	bytes   int
	done    chan struct{}      // closed when every record has a result
	cancel  context.CancelFunc // gives up what was not sent
}

func newFlights(records, bytes int) *flights {
	return &flights{byID: map[string]*flight{}, maxRecords: records, maxBytes: bytes}
}

func (f *flights) find(id string) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byID[id]
}

// begin makes room for a batch; nil: there is none.
func (f *flights) begin(id string, records, bytes int) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.records > 0 && (f.records+records > f.maxRecords || f.bytes+bytes > f.maxBytes) {
		return nil
	}
	f.records += records
	f.bytes += bytes
	b := &flight{id: id, results: make([]abi.KafkaResult, records), left: records, bytes: bytes, done: make(chan struct{})}
	if id == "" {
		return b
	}
	f.byID[id] = b
	if f.order = append(f.order, b); len(f.order) > unheard {
		f.forget(f.order[0])
	}
	return b
}

// end sets the result of a record.
func (f *flights) end(b *flight, i int, result abi.KafkaResult) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b.results[i] = result
	f.records--
	if b.left--; b.left == 0 {
		f.bytes -= b.bytes
		close(b.done)
		b.cancel()
	}
}

// heard lets go of a batch whose end the guest is told.
func (f *flights) heard(b *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(b)
}

func (f *flights) forget(b *flight) {
	if f.byID[b.id] == b {
		delete(f.byID, b.id)
	}
	for i, o := range f.order {
		if o == b {
			f.order = append(f.order[:i], f.order[i+1:]...)
			return
		}
	}
}

// produce sends a batch and waits until all replicas have it. What does not end
// in time stays under way, in its place: the guest asks again by its ID.
func (s *session) produce(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.KafkaProduce
	if err := q.Decode(bytes.Clone(in)); err != nil { // the records outlive the call
		return nil, fault.Wrap(fault.Invalid, err, "kafka.produce: the request cannot be read")
	}
	if len(q.ID) > maxID {
		return nil, fault.New(fault.Invalid, "kafka.produce: the ID of a batch has at most %d bytes", maxID)
	}
	var b *flight
	if q.ID != "" {
		b = s.flights.find(q.ID)
	}
	if b != nil && len(b.results) != len(q.Records) {
		return nil, fault.New(fault.Invalid, "kafka.produce: the batch %q is under way with %d records, and has %d now", q.ID, len(b.results), len(q.Records))
	}
	if b == nil && len(q.Records) > 0 {
		if b = s.flights.begin(q.ID, len(q.Records), len(in)); b == nil {
			return nil, s.full()
		}
		s.launch(b, &q) //nolint:contextcheck // a batch outlives the call
	}
	if b == nil {
		return out[:0], nil
	}
	if err := s.await(ctx, b, q.TimeoutMS); err != nil {
		return nil, err
	}
	s.flights.heard(b)
	reply := abi.KafkaProduced{Results: b.results}
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

// launch hands the records to the client, in order.
func (s *session) launch(b *flight, q *abi.KafkaProduce) {
	client := s.current()
	// The library's own timeout counts from a record's time, which is the device's.
	ctx, cancel := context.WithTimeout(s.quit, deliveryTime)
	b.cancel = cancel
	for i := range q.Records {
		from := &q.Records[i]
		r := &kgo.Record{Topic: s.set.args.Topic, Key: from.Key, Value: from.Value, Partition: unpinned}
		if from.Pinned {
			r.Partition = int32(min(from.Partition, 1<<31-1))
		}
		if from.Time != 0 {
			r.Timestamp = time.Unix(0, from.Time)
		}
		for _, h := range from.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		client.TryProduce(ctx, r, func(r *kgo.Record, err error) { s.flights.end(b, i, s.result(r, err)) })
	}
}

// await waits for a batch.
func (s *session) await(ctx context.Context, b *flight, timeoutMS uint64) error {
	most := maxTimeout
	if timeoutMS > 0 {
		most = time.Duration(min(timeoutMS, uint64(maxTimeout.Milliseconds()))) * time.Millisecond //nolint:gosec // at most an hour
	}
	wait, cancel := beforeDeadline(ctx, most)
	defer cancel()
	select {
	case <-b.done:
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
	return fault.New(fault.Timeout, "kafka.produce to %s: %s", s.set.resource(), why).
		WithHint("The records stay under way for two minutes: ask again with the ID of the batch to hear of them; without an ID they may come twice.").
		WithRetryAfter(time.Second)
}

// result is what became of a record.
func (s *session) result(r *kgo.Record, err error) abi.KafkaResult {
	if err == nil {
		return abi.KafkaResult{Partition: uint32(r.Partition), Offset: uint64(r.Offset)} //nolint:gosec // Kafka has no negative ones
	}
	text := s.mask.Text(fault.Clip(err.Error(), maxReason))
	if known, ok := errors.AsType[*kerr.Error](err); ok {
		return abi.KafkaResult{Code: known.Message, Text: text, Retry: known.Retriable}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return abi.KafkaResult{Code: "DELIVERY_TIMEOUT", Text: text, Retry: true}
	}
	transient := errors.Is(err, kgo.ErrAborting) || errors.Is(err, kgo.ErrClientClosed) || errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrMaxBuffered)
	return abi.KafkaResult{Code: "NOT_SENT", Text: text, Retry: transient}
}

// maxReason bounds what is told of an error's own words, in bytes.
const maxReason = 512
