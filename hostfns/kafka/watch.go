package kafka

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// watch looks at the cluster until the session ends: the library tries for ever,
// and says nothing.
func (s *session) watch() {
	for {
		pause := s.pace.probe
		if !s.isUp() {
			pause = min(pause, s.pace.retry)
		}
		select {
		case <-s.quit.Done():
			return
		case <-time.After(pause):
		}
		err := s.look()
		switch {
		case s.quit.Err() != nil:
			return
		case err != nil:
			s.setDown(fault.Of(err))
		default:
			s.setUp()
		}
	}
}

func (s *session) look() error {
	ctx, cancel := context.WithTimeout(s.quit, s.pace.answer)
	defer cancel()
	if err := s.probe(ctx); err != nil {
		return err
	}
	return s.illness()
}

// probe asks a broker for the topic: whether one answers, lets this login in,
// knows the topic, and names leaders that may be talked to.
func (s *session) probe(ctx context.Context) error {
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = new(s.set.args.Topic)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, s.current())
	if err == nil && len(resp.Topics) == 1 {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		return s.explain(ctx, err)
	}
	if len(resp.Topics) != 1 {
		return fault.New(fault.ResourceUnavailable, "%s: a broker does not answer what it was asked", s.set.resource())
	}
	if err := s.checkLeaders(resp); err != nil {
		return s.masked(err)
	}
	return nil
}

// checkLeaders says which partition cannot be reached.
func (s *session) checkLeaders(resp *kmsg.MetadataResponse) error {
	leaders := map[int32]bool{}
	for _, p := range resp.Topics[0].Partitions {
		if p.Leader < 0 {
			return fault.New(fault.ResourceUnavailable, "%s: partition %d has no leader", s.set.resource(), p.Partition)
		}
		leaders[p.Leader] = true
	}
	for _, b := range resp.Brokers {
		if !leaders[b.NodeID] {
			continue
		}
		if err := s.dialer.allow(hostPort(b.Host, b.Port)); err != nil {
			return err
		}
	}
	return nil
}

// illness is what was wrong with reading lately; nil: nothing.
func (s *session) illness() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ill != nil && time.Since(s.illSince) < 2*s.pace.probe+s.pace.answer {
		return s.ill
	}
	s.ill = nil
	return nil
}

func (s *session) setIll(f *fault.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ill, s.illSince = f, time.Now()
}

func (s *session) setUp() {
	s.mu.Lock()
	was, again := s.up, s.opens > 0
	if !was && s.ill == nil {
		s.up, s.reason = true, ""
		s.opens++
	}
	now := s.up
	s.mu.Unlock()
	if !was && now && again {
		s.log.Info("kafka cluster reached")
		s.tell(capability.Event{Type: abi.EventUp})
	}
}

func (s *session) setDown(f *fault.Fault) {
	if m, ok := s.masked(f).(*fault.Fault); ok { //nolint:errorlint // masked answers a fault
		f = m
	}
	s.mu.Lock()
	was := s.up
	s.up, s.reason = false, f.Text
	s.mu.Unlock()
	if was {
		s.log.Warn("kafka cluster lost", "error", f)
		s.tell(capability.Event{Type: abi.EventDown, Err: f})
	}
}

// tell adds a word on the session to its events.
func (s *session) tell(e capability.Event) {
	if s.events != nil {
		e.Time = time.Now().UnixNano()
		s.events.note(e)
	}
}

// explain makes a fault of an error of the library.
func (s *session) explain(ctx context.Context, err error) error {
	return s.masked(s.faultOf(ctx, err))
}

func (s *session) faultOf(ctx context.Context, err error) error {
	where := s.set.resource()
	var (
		known *kerr.Error
		ended *kgo.ErrFirstReadEOF
		f     *fault.Fault
	)
	trouble := s.dialer.trouble()
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fault.Wrap(fault.Canceled, ctx.Err(), "%s", where)
	case errors.As(err, &f):
		return f
	case errors.As(err, &known):
		return refused(where, known)
	case errors.As(err, &ended), errors.Is(err, io.EOF):
		return fault.Wrap(fault.ResourceUnavailable, err, "%s: the broker hangs up at once", where).
			WithHint("Check the user name, the password and the mechanism, and whether this port speaks TLS: brokers end a connection without a word for any of them.")
	case trouble != nil:
		return trouble
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Timeout, err, "%s: no broker answered in time", where).
			WithHint("Check that the brokers are up, and that their addresses are right.")
	}
	if e := fault.Of(egress.Explain(err)); e.Kind == fault.PeerTLS {
		return e
	}
	return fault.Wrap(fault.ResourceUnavailable, err, "%s: the broker", where).
		WithHint("Check that the brokers are up, that their addresses are right, and the login.")
}

// refused is what a broker answered.
func refused(where string, e *kerr.Error) *fault.Fault {
	switch e.Code {
	case kerr.SaslAuthenticationFailed.Code, kerr.UnsupportedSaslMechanism.Code, kerr.IllegalSaslState.Code:
		return fault.Wrap(fault.ConfigInvalid, e, "%s: the broker does not let the user in", where).
			WithHint("Check the user name, the password and the mechanism.")
	case kerr.TopicAuthorizationFailed.Code, kerr.GroupAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Code:
		return fault.Wrap(fault.ConfigInvalid, e, "%s: the broker says %s", where, e.Message).
			WithHint("Give the user the right to this topic and, to consume it, to the group, at the broker.")
	case kerr.UnknownTopicOrPartition.Code:
		return fault.Wrap(fault.NotFound, e, "%s: there is no such topic", where).
			WithHint("Create the topic, or let the connector ensure it.")
	}
	kind := fault.ResourceUnavailable
	if !e.Retriable {
		kind = fault.ConfigInvalid
	}
	return fault.Wrap(kind, e, "%s: the broker says %s", where, e.Message)
}
