package mqtt

import (
	"context"
	"errors"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

var (
	errRequested = errors.New("the connection is made anew")
	errOver      = errors.New("the session is closed")
)

// run keeps the session connected until it is closed.
func (s *session) run(l *link) {
	defer close(s.done)
	defer s.group.places.leave(s.place, s)
	defer s.events.End()
	defer s.out.fail(abi.MQTTResult{Code: codeClosed, Text: "the session was closed", Retry: true})
	b := backoff{pace: s.pace}
	if l == nil {
		if l = s.reconnectOwned(&b); l == nil {
			return
		}
	}
	for {
		err := s.serve(l)
		s.ended(l, err)
		s.out.detach()
		switch {
		case errors.Is(err, errOver):
			s.depart(l)
		case errors.Is(err, errRequested):
			l.goodbye(0, err)
		default:
			l.close(err)
		}
		if l = s.reconnect(b.after(time.Since(l.began), err), &b); l == nil {
			return
		}
	}
}

// depart ends the connection with the session. Whoever watches for the will is to
// learn that nobody is there any more, whatever became of the guest: unless that has
// said goodbye itself, or was a candidate that never ran, or another session of the
// connector has the client id.
func (s *session) depart(l *link) {
	if l.will == nil || mayWill(s.set, s.granted(), l.will) != nil || s.left.Load() || !s.owned.Load() || s.group.places.shared(s.place) {
		l.goodbye(0, errOver)
		return
	}
	l.goodbye(reasonWithWill, errOver)
}

// connect makes a connection that works: the broker lets it in, and takes the
// subscriptions.
func (s *session) connect(ctx context.Context) (*link, error) {
	intro := s.introduction()
	trial := intro.trial
	l, r, err := s.caller.connect(ctx, intro)
	if err != nil {
		return nil, err
	}
	s.events.begin(l.hello.Present)
	if !trial {
		s.group.places.take(s.place, s)
		if !l.hello.Present {
			s.subscribed, s.missed = false, !intro.first || s.kept(ctx)
		}
	}
	s.mu.Lock()
	s.last = l
	s.mu.Unlock()
	l.over.Go(func() { l.write(s.out.more) })
	l.over.Go(func() { s.read(l, r) })
	s.out.attach(l, l.hello.Present)
	if trial {
		s.works()
		return l, nil
	}
	if !s.subscribed {
		if err := s.subscribe(ctx, l); err != nil {
			s.out.detach()
			l.goodbye(0, err)
			return nil, s.caller.explain(ctx, err)
		}
	}
	s.subscribed, s.introduced = true, true
	s.noteLoss()
	s.keep(ctx)
	s.works()
	return l, nil
}

// kept reports whether an earlier process left a session at the broker, which is
// to be there.
func (s *session) kept(ctx context.Context) bool {
	if s.sealed == nil || !s.set.survives() {
		return false
	}
	_, found, err := s.sealed.Kept(ctx, s.mark)
	if err != nil {
		s.log.Warn("it is not known whether the MQTT broker is to have a session", "error", err)
	}
	return found
}

// keep notes for later processes that the broker keeps a session.
func (s *session) keep(ctx context.Context) {
	if s.sealed == nil || !s.set.survives() || s.noted {
		return
	}
	if err := s.sealed.Keep(ctx, s.mark, []byte{1}); err != nil {
		s.log.Warn("a session that the MQTT broker keeps was not noted", "error", err)
		return
	}
	s.noted = true
}

// noteLoss says that the broker had nothing kept.
func (s *session) noteLoss() {
	if !s.missed || len(s.set.filters) == 0 {
		return
	}
	s.missed = false
	s.events.Gap(capability.Event{Type: abi.EventGap, Time: time.Now().UnixNano(), Name: gapSession, Err: fault.New(fault.Integrity,
		"%s had not kept the session: what was published meanwhile is lost", s.set.resource())}, 0) // nobody knows how much
}

// subscribe asks for what is wanted, and waits for the answer.
func (s *session) subscribe(ctx context.Context, l *link) error {
	if len(s.set.filters) == 0 {
		return nil
	}
	id := s.out.reserve()
	defer s.out.free(id)
	l.subID.Store(uint32(id))
	l.append(func(dst []byte) []byte { return wire.AppendSubscribe(dst, s.set.version, id, s.set.filters) }, true, nil)
	wait := time.NewTimer(s.pace.answer)
	defer wait.Stop()
	select {
	case codes := <-l.subAck:
		return s.checkSubscribed(codes)
	case <-l.done:
		return l.reason()
	case <-wait.C:
		return fault.New(fault.Timeout, "the broker does not answer the subscriptions")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session) checkSubscribed(codes []byte) error {
	if len(codes) != len(s.set.filters) {
		return fault.New(fault.ResourceUnavailable, "the broker answers %d of %d subscriptions", len(codes), len(s.set.filters))
	}
	for i, code := range codes {
		filter := &s.set.filters[i]
		switch {
		case code >= 0x80:
			return fault.New(fault.ConfigInvalid, "the broker refuses the subscription to %q: %s", fault.Clip(filter.Filter, 256), wordOf(code)).
				WithHint("Give the client the right to read the topic at the broker.")
		case code < filter.QoS:
			s.log.Warn("the MQTT broker grants a lower QoS", "filter", filter.Filter, "qos", code, "asked", filter.QoS)
		}
	}
	return nil
}

// works notes that the connection works.
func (s *session) works() {
	s.mu.Lock()
	again := s.opens > 0 || s.waited
	s.up, s.reason = true, ""
	s.opens++
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if again {
		s.log.Info("the MQTT broker is back")
		s.events.Note(capability.Event{Type: abi.EventUp, Time: time.Now().UnixNano()})
	}
}

// ended notes why a connection that worked has ended.
func (s *session) ended(l *link, err error) {
	switch {
	case errors.Is(err, errEnded) && s.place != "" && time.Since(l.began) < s.pace.steady:
		// Not all brokers say so.
		s.lose(s.caller.explain(s.quit, fault.New(fault.ResourceUnavailable, "%v; another client may have the client id %q", err, fault.Clip(s.set.args.ClientID, 64))))
	case errors.Is(err, errOver):
	case errors.Is(err, errRequested):
		s.lose(fault.New(fault.ResourceUnavailable, "%s: %v", s.set.resource(), err))
	default:
		s.lose(s.caller.explain(s.quit, err))
	}
}

// lose notes that there is no connection.
func (s *session) lose(err error) {
	f := fault.Of(err)
	s.mu.Lock()
	was := s.up
	s.up, s.reason = false, f.Text
	s.mu.Unlock()
	if was {
		s.log.Warn("the MQTT broker is lost", "error", f)
		s.events.Note(capability.Event{Type: abi.EventDown, Time: time.Now().UnixNano(), Err: f})
	}
}

// serve sees whether the broker is there until the connection fails.
func (s *session) serve(l *link) error {
	probe := time.NewTicker(min(s.pace.probe, l.keepAlive*3/4))
	defer probe.Stop()
	answer := time.NewTimer(time.Hour)
	defer answer.Stop()
	var asked time.Time
	for {
		select {
		case <-s.quit.Done():
			return errOver
		case <-s.again:
			return errRequested
		case <-l.done:
			return l.reason()
		case <-probe.C:
			if s.out.stuck(s.pace.stuck) {
				return fault.New(fault.Timeout, "the broker has not acknowledged a message for %v", s.pace.stuck)
			}
			asked = time.Now()
			l.append(wire.AppendPing, true, nil)
			answer.Reset(s.pace.answer)
		case <-answer.C:
			if l.heard.Load() < asked.UnixNano() && !l.stalled.Load() {
				return fault.New(fault.Timeout, "the broker does not answer")
			}
		}
	}
}

// reconnect makes a new connection, however long it takes; nil: the session is over.
func (s *session) reconnect(wait time.Duration, b *backoff) *link {
	for {
		if !s.pause(wait) || !s.waitTurn() {
			return nil
		}
		l, err := s.connect(s.quit)
		if err == nil {
			return l
		}
		if s.quit.Err() != nil {
			return nil
		}
		s.lose(err)
		wait = b.failed(err)
	}
}

// pause waits, unless somebody wants a connection now; false: the session is over.
func (s *session) pause(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.again:
	case <-s.regranted:
	case <-s.quit.Done():
	}
	return s.quit.Err() == nil
}

// waitTurn waits while another session of this connector has the client id: two
// that fight for it are both of no use.
func (s *session) waitTurn() bool {
	for !s.trial.Load() && !s.group.places.has(s.place, s) {
		s.mu.Lock()
		s.reason = s.set.resource() + ": another session of this connector has the client id now"
		s.mu.Unlock()
		select {
		case <-s.turn:
		case <-s.quit.Done():
			return false
		}
	}
	return true
}
