package mqtt

import (
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

// read takes what the broker sends until the connection fails.
func (s *session) read(l *link, r *wire.Reader) {
	for {
		p, err := r.Next()
		if err != nil {
			l.fail(lost(l.conn, err))
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
	kept, err := s.admit(l, p, capability.Event{Type: abi.EventData, Time: now, Data: data})
	switch {
	case kept:
		s.received.Add(1)
	case err == nil:
		s.events.Gap(capability.Event{Type: abi.EventGap, Time: now, Name: gapFull, Err: fault.New(fault.Exhausted,
			"mqtt: messages of QoS 0 came faster than they were taken, and were dropped")}, 1)
	}
	return err
}

// passOver tells of a message that is too large for a guest. One that is to be
// acknowledged takes room as any other, and the broker waits for it.
func (s *session) passOver(l *link, p *wire.Packet, now int64) error {
	f := fault.New(fault.TooLarge, "mqtt: a message for %q has more than %d bytes, or than %d user properties", fault.Clip(p.Topic, 256), abi.MaxRecord, abi.MaxHeaders)
	if held, ok := s.passed.Say(); ok {
		s.log.Warn("MQTT message passed over", "error", f, "unsaid", held)
	}
	gap := capability.Event{Type: abi.EventGap, Time: now, Name: gapTooLarge, Err: f}
	if p.QoS == 0 {
		s.events.Gap(gap, 1)
		return nil
	}
	_, err := s.admit(l, p, gap)
	return err
}

// admit keeps the event of a message. Of one of QoS 0 that has no room nothing is
// kept; with the others the broker waits, and sends it again after an error.
func (s *session) admit(l *link, p *wire.Packet, e capability.Event) (kept bool, err error) {
	if s.events.push(e, p.QoS, p.ID) {
		return true, nil
	}
	if p.QoS == 0 {
		return false, nil
	}
	l.stalled.Store(true)
	defer func() {
		l.heard.Store(time.Now().UnixNano())
		l.stalled.Store(false)
	}()
	wait, again := time.NewTimer(s.pace.stall), time.NewTicker(purseWait)
	defer wait.Stop()
	defer again.Stop()
	for !s.out.waits() { // a guest that waits for this connection itself is not waited for
		select {
		case <-s.events.Room():
		case <-again.C:
		case <-l.done:
			return false, l.reason()
		case <-wait.C:
			return s.squeeze(e, p)
		}
		if s.events.push(e, p.QoS, p.ID) {
			return true, nil
		}
	}
	return s.squeeze(e, p)
}

// purseWait is how often whoever waits for room looks whether the tenant's purse has
// some again: what others give back they do not tell.
const purseWait = 50 * time.Millisecond

// squeeze keeps the event beyond the bounds, for what the guest waits for may come
// behind it.
func (s *session) squeeze(e capability.Event, p *wire.Packet) (kept bool, err error) {
	s.events.Widen(beyond)
	defer s.events.Widen(1)
	if s.events.push(e, p.QoS, p.ID) {
		return true, nil
	}
	return false, fault.New(fault.ResourceUnavailable, "the connector, or its tenant's others, do not keep up with what comes: the connection was ended, and the broker keeps the rest")
}
