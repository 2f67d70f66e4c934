package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

const (
	maxPartitions  = 10_000
	maxReplication = 64
)

// ensure makes the topic unless it is there, and does not change one that is.
func (s *session) ensure(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.KafkaEnsure
	if err := q.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "kafka.ensure: the request cannot be read")
	}
	if q.Partitions > maxPartitions || q.Replication > maxReplication {
		return nil, fault.New(fault.Invalid, "kafka.ensure: at most %d partitions and %d replicas", maxPartitions, maxReplication)
	}
	ctx, cancel := capability.BeforeDeadline(ctx, defaultTimeout)
	defer cancel()
	if n, err := s.partitions(ctx); err == nil {
		reply := abi.KafkaEnsured{Partitions: n}
		return reply.Append(out[:0]), nil
	} else if !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	created, err := s.create(ctx, &q)
	if err != nil {
		return nil, err
	}
	s.current().ForceMetadataRefresh()
	reply := abi.KafkaEnsured{Created: created, Partitions: q.Partitions}
	if n, err := s.partitions(ctx); err == nil {
		reply.Partitions = n // the broker's word; its others may not know the topic yet
	}
	return reply.Append(out[:0]), nil
}

// topic says how many partitions the topic has, and makes none: fault.NotFound where
// there is no such topic.
func (s *session) topic(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.KafkaEnsure
	if err := q.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "kafka.topic: the request cannot be read")
	}
	ctx, cancel := capability.BeforeDeadline(ctx, defaultTimeout)
	defer cancel()
	n, err := s.partitions(ctx)
	if err != nil {
		return nil, err
	}
	reply := abi.KafkaEnsured{Partitions: n}
	return reply.Append(out[:0]), nil
}

func (s *session) create(ctx context.Context, q *abi.KafkaEnsure) (created bool, err error) {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = s.set.args.Topic, -1, -1
	if q.Partitions > 0 {
		topic.NumPartitions = int32(q.Partitions) //nolint:gosec // bounded above
	}
	if q.Replication > 0 {
		topic.ReplicationFactor = int16(q.Replication) //nolint:gosec // bounded above
	}
	for _, c := range q.Configs {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = c.Name, new(string(c.Value))
		topic.Configs = append(topic.Configs, config)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, s.current())
	if err != nil {
		return false, s.explain(ctx, err)
	}
	if len(resp.Topics) != 1 {
		return false, fault.New(fault.ResourceUnavailable, "kafka.ensure: the broker does not answer what it was asked")
	}
	err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, kerr.TopicAlreadyExists):
		return false, nil
	}
	f := fault.Of(s.explain(ctx, err))
	if said := resp.Topics[0].ErrorMessage; said != nil {
		f = fault.New(f.Kind, "%s: %s", f.Text, fault.Clip(*said, maxReason)).WithHint("%s", f.Advice())
	}
	return false, f
}

// remove deletes the topic. One that is not there is no error.
func (s *session) remove(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.KafkaDelete
	if err := q.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "kafka.delete: the request cannot be read")
	}
	if q.Topic != s.set.args.Topic {
		return nil, fault.New(fault.Invalid, "kafka.delete: the session is of the topic %s, and %q is to be deleted", s.set.args.Topic, fault.Clip(q.Topic, maxTopic))
	}
	ctx, cancel := capability.BeforeDeadline(ctx, defaultTimeout)
	defer cancel()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = new(s.set.args.Topic)
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Topics, req.TopicNames = append(req.Topics, topic), []string{s.set.args.Topic}
	resp, err := req.RequestWith(ctx, s.current())
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	if len(resp.Topics) != 1 {
		return nil, fault.New(fault.ResourceUnavailable, "kafka.delete: the broker does not answer what it was asked")
	}
	err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, s.explain(ctx, err)
	}
	s.current().ForceMetadataRefresh()
	reply := abi.KafkaDeleted{Deleted: err == nil}
	return reply.Append(out[:0]), nil
}

// rehearseDelete says what topic a call would delete.
func rehearseDelete(in, out []byte) (data, reply []byte) {
	var q abi.KafkaDelete
	if q.Decode(in) != nil {
		return nil, out
	}
	told := abi.KafkaDeleted{Deleted: true}
	return []byte("delete the topic\n"), told.Append(out)
}

// partitions is how many the topic has.
func (s *session) partitions(ctx context.Context) (uint32, error) {
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = new(s.set.args.Topic)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, s.current())
	if err == nil && len(resp.Topics) == 1 {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		return 0, s.explain(ctx, err)
	}
	if len(resp.Topics) != 1 {
		return 0, fault.New(fault.ResourceUnavailable, "%s: a broker does not answer what it was asked", s.set.resource())
	}
	return uint32(len(resp.Topics[0].Partitions)), nil
}

// rehearseProduce says what a call would send; the guest is told that all of it
// arrived.
func rehearseProduce(in, out []byte) (data, reply []byte) {
	var q abi.KafkaProduce
	if q.Decode(in) != nil {
		return nil, out
	}
	var b bytes.Buffer
	for _, r := range q.Records {
		fmt.Fprintf(&b, "%s: %s\n", r.Key, r.Value)
	}
	told := abi.KafkaProduced{Results: make([]abi.KafkaResult, len(q.Records))}
	return b.Bytes(), told.Append(out)
}

// rehearseEnsure says what topic a call would make.
func rehearseEnsure(in, out []byte) (data, reply []byte) {
	var q abi.KafkaEnsure
	if q.Decode(in) != nil {
		return nil, out
	}
	told := abi.KafkaEnsured{Partitions: q.Partitions}
	return fmt.Appendf(nil, "create the topic with %d partitions and %d replicas\n", q.Partitions, q.Replication), told.Append(out)
}
