package mqtt

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/queue"
	"github.com/snaprail/snaprail/runtime/spec"
)

// session is one connector's client. Its goroutines connect and listen (life.go);
// Call publishes.
type session struct {
	group  *Group
	set    *settings
	pace   pace
	log    *slog.Logger
	caller *caller
	place  string      // of the client id; empty: it has none
	trial  atomic.Bool // another session of the connector has the client id: see trial.go
	alias  string      // the client id meanwhile

	events   *inbound
	out      *outbound
	received atomic.Uint64
	unwanted atomic.Uint64
	owned    atomic.Bool       // by a guest that runs, now or before
	left     atomic.Bool       // the guest has said goodbye
	passed   capability.Seldom // tells the log of messages that are too large

	quit   context.Context //nolint:containedctx // it ends with the session
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutines have returned
	again  chan struct{} // a token: connect anew, now
	turn   chan struct{} // a token: the client id may be this session's again

	regranted chan struct{} // a token: grants have changed, do not wait

	// Of whoever connects: Open, then the session's goroutine.
	waited     bool // it was down from the beginning, on trial
	introduced bool // it has had a connection with its client id
	subscribed bool // the broker's session has what is wanted
	missed     bool // it had kept nothing, and the guest has not been told
	noted      bool // what later processes are to know is kept

	sealed capability.Sealed // nil: nothing is kept
	mark   string            // the name of what is

	mu      sync.Mutex // guards what follows
	grants  []spec.Grant
	up      bool
	reason  string // why it is not up, with the broker's name
	opens   uint64
	last    *link // the newest, which may be broken
	will    *abi.MQTTMessage
	delay   uint32
	changed chan struct{} // closed when it comes up
}

var (
	_ capability.Source   = (*session)(nil)
	_ capability.Reporter = (*session)(nil)
	_ capability.Owned    = (*session)(nil)
)

func newSession(ctx context.Context, g *Group, set *settings, scope capability.Scope) (*session, error) {
	rules, err := egress.NetworkRules(Name, scope.Grants)
	if err != nil {
		return nil, err
	}
	login, err := readLogin(ctx, g.cfg.Egress, scope.Secrets, set)
	if err != nil {
		return nil, err
	}
	log := scope.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	within := func(asked uint64, most int) int {
		if asked == 0 || asked > uint64(most) {
			return most
		}
		return int(asked) //nolint:gosec // bounded
	}
	messages, size := within(set.args.QueueMessages, g.cfg.Messages), within(set.args.QueueBytes, g.cfg.Bytes)
	s := &session{
		group: g, set: set, pace: g.cfg.pace, grants: scope.Grants, log: log.With("broker", set.address),
		caller: &caller{
			set: set, login: login, out: g.cfg.Egress.Revocable(rules), answer: g.cfg.pace.answer,
			receiveMaximum: within(uint64(set.args.ReceiveMaximum), min(defaultReceive, messages)),
		},
		events: newInbound(queue.Config{Events: messages, Bytes: size, Purse: scope.Purse}),
		out:    newOutbound(set.version, g.cfg.Messages, g.cfg.Bytes, scope.Purse),
		done:   make(chan struct{}), again: make(chan struct{}, 1), turn: make(chan struct{}, 1), regranted: make(chan struct{}, 1), changed: make(chan struct{}),
		will: set.args.Will, delay: uint32(min(set.args.WillDelayS, 1<<32-1)),
		reason: set.resource() + ": the broker has not answered yet",
	}
	if set.args.ClientID != "" {
		sum := sha256.Sum256([]byte(set.address + "\x00" + set.args.ClientID))
		s.sealed, s.mark = scope.Sealed, "mqtt/session/"+hex.EncodeToString(sum[:16])
		s.alias = aliasOf(set.args.ClientID)
		s.place = scope.Owner + "\x00" + set.address + "\x00" + set.args.ClientID
	}
	s.quit, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s, nil
}

// abandon ends a session that was not started.
func (s *session) abandon() {
	s.cancel()
	s.events.End()
	s.group.places.leave(s.place, s)
}

// Call implements capability.Session.
func (s *session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	if s.quit.Err() != nil {
		return nil, fault.New(fault.SessionClosed, "mqtt.%s: the session of %s is closed", function, s.set.resource())
	}
	var err error
	switch function {
	case functionPublish, functionWill, functionReconnect:
		s.goesOn()
	}
	switch function {
	case functionPublish:
		out, err = s.publish(ctx, in, out)
	case functionWill:
		out, err = s.setWill(in, out)
	case functionReconnect:
		out, err = s.reconnectNow(ctx, in, out)
	case functionInfo:
		out, err = s.info(in, out)
	case functionClose:
		out, err = s.leave(in, out)
	default:
		err = fault.New(fault.Unsupported, "mqtt has no function %q", function)
	}
	if err != nil {
		return nil, s.masked(err)
	}
	return out, nil
}

// masked is an error without the secrets of the login.
func (s *session) masked(err error) error {
	if s.caller.login.mask == nil {
		return err
	}
	return s.caller.login.mask.Fault(fault.Of(err))
}

// maxID bounds the name of a message, in bytes.
const maxID = 256

func (s *session) publish(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.MQTTPublish
	if err := q.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "mqtt.publish: the request cannot be read")
	}
	if len(q.Messages) == 0 {
		return out[:0], nil
	}
	messages, names, results := s.prepare(q.Messages)
	f, full, away := s.out.begin(messages, names, results)
	switch {
	case away:
		return nil, s.away(functionPublish)
	case full:
		return nil, fault.New(fault.Exhausted, "mqtt.publish: too many messages to %s are under way: the broker is slow, or the tenant's connectors hold too much", s.set.resource()).
			WithHint("Nothing of this batch was sent: try it again later.").WithRetryAfter(time.Second)
	}
	reply := abi.MQTTPublished{Results: results}
	if err := s.await(ctx, f, q.TimeoutMS); err != nil {
		reply.Results = s.out.give(f)
		if errors.Is(err, context.Canceled) {
			return nil, fault.Wrap(fault.Canceled, err, "mqtt.publish to %s", s.set.resource())
		}
	}
	return reply.Append(out[:0]), nil
}

func (s *session) away(function string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fault.New(fault.ResourceUnavailable, "mqtt.%s: %s", function, s.reason).
		WithHint("Mend what the text names, if it does not pass: nothing was sent, and it can be tried again when the session is up.").WithRetryAfter(time.Second)
}

// prepare checks messages; what is wrong with one is its result.
func (s *session) prepare(list []abi.MQTTMessage) (messages []*wire.Message, names []string, results []abi.MQTTResult) {
	messages, names, results = make([]*wire.Message, len(list)), make([]string, len(list)), make([]abi.MQTTResult, len(list))
	grants := s.granted()
	for i := range list {
		m := &list[i]
		messages[i], names[i] = messageOf(m), m.ID
		if len(m.ID) > maxID {
			results[i] = abi.MQTTResult{Code: codeInvalid, Text: "an ID has at most 256 bytes"}
		} else if err := checkTopic(m.Topic); err != nil {
			results[i] = abi.MQTTResult{Code: codeInvalid, Text: "a topic " + err.Error()}
		} else if problem := badMessage(m); problem != "" {
			results[i] = abi.MQTTResult{Code: codeInvalid, Text: "a message " + problem}
		} else if !granted(grants, s.set.resource(), m.Topic, spec.Write) {
			f := unpublished(m.Topic)
			results[i] = abi.MQTTResult{Code: codeDenied, Text: f.Text, Hint: f.Hint}
		} else if barred(grants, m.Topic) {
			results[i] = abi.MQTTResult{Code: codeInterlock, Text: "the grant of the topic has an interlock, and does not name the broker: name both in one grant"}
		}
	}
	return messages, names, results
}

// unpublished is why nothing is published to a topic.
func unpublished(topic string) *fault.Fault {
	resource := topics + fault.Clip(topic, 256)
	return fault.New(fault.Denied, "no grant covers %s with the right to write", resource).
		WithHint("%s", fault.Of(capability.Check(Name, nil, resource, spec.Write)).Hint)
}

// await waits for a batch. The error is that of a context.
func (s *session) await(ctx context.Context, f *flight, timeoutMS uint64) error {
	most := maxWait
	if timeoutMS > 0 {
		most = time.Duration(min(timeoutMS, uint64(maxWait.Milliseconds()))) * time.Millisecond //nolint:gosec // at most an hour
	}
	wait, cancel := capability.BeforeDeadline(ctx, most)
	defer cancel()
	select {
	case <-f.done:
		return nil
	case <-wait.Done():
		return cmp.Or(ctx.Err(), wait.Err())
	}
}

func (s *session) setWill(in, out []byte) ([]byte, error) {
	var q abi.MQTTWill
	if err := q.Decode(bytes.Clone(in)); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "mqtt.will: the request cannot be read")
	}
	if q.Will != nil {
		if err := checkWill(q.Will); err != nil {
			return nil, err
		}
		if err := mayWill(s.set, s.granted(), q.Will); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.will, s.delay = q.Will, uint32(min(q.DelayS, 1<<32-1))
	return out[:0], nil
}

// reconnectNow makes the connection anew, and waits for it.
func (s *session) reconnectNow(ctx context.Context, in, out []byte) ([]byte, error) {
	var h abi.Handle
	if err := h.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "mqtt.reconnect: the request cannot be read")
	}
	ctx, cancel := capability.BeforeDeadline(ctx, maxWait)
	defer cancel()
	s.mu.Lock()
	before := s.opens
	s.mu.Unlock()
	capability.Signal(s.again)
	for {
		s.mu.Lock()
		up, changed := s.up && s.opens > before, s.changed
		s.mu.Unlock()
		if up {
			return s.info(in, out)
		}
		select {
		case <-changed:
		case <-s.quit.Done():
			return nil, fault.New(fault.SessionClosed, "mqtt.reconnect: the session of %s is closed", s.set.resource())
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil, fault.Wrap(fault.Canceled, ctx.Err(), "mqtt.reconnect to %s", s.set.resource())
			}
			f := fault.Of(s.away(functionReconnect))
			f.Kind = fault.Timeout
			return nil, f.WithHint("The session goes on trying, and tells when it is up.")
		}
	}
}

func (s *session) info(in, out []byte) ([]byte, error) {
	var h abi.Handle
	if err := h.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "mqtt.info: the request cannot be read")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := abi.MQTTInfo{Up: s.up, Reason: s.reason, Connections: s.opens, ClientID: s.set.args.ClientID}
	if l := s.last; l != nil {
		i.SessionPresent, i.Will, i.MaximumQoS, i.NoRetain = l.hello.Present, l.will, uint32(l.maxQoS), l.hello.Properties.NoRetain
		i.MaximumPacket, i.ReceiveMaximum, i.KeepAliveS = uint64(l.maxPacket), uint32(l.window), uint64(l.keepAlive.Seconds())
		if l.hello.Properties.AssignedID != "" {
			i.ClientID = l.hello.Properties.AssignedID
		}
	}
	return i.Append(out[:0]), nil
}

// leave notes that the guest has nothing more to say: when the session is closed, the
// broker publishes no will. What the guest does later takes it back.
func (s *session) leave(in, out []byte) ([]byte, error) {
	var h abi.Handle
	if err := h.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "mqtt.close: the request cannot be read")
	}
	s.left.Store(true)
	return out[:0], nil
}

// Own implements capability.Owned. Whoever has it goes on with it, under its client
// id.
func (s *session) Own() {
	s.goesOn()
	s.takeOver()
}

func (s *session) goesOn() {
	s.owned.Store(true)
	s.left.Store(false)
}

// Condition implements capability.Reporter.
func (s *session) Condition() capability.Condition {
	sent, under := s.out.counts()
	counts := map[string]uint64{"received": s.received.Load(), "published": sent, "under_way": under, "unwanted": s.unwanted.Load()}
	dropped, buffered := s.events.Counts(counts)
	s.mu.Lock()
	defer s.mu.Unlock()
	return capability.Condition{
		Up: s.up, Reason: s.reason, Opens: s.opens, Dropped: dropped, Buffered: buffered, Counts: counts,
	}
}

// Close implements capability.Session. The broker publishes the will: see depart.
func (s *session) Close(ctx context.Context) error {
	s.cancel()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "the session of %s is still being closed", s.set.resource())
	}
}

// Ready implements capability.Source.
func (s *session) Ready() <-chan struct{} { return s.events.Ready() }

// Take implements capability.Source.
func (s *session) Take(dst []capability.Event, items, bytes int) []capability.Event {
	return s.events.Take(dst, items, bytes)
}

// Ack implements capability.Source: the broker is told of what is acknowledged
// (I1).
func (s *session) Ack(n int) {
	list := s.events.ack(n)
	if len(list) == 0 {
		return
	}
	s.mu.Lock()
	l := s.last
	s.mu.Unlock()
	s.events.told(list, func(r receipt) bool { return l != nil && l.answer(r) })
}

// Rewind implements capability.Source.
func (s *session) Rewind() { s.events.Rewind() }

// Replayable implements capability.Source: a broker that keeps the session sends
// again what was not acknowledged, and nothing comes to a session that only publishes.
func (s *session) Replayable() bool { return s.set.survives() || s.Deaf() }

// Deaf implements capability.Deaf.
func (s *session) Deaf() bool { return len(s.set.filters) == 0 }
