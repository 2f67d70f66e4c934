package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/mask"
	"github.com/snaprail/snaprail/runtime/queue"
)

// session is one connector's topic. Its goroutines look after the cluster
// (watch.go) and, with a group, read and commit (read.go, commit.go); Call
// produces.
type session struct {
	set    *settings
	pace   pace
	log    *slog.Logger
	mask   *mask.Mask
	dialer *dialer
	login  login

	flights *flights
	line    line
	events  *inbound
	passed  capability.Seldom // tells the log of records that are too large
	lacks   capability.Seldom // and of those that are gone

	committing sync.Mutex

	quit    context.Context //nolint:containedctx // it ends with the session
	cancel  context.CancelFunc
	running sync.WaitGroup
	closing sync.Once
	closed  chan struct{}
	again   chan struct{} // a token: grants have changed, look at once

	mu       sync.Mutex // guards what follows
	client   *kgo.Client
	giveUp   context.CancelFunc // ends what the client waits for
	up       bool
	opens    uint64
	reason   string // why it is not up
	ill      *fault.Fault
	illSince time.Time
	illWrite bool     // it is about writing
	topicID  [16]byte // once a broker has told it
	remade   bool     // and another since
}

var (
	_ capability.Reporter = (*session)(nil)
	_ capability.Source   = (*session)(nil)
)

func newSession(ctx context.Context, g *Group, set *settings, scope capability.Scope) (*session, error) {
	rules, err := egress.NetworkRules(Name, scope.Grants)
	if err != nil {
		return nil, err
	}
	l, err := readLogin(ctx, g.cfg.Egress, scope.Secrets, &set.args)
	if err != nil {
		return nil, err
	}
	log := scope.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log = log.With("topic", set.args.Topic)
	s := &session{
		set: set, pace: g.cfg.pace, log: log, mask: l.mask, login: l,
		dialer: &dialer{
			out: g.cfg.Egress.Revocable(rules), tls: l.tls, topic: set.args.Topic, log: log,
			guard:  &guard{purse: scope.Purse, log: log},
			failed: map[string]*fault.Fault{},
		},
		flights: newFlights(g.cfg.Records, g.cfg.Bytes),
		events:  newInbound(queue.Config{Events: g.cfg.Records, Bytes: g.cfg.Bytes, Purse: scope.Purse}),
		closed:  make(chan struct{}),
		again:   make(chan struct{}, 1),
		reason:  "no broker has answered yet",
	}
	s.dialer.grants.Store(&scope.Grants)
	s.quit, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if s.client, s.giveUp, err = s.newClient(); err != nil { //nolint:contextcheck // it outlives the call that opens it
		s.cancel()
		return nil, err
	}
	return s, nil
}

// start begins to look after the session.
func (s *session) start() capability.Session {
	s.running.Go(s.watch)
	if s.reads() {
		s.running.Go(s.read)
		s.running.Go(s.commits)
	}
	return s
}

// reads reports whether the session reads its topic: without a group its events
// are words on the cluster alone.
func (s *session) reads() bool { return s.set.args.Group != "" }

// abandon ends a session that was not started.
func (s *session) abandon() {
	s.cancel()
	s.shut(s.quit)
}

// Call implements capability.Session.
func (s *session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	if s.quit.Err() != nil {
		return nil, fault.New(fault.SessionClosed, "kafka.%s: the session of %s is closed", function, s.set.resource())
	}
	var err error
	switch function {
	case functionProduce:
		out, err = s.produce(ctx, in, out)
	case functionTopic:
		out, err = s.topic(ctx, in, out)
	case functionEnsure:
		out, err = s.ensure(ctx, in, out)
	case functionDelete:
		out, err = s.remove(ctx, in, out)
	default:
		err = fault.New(fault.Unsupported, "kafka has no function %q", function)
	}
	if err != nil {
		return nil, s.masked(err)
	}
	return out, nil
}

// leaveTime bounds the last commit and the goodbye to the group.
const leaveTime = 1500 * time.Millisecond

// Close implements capability.Session: what was acknowledged is committed, if the
// cluster is there, and the group left.
func (s *session) Close(ctx context.Context) error {
	s.closing.Do(func() {
		s.cancel()
		go s.leave(context.WithoutCancel(ctx))
	})
	select {
	case <-s.closed:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "the session of %s is still being closed", s.set.resource())
	}
}

func (s *session) leave(ctx context.Context) {
	defer close(s.closed)
	s.running.Wait()
	defer s.events.End()
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	if s.isUp() {
		s.commitLogged(ctx)
	} else {
		cancel() // nobody would hear
	}
	s.shut(ctx)
}

// shut has the client leave the group, for which ctx gives the time, and ends all
// that it runs.
func (s *session) shut(ctx context.Context) {
	s.mu.Lock()
	c, giveUp := s.client, s.giveUp
	s.mu.Unlock()
	c.AllowRebalance()
	_ = c.LeaveGroupContext(ctx) // the broker will miss the member by itself
	giveUp()
	c.UnsafeAbortBufferedRecords()
	// A poll that was given up may have counted itself in since: the client would
	// wait for its end for ever, on a goroutine of its own.
	c.AllowRebalance()
	c.Close()
	c.AllowRebalance()
}

func (s *session) current() *kgo.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client
}

func (s *session) isUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up
}

// masked is an error without the secrets of the login.
func (s *session) masked(err error) error {
	if err == nil || s.mask == nil {
		return err
	}
	return s.mask.Fault(fault.Of(err))
}

// Condition implements capability.Reporter.
func (s *session) Condition() capability.Condition {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := capability.Condition{Up: s.up, Reason: s.reason, Opens: s.opens, Counts: s.flights.counts()}
	if c.Dropped, c.Buffered = s.events.Counts(c.Counts); s.reads() {
		c.Counts["read"], c.Counts["acknowledged"], c.Counts["behind"] = s.events.progress()
	}
	return c
}

// Ready implements capability.Source.
func (s *session) Ready() <-chan struct{} { return s.events.Ready() }

// Take implements capability.Source.
func (s *session) Take(dst []capability.Event, items, bytes int) []capability.Event {
	return s.events.Take(dst, items, bytes)
}

// Ack implements capability.Source: what is acknowledged will be committed.
func (s *session) Ack(n int) { s.events.ack(n) }

// Rewind implements capability.Source.
func (s *session) Rewind() { s.events.rewind() }

// Deaf implements capability.Deaf: nothing comes to a session without a group.
func (s *session) Deaf() bool { return !s.reads() }

// Replayable implements capability.Source: a group goes on where it committed.
func (s *session) Replayable() bool { return true }
