package control

import (
	"context"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/deploy"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// Topic implements capability.Deployment. A topic that was there before is used,
// and left when the deployment goes: it is not in the ledger.
func (s *site) Topic(ctx context.Context, t *abi.DeployTopic) (abi.Deployed, error) {
	if t.Cluster == nil || len(t.Cluster.Brokers) == 0 {
		return abi.Deployed{}, fault.New(fault.Invalid, "deploy.topic: the topic %.64q has no cluster to be made in", t.Name).
			WithHint("Say the brokers and the login in Cluster.")
	}
	if _, ours := s.ledger.Deployment().Resource(deploy.KindTopic, t.Name); !ours && !s.tearing {
		there, err := s.topicThere(ctx, t)
		if err != nil {
			return abi.Deployed{}, err
		}
		if there {
			return abi.Deployed{ID: t.Name, Existed: true}, nil
		}
	}
	return s.ensure(ctx, deploy.KindTopic, t.Name, t.Append(nil))
}

func (s *site) topicThere(ctx context.Context, t *abi.DeployTopic) (bool, error) {
	session, err := s.topicAt(ctx, t)
	if err != nil {
		return false, err
	}
	defer session.Close(ctx)
	return session.There, nil
}

// topicAt opens a topic with the grants of the connector that deploys.
func (s *site) topicAt(ctx context.Context, t *abi.DeployTopic) (*supervisor.TopicSession, error) {
	parent, err := s.parent(ctx)
	if err != nil {
		return nil, err
	}
	at := *t.Cluster
	at.Topic, at.Group, at.Instance = t.Name, "", ""
	return s.runtime.Topic(ctx, &parent, &at)
}

// askedTopic is what a line of the ledger asks for.
func askedTopic(ask []byte) (*abi.DeployTopic, error) {
	t := &abi.DeployTopic{}
	if err := t.Decode(ask); err != nil || t.Cluster == nil {
		return nil, fault.New(fault.Integrity, "a damaged ledger: no topic")
	}
	return t, nil
}

// makeTopic makes a topic. What has not been sent, or was refused, has made
// nothing.
func (s *site) makeTopic(ctx context.Context, ask []byte) (result deploy.Result, err error) {
	t, err := askedTopic(ask)
	if err != nil {
		return result, err
	}
	session, err := s.topicAt(ctx, t)
	if err != nil {
		return result, deploy.Nothing(err)
	}
	defer session.Close(ctx)
	_, err = session.Ensure(ctx, abi.KafkaEnsure{Partitions: t.Partitions, Replication: t.Replication, Configs: t.Settings})
	if fault.Is(err, fault.Denied) || fault.Is(err, fault.ConfigInvalid) || fault.Is(err, fault.Invalid) || fault.Is(err, fault.EgressForbidden) {
		return result, deploy.Nothing(err)
	}
	result.ID = t.Name
	return result, err
}

// changeTopic leaves a topic as it is, since one that is there is not changed. One
// in another cluster is another topic, and is not made of this one: what it holds
// would be lost.
func (s *site) changeTopic(ctx context.Context, ask, from []byte) (deploy.Result, error) {
	if !sameTopic(ask, from) {
		return deploy.Result{}, fault.New(fault.Unsupported, "a topic does not move to other brokers").
			WithHint("Tear the device down first, or leave one of the brokers as it was.")
	}
	return s.makeTopic(ctx, ask)
}

// sameTopic reports whether two asks are of one topic: of one name, and with a
// broker that is named by both.
func sameTopic(a, b []byte) bool {
	x, err := askedTopic(a)
	if err != nil {
		return false
	}
	y, err := askedTopic(b)
	return err == nil && x.Name == y.Name &&
		slices.ContainsFunc(x.Cluster.Brokers, func(broker string) bool { return slices.Contains(y.Cluster.Brokers, broker) })
}

// unmakeTopic deletes a topic that the deployment made, with all that it holds.
func (s *site) unmakeTopic(ctx context.Context, ask []byte) error {
	t, err := askedTopic(ask)
	if err != nil {
		return err
	}
	session, err := s.topicAt(ctx, t)
	if err != nil {
		return err
	}
	defer session.Close(ctx)
	return session.Delete(ctx, t.Name) // a broker may not know yet that it is there
}
