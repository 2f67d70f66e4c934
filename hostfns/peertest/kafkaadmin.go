package peertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Client is a client of the test's own, without a login, which is closed with
// the test that asks.
func (k *Kafka) Client(tb testing.TB, opts ...kgo.Opt) *kgo.Client {
	tb.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(k.Address), kgo.MetadataMinAge(100 * time.Millisecond), kgo.DisableClientMetrics(),
	}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// ask sends a request of the broker's operator.
func ask[T any](k *Kafka, send func(context.Context, kmsg.Requestor) (T, error)) T {
	k.tb.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(k.Address), kgo.DisableClientMetrics())
	if err != nil {
		k.tb.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), kafkaPatience)
	defer cancel()
	answer, err := send(ctx, c)
	if err != nil {
		k.tb.Fatal(err)
	}
	return answer
}

func (k *Kafka) check(code int16, what string) {
	k.tb.Helper()
	if err := kerr.ErrorForCode(code); err != nil {
		k.tb.Fatalf("%s: %v", what, err)
	}
}

// MakeTopic makes a topic; configs are names and values by turns.
func (k *Kafka) MakeTopic(name string, partitions int32, configs ...string) {
	k.tb.Helper()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	for i := 0; i+1 < len(configs); i += 2 {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = configs[i], &configs[i+1]
		topic.Configs = append(topic.Configs, config)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, topic)
	k.check(ask(k, req.RequestWith).Topics[0].ErrorCode, name)
}

// DeleteTopic deletes a topic.
func (k *Kafka) DeleteTopic(name string) {
	k.tb.Helper()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Topics, req.TopicNames = append(req.Topics, topic), []string{name}
	k.check(ask(k, req.RequestWith).Topics[0].ErrorCode, name)
}

// Topics are the names of all topics but Kafka's own.
func (k *Kafka) Topics() (names []string) {
	k.tb.Helper()
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range ask(k, req.RequestWith).Topics {
		if t.Topic != nil && !t.IsInternal {
			names = append(names, *t.Topic)
		}
	}
	return names
}

// Allow gives a user of SASL a right to a topic or a group.
func (k *Kafka) Allow(user string, kind kmsg.ACLResourceType, name string, right kmsg.ACLOperation) {
	k.tb.Helper()
	acl := kmsg.NewCreateACLsRequestCreation()
	acl.ResourceType, acl.ResourceName, acl.ResourcePatternType = kind, name, kmsg.ACLResourcePatternTypeLiteral
	acl.Principal, acl.Host, acl.Operation, acl.PermissionType = "User:"+user, "*", right, kmsg.ACLPermissionTypeAllow
	req := kmsg.NewPtrCreateACLsRequest()
	req.Creations = append(req.Creations, acl)
	k.check(ask(k, req.RequestWith).Results[0].ErrorCode, "Allow")
}

// Disallow takes all rights from a user of SASL.
func (k *Kafka) Disallow(user string) {
	k.tb.Helper()
	principal := "User:" + user
	filter := kmsg.NewDeleteACLsRequestFilter()
	filter.ResourceType, filter.ResourcePatternType, filter.Principal = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny, &principal
	filter.Operation, filter.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	req := kmsg.NewPtrDeleteACLsRequest()
	req.Filters = append(req.Filters, filter)
	k.check(ask(k, req.RequestWith).Results[0].ErrorCode, "Disallow")
}

// Committed is how far a group got in a topic, by partition: only those where it
// committed.
func (k *Kafka) Committed(group, topic string) map[int32]int64 {
	k.tb.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	asked := kmsg.NewOffsetFetchRequestGroup()
	req.Group, asked.Group = group, group
	req.Groups = append(req.Groups, asked)
	got := map[int32]int64{}
	answer := ask(k, func(ctx context.Context, to kmsg.Requestor) (*kmsg.OffsetFetchResponse, error) {
		answer, err := req.RequestWith(ctx, to)
		if errors.Is(err, kerr.CoordinatorNotAvailable) { // yet: nobody has committed
			return kmsg.NewPtrOffsetFetchResponse(), nil
		}
		return answer, err
	})
	for _, g := range answer.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if t.Topic == topic && p.Offset >= 0 {
					got[p.Partition] = p.Offset
				}
			}
		}
	}
	return got
}
