package supervisor

import (
	"context"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// groupKafka is the group that a deployment's topics are made through.
const groupKafka = "kafka"

// TopicSession is a topic at its brokers, for a deployment to make or to delete.
type TopicSession struct {
	// There says whether there was a topic when the session was opened.
	There bool

	tenant  *Tenant
	session capability.Session
}

// Topic opens a topic for a connector, under its grants of the group kafka, which
// have to cover it with the right to write, and with its named secrets. A grant
// with an interlock does not count: no message is there that it could judge.
// Errors are free of secrets. The caller closes the session.
func (t *Tenant) Topic(ctx context.Context, c *spec.Connector, open *abi.KafkaOpen) (*TopicSession, error) {
	group, ok := t.super.cfg.Groups.Group(groupKafka)
	if !ok {
		return nil, fault.New(fault.Unsupported, "this server has no group kafka")
	}
	args := open.Append(nil)
	target, err := group.Target(args)
	if err != nil {
		return nil, err
	}
	grants := plainGrants(c.Grants, groupKafka)
	if err := capability.Check(groupKafka, grants, target.Resource, spec.Write); err != nil {
		return nil, err
	}
	config, err := t.config(ctx, c)
	if err != nil {
		return nil, err
	}
	h := t.newHost(c.ID)
	session, err := group.Open(ctx, capability.Scope{
		Grants: grants, Owner: c.ID, Log: h.notes, Purse: t.purse, Secrets: actor.SecretsOf(config, c.Grants, h.Secret),
	}, args)
	if err != nil {
		return nil, t.maskedFault(err)
	}
	reporter, ok := session.(capability.Reporter)
	return &TopicSession{There: ok && reporter.Condition().Up, tenant: t, session: session}, nil
}

// Ensure makes the topic unless it is there.
func (s *TopicSession) Ensure(ctx context.Context, q abi.KafkaEnsure) (reply abi.KafkaEnsured, err error) {
	out, err := s.session.Call(ctx, "ensure", q.Append(nil), nil)
	if err != nil {
		return reply, s.tenant.maskedFault(err)
	}
	return reply, reply.Decode(out)
}

// Delete deletes the topic, if it is there.
func (s *TopicSession) Delete(ctx context.Context, name string) error {
	q := abi.KafkaDelete{Topic: name}
	if _, err := s.session.Call(ctx, "delete", q.Append(nil), nil); err != nil {
		return s.tenant.maskedFault(err)
	}
	return nil
}

// Close ends the session.
func (s *TopicSession) Close(ctx context.Context) {
	s.tenant.closed(s.session.Close(context.WithoutCancel(ctx)))
}
