package mqtt

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The names of gaps, as the guest sees them.
const (
	gapSession  = "session_lost"
	gapFull     = "queue_full"
	gapTooLarge = "message_too_large"
)

var (
	errRequested = errors.New("the connection is made anew")
	errOver      = errors.New("the session is closed")
)

// run keeps the session connected until it is closed.
func (s *session) run(l *link) {
	defer close(s.done)
	defer s.group.places.leave(s.place, s)
	defer s.events.end()
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
	trial := intro.as != ""
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
	s.events.note(capability.Event{Type: abi.EventGap, Time: time.Now().UnixNano(), Name: gapSession, Err: fault.New(fault.Integrity,
		"%s had not kept the session: what was published meanwhile is lost", s.set.resource())})
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
		s.events.note(capability.Event{Type: abi.EventUp, Time: time.Now().UnixNano()})
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
		s.events.note(capability.Event{Type: abi.EventDown, Time: time.Now().UnixNano(), Err: f})
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
		s.reason = "another session of this connector has the client id now"
		s.mu.Unlock()
		select {
		case <-s.turn:
		case <-s.quit.Done():
			return false
		}
	}
	return true
}

// backoff says how long to wait before another connection.
type backoff struct {
	pace     pace
	attempts int
	contests int
}

// maxContest is the longest wait after another client has taken the session.
const maxContest = 5 * time.Minute

// takenOver is the error of a session that another client has taken.
type takenOver struct{ *fault.Fault }

// Unwrap is the fault.
func (t takenOver) Unwrap() error { return t.Fault }

// after is the wait after a connection that lasted so long.
func (b *backoff) after(lasted time.Duration, err error) time.Duration {
	if lasted >= b.pace.steady {
		b.attempts, b.contests = 0, 0
	}
	if errors.Is(err, errRequested) || errors.Is(err, errOver) {
		return 0
	}
	if _, taken := errors.AsType[takenOver](err); taken {
		wait := b.pace.contest << min(b.contests, 10)
		b.contests++
		return jitter(min(wait, maxContest))
	}
	return b.failed(err)
}

// failed is the wait after an attempt.
func (b *backoff) failed(err error) time.Duration {
	if !mayHelp(err) {
		return jitter(b.pace.again)
	}
	wait := min(100*time.Millisecond<<min(b.attempts, 20), b.pace.retry)
	b.attempts++
	return jitter(wait)
}

// jitter keeps clients that were lost together from coming back together.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d*3/4 + rand.N(d/2+1) //nolint:gosec // nothing to guess
}

// read takes what the broker sends until the connection fails.
func (s *session) read(l *link, r *wire.Reader) {
	for {
		p, err := r.Next()
		if err != nil {
			l.fail(lost(err))
			return
		}
		l.heard.Store(time.Now().UnixNano())
		if err := s.handle(l, &p); err != nil {
			l.fail(err)
			return
		}
	}
}

func (s *session) handle(l *link, p *wire.Packet) error {
	switch p.Type {
	case wire.Publish:
		return s.message(l, p)
	case wire.PubAck, wire.PubRec, wire.PubComp:
		l.answer(s.out.acknowledged(p))
	case wire.PubRel:
		l.answer(s.events.release(p.ID))
	case wire.SubAck:
		if uint32(p.ID) == l.subID.Swap(0) {
			l.subAck <- p.Codes
		}
	case wire.Disconnect:
		f := refused(p.Reason, &p.Properties)
		if p.Reason == reasonTakenOver {
			return takenOver{f.WithHint("Another client has the same client id: name another one.")}
		}
		if f.Kind == fault.ConfigInvalid && p.Reason != reasonNotAuthorized && p.Reason != reasonOtherServer && p.Reason != reasonServerMoved {
			f.Kind = fault.ResourceUnavailable
		}
		return f
	case wire.UnsubAck, wire.PingResp:
	default:
		return fault.New(fault.ResourceUnavailable, "the broker does not speak MQTT: packet type %d", p.Type)
	}
	return nil
}

// message takes a message in.
func (s *session) message(l *link, p *wire.Packet) error {
	if p.QoS > 0 {
		if answer, known := s.events.known(p); known {
			l.answer(answer)
			return nil
		}
	}
	if !s.set.wants(p.Topic) {
		s.unwanted.Add(1) // of an old subscription, or of none: the guest has no right to it
		if p.QoS > 0 {
			l.answer(s.events.refuse(p))
		}
		return nil
	}
	now := time.Now().UnixNano()
	var data []byte
	if p.Passed == 0 && len(p.Properties.User) <= abi.MaxHeaders {
		received := abi.MQTTReceived{Messages: []abi.MQTTMessage{received(p)}}
		data = received.Append(make([]byte, 0, len(p.Payload)+len(p.Topic)+64))
	}
	if data == nil || len(data) > abi.MaxRecord {
		return s.passOver(l, p, now)
	}
	if p.QoS == 0 && !s.events.hasRoom(len(data), 1) {
		s.events.drop(capability.Event{Type: abi.EventGap, Time: now, Name: gapFull, Err: fault.New(fault.Exhausted,
			"mqtt: messages of QoS 0 came faster than they were taken, and were dropped")})
		return nil
	}
	if p.QoS > 0 {
		if err := s.waitRoom(l, len(data)); err != nil {
			return err // the broker sends it again
		}
	}
	s.received.Add(1)
	s.events.push(capability.Event{Type: abi.EventData, Time: now, Data: data}, p.QoS, p.ID, false)
	return nil
}

// saySeldom is the shortest time between two lines of the log on messages that are
// passed over: whoever may publish a topic sends as many as he likes.
const saySeldom = time.Minute

// passOver tells of a message that is too large for a guest. One that is to be
// acknowledged takes room as any other, and the broker waits for it.
func (s *session) passOver(l *link, p *wire.Packet, now int64) error {
	f := fault.New(fault.TooLarge, "mqtt: a message for %q has more than %d bytes, or than %d user properties", fault.Clip(p.Topic, 256), abi.MaxRecord, abi.MaxHeaders)
	if now-s.said.Load() >= int64(saySeldom) {
		s.said.Store(now)
		s.log.Warn("MQTT message passed over", "error", f)
	}
	gap := capability.Event{Type: abi.EventGap, Time: now, Name: gapTooLarge, Err: f}
	if p.QoS == 0 {
		s.events.drop(gap)
		return nil
	}
	if err := s.waitRoom(l, 0); err != nil {
		return err // the broker sends it again
	}
	s.events.push(gap, p.QoS, p.ID, true)
	return nil
}

// waitRoom waits until a message of QoS 1 or 2 fits: what is not read, the broker
// keeps. It does not wait for a guest that waits for this connection itself.
func (s *session) waitRoom(l *link, size int) error {
	if s.events.hasRoom(size, 1) {
		return nil
	}
	l.stalled.Store(true)
	defer func() {
		l.heard.Store(time.Now().UnixNano())
		l.stalled.Store(false)
	}()
	wait := time.NewTimer(s.pace.stall)
	defer wait.Stop()
	for !s.out.waits() {
		select {
		case <-s.events.room:
			if s.events.hasRoom(size, 1) {
				return nil
			}
			continue
		case <-l.done:
			return l.reason()
		case <-wait.C:
		}
		break
	}
	if !s.events.hasRoom(size, beyond) {
		return fault.New(fault.ResourceUnavailable, "the connector does not keep up with what comes: the connection was ended, and the broker keeps the rest")
	}
	return nil
}
