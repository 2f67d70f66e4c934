package kafka

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// pollRecords is how many records one poll may bring.
const pollRecords = 256

// The names of gaps, as the guest sees them.
const (
	gapTooLarge = "record_too_large"
	gapDataLoss = "data_loss"
)

// read reads the topic until the session ends. Nothing is polled until there is
// room for it, so that a poll never holds up a rebalance.
func (s *session) read() {
	for s.events.WaitRoom(s.quit, 0) == nil {
		client := s.current()
		fetched := client.PollRecords(s.quit, pollRecords)
		fatal := s.takeIn(fetched)
		client.AllowRebalance()
		if fatal == nil && fetched.IsClientClosed() {
			fatal = errRemade
		}
		if fatal != nil && s.quit.Err() == nil {
			s.renew(fatal)
		}
	}
}

// takeIn makes events of what a poll brought. It answers an error that ends the
// reading of a partition for good, unless the client is made anew.
func (s *session) takeIn(fetched kgo.Fetches) (fatal error) {
	now := time.Now().UnixNano()
	fetched.EachPartition(func(p kgo.FetchTopicPartition) {
		if err := s.partitionError(now, p); err != nil {
			fatal = err
		}
		if from, n := s.events.skipped(p.Partition, p.LogStartOffset); n > 0 && p.Err == nil {
			s.gap(now, gapDataLoss, "partition %d: %d offsets from %d on are gone: they were deleted before they were read", p.Partition, n, from)
		}
		for _, r := range p.Records {
			s.takeRecord(now, r)
		}
		if p.Err == nil {
			s.events.end(p.Partition, p.HighWatermark)
		}
	})
	return fatal
}

func (s *session) partitionError(now int64, p kgo.FetchTopicPartition) error {
	var (
		lost  *kgo.ErrDataLoss
		known *kerr.Error
	)
	switch {
	case p.Err == nil, s.quit.Err() != nil, errors.Is(p.Err, kgo.ErrClientClosed):
		return nil //nolint:nilerr // the session ends
	case errors.As(p.Err, &lost):
		s.gap(now, gapDataLoss, "partition %d: the log was cut from %d back to %d", lost.Partition, lost.ConsumedTo, lost.ResetTo)
		return nil
	}
	f := fault.Of(s.explain(s.quit, p.Err))
	s.setIll(f)
	s.setDown(f)
	if errors.As(p.Err, &known) && !known.Retriable {
		return f
	}
	return nil
}

func (s *session) gap(now int64, name, format string, args ...any) {
	f := fault.New(fault.Integrity, "kafka: "+s.set.resource()+": "+format, args...)
	if held, ok := s.lacks.Say(); ok {
		s.log.Warn("kafka records lost", "error", f, "unsaid", held)
	}
	s.events.hole(capability.Event{Type: abi.EventGap, Time: now, Name: name, Err: f})
}

// takeRecord adds one record; one that no guest could be handed is told of, and
// passed over.
func (s *session) takeRecord(now int64, r *kgo.Record) {
	behind := mark{offset: r.Offset + 1, epoch: r.LeaderEpoch}
	if r.ProducerID == passedOver {
		s.passOver(now, r, behind, fault.New(fault.TooLarge, "kafka: the batch of the offsets %d to %d of partition %d of %s takes more than %d bytes once it is decompressed, or than %d of memory", firstOf(r), r.Offset, r.Partition, s.set.args.Topic, maxDecompressed, batchCost))
		return
	}
	if len(r.Headers) <= abi.MaxHeaders {
		record := recordOf(r)
		record.TopicID = s.readTopicID()
		if data := record.Append(nil); len(data) <= abi.MaxRecord {
			s.events.push(capability.Event{Type: abi.EventData, Time: now, Data: data}, r.Partition, behind)
			return
		}
	}
	s.passOver(now, r, behind, fault.New(fault.TooLarge, "kafka: the record at offset %d of partition %d of %s has more than %d bytes, or than %d headers", r.Offset, r.Partition, s.set.args.Topic, abi.MaxRecord, abi.MaxHeaders))
}

// passOver tells of what is too large, in its place.
func (s *session) passOver(now int64, r *kgo.Record, behind mark, f *fault.Fault) {
	if held, ok := s.passed.Say(); ok {
		s.log.Warn("kafka record passed over", "error", f, "unsaid", held)
	}
	s.events.push(capability.Event{Type: abi.EventGap, Time: now, Name: gapTooLarge, Err: f}, r.Partition, behind)
}

// firstOf is the first offset of a batch that was passed over.
func firstOf(r *kgo.Record) int64 {
	if len(r.Value) != markerSize {
		return r.Offset
	}
	return int64(binary.BigEndian.Uint64(r.Value)) //nolint:gosec // as it was written
}

// readTopicID is the ID of the topic that is read, in text.
func (s *session) readTopicID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topicID == [16]byte{} {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(s.topicID[:])
}

func recordOf(r *kgo.Record) *abi.KafkaRecord {
	m := &abi.KafkaRecord{
		Topic: r.Topic, Partition: uint32(r.Partition), Offset: uint64(r.Offset), //nolint:gosec // Kafka has no negative ones
		Time: r.Timestamp.UnixNano(), Key: r.Key, Value: r.Value,
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, abi.Header{Name: strings.ToValidUTF8(h.Key, "\uFFFD"), Value: h.Value})
	}
	return m
}

// renew makes the client anew: the library never again fetches a partition that
// gave a lasting error, although its cause may have gone.
func (s *session) renew(cause error) {
	s.log.Warn("kafka client made anew", "error", cause)
	gone, cancel := context.WithTimeout(s.quit, leaveTime)
	s.shut(gone)
	cancel()
	s.events.loseAll()
	for {
		select {
		case <-s.quit.Done():
			return
		case <-time.After(s.pace.retry):
		}
		made, giveUp, err := s.newClient()
		if err != nil {
			s.setDown(fault.Of(err))
			continue
		}
		s.mu.Lock()
		if s.client, s.giveUp = made, giveUp; errors.Is(cause, errRemade) {
			s.ill = nil // it was the other topic's
		}
		s.mu.Unlock()
		return
	}
}

// assigned, revoked, lost and fetched are called by the client, one at a time.
func (s *session) assigned(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	s.events.gain(partitions[s.set.args.Topic])
}

// revoked commits while the partitions are still this member's.
func (s *session) revoked(ctx context.Context, c *kgo.Client, partitions map[string][]int32) {
	if gone := partitions[s.set.args.Topic]; len(gone) > 0 {
		most := requestTime
		if s.quit.Err() != nil {
			most = leaveTime / 2 // the session ends, and has tried
		}
		within, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		if err := s.commitBy(within, c); err != nil {
			s.log.Warn("kafka offsets not committed before others read on: some records will come twice", "error", s.masked(err))
		}
		s.events.lose(gone)
	}
}

func (s *session) lost(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	s.events.lose(partitions[s.set.args.Topic])
}

func (s *session) fetched(_ context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
	note := func(partition int32, offset int64, code int16) {
		if code == 0 && offset >= 0 {
			s.events.due(partition, offset)
		}
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			note(p.Partition, p.Offset, p.ErrorCode)
		}
	}
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				note(p.Partition, p.Offset, p.ErrorCode)
			}
		}
	}
	return nil
}

func hostPort(host string, port int32) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }
