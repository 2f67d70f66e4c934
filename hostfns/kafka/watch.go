package kafka

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
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
		case <-s.again:
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

// lookAgain is the wait before the second look, which a failure that came at once
// has to pass too.
const lookAgain = 200 * time.Millisecond

func (s *session) look() error {
	ctx, cancel := context.WithTimeout(s.quit, s.pace.answer)
	defer cancel()
	began := time.Now()
	err := s.probe(ctx)
	if err != nil && time.Since(began) < s.pace.answer/4 {
		// A leader may have moved in this moment, and a connection been given up for it.
		select {
		case <-time.After(min(s.pace.retry, lookAgain)):
			err = s.probe(ctx)
		case <-ctx.Done():
		}
	}
	if err != nil {
		return err
	}
	s.follow()
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
	s.noteTopic(resp.Topics[0].TopicID)
	leaders, err := s.leaders(resp)
	if err != nil {
		return s.masked(err)
	}
	return s.reach(ctx, leaders)
}

// leaders are the brokers that partitions are led by, or why one of them cannot
// be talked to.
func (s *session) leaders(resp *kmsg.MetadataResponse) ([]int32, error) {
	var all []int32
	for _, p := range resp.Topics[0].Partitions {
		if p.Leader < 0 {
			return nil, fault.New(fault.ResourceUnavailable, "%s: partition %d has no leader", s.set.resource(), p.Partition)
		}
		if !slices.Contains(all, p.Leader) {
			all = append(all, p.Leader)
		}
	}
	for _, b := range resp.Brokers {
		if !slices.Contains(all, b.NodeID) {
			continue
		}
		if err := s.dialer.allow(hostPort(b.Host, b.Port)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// mostReached bounds the leaders that one look asks.
const mostReached = 16

// reach asks leaders whether they are there: the broker that knows them may be,
// and they may not, or be where nobody may go.
func (s *session) reach(ctx context.Context, leaders []int32) error {
	client := s.current()
	failed := make([]error, min(len(leaders), mostReached))
	var asked sync.WaitGroup
	for i := range failed {
		asked.Go(func() {
			req := kmsg.NewPtrMetadataRequest()
			req.Topics = []kmsg.MetadataRequestTopic{} // of none
			_, failed[i] = client.Broker(int(leaders[i])).Request(ctx, req)
		})
	}
	asked.Wait()
	for _, err := range failed {
		if err != nil {
			return s.explain(ctx, err)
		}
	}
	return nil
}

// noteTopic sees whether the topic is still the one that it was: one that was
// deleted and made again has another ID, and the library sticks to the one that
// is gone.
func (s *session) noteTopic(id [16]byte) {
	if id == [16]byte{} {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remade = s.remade || s.topicID != [16]byte{} && s.topicID != id
	s.topicID = id
}

// errRemade is why a client is made anew.
var errRemade = errors.New("the topic was deleted and made again")

// follow makes the client anew if the topic was. With a group that is for the
// reader to do, who learns of it when its client ends.
func (s *session) follow() {
	s.mu.Lock()
	remade := s.remade
	s.remade = false
	s.mu.Unlock()
	switch {
	case !remade:
	case !s.reads():
		s.renew(errRemade)
	default:
		gone, cancel := context.WithTimeout(s.quit, leaveTime)
		s.shut(gone)
		cancel()
	}
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
	e.Time = time.Now().UnixNano()
	s.events.Note(e)
}

// maxFault bounds what is told of a fault, in bytes: a broker may say any number.
const maxFault = 1024

// explain makes a fault of an error of the library.
func (s *session) explain(ctx context.Context, err error) error {
	f := fault.Of(s.masked(s.faultOf(ctx, err)))
	if len(f.Text) > maxFault {
		f = fault.New(f.Kind, "%s", fault.Clip(f.Text, maxFault)).WithHint("%s", f.Advice())
	}
	return f
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
