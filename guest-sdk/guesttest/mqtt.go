package guesttest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Broker plays the group mqtt: a broker that keeps what is published, and hands on
// what the test says.
type Broker struct {
	tb        testing.TB
	refuse    error
	answer    func(abi.MQTTMessage) abi.MQTTResult
	sessions  []*brokerSession // the handle is 1 + the index
	published []abi.MQTTMessage
	named     map[string]bool // messages with an ID that were published
}

// brokerSession is what is known of one session.
type brokerSession struct {
	args abi.MQTTOpen
	info abi.MQTTInfo
	next *abi.MQTTMessage // the will of the next connection
	left bool             // it has said goodbye
}

// MQTT grants the group mqtt on all brokers and topics.
func (h *Harness) MQTT() *Broker {
	b := &Broker{
		tb: h.tb, named: map[string]bool{},
		answer: func(abi.MQTTMessage) abi.MQTTResult { return abi.MQTTResult{} },
	}
	h.Host("mqtt", "open", b.open)
	h.Host("mqtt", "publish", b.publish)
	h.Host("mqtt", "will", b.setWill)
	h.Host("mqtt", "reconnect", func(request []byte) ([]byte, error) { return b.tell(request, true) })
	h.Host("mqtt", "close", b.leave)
	h.Host("mqtt", "info", func(request []byte) ([]byte, error) { return b.tell(request, false) })
	return b
}

// Refuse makes open, publish and reconnect fail with err, until it is nil.
func (b *Broker) Refuse(err error) { b.refuse = err }

// Answer says what becomes of each message that is published; one with a result
// that is not empty is not kept.
func (b *Broker) Answer(answer func(abi.MQTTMessage) abi.MQTTResult) { b.answer = answer }

// Opened are the arguments of the sessions, in the order of their handles.
func (b *Broker) Opened() []abi.MQTTOpen {
	var all []abi.MQTTOpen
	for _, s := range b.sessions {
		all = append(all, s.args)
	}
	return all
}

// Published is what was published, in order.
func (b *Broker) Published() []abi.MQTTMessage { return b.published }

// Forget empties what was published.
func (b *Broker) Forget() { b.published = nil }

// Info is what the session with this handle is like: the will of its connection,
// and how many it has had.
func (b *Broker) Info(handle uint32) abi.MQTTInfo { return b.session(handle).info }

// Left reports whether the session with this handle has said goodbye, so that its will
// is not published when it ends.
func (b *Broker) Left(handle uint32) bool { return b.session(handle).left }

// NextWill is the will of the next connection; nil: none.
func (b *Broker) NextWill(handle uint32) *abi.MQTTMessage { return b.session(handle).next }

// Event is the event of messages that the first session has received. None of them
// is checked against its subscriptions.
func (b *Broker) Event(messages ...abi.MQTTMessage) abi.Event {
	return b.EventOf(1, messages...)
}

// EventOf is Event of the session with this handle.
func (b *Broker) EventOf(handle uint32, messages ...abi.MQTTMessage) abi.Event {
	b.tb.Helper()
	b.session(handle)
	received := abi.MQTTReceived{Messages: messages}
	return abi.Event{Type: abi.EventData, Handle: handle, Data: received.Append(nil)}
}

// Lost is the event of a connection that was lost; Back that of the next one, which
// has the will that was set.
func (b *Broker) Lost(handle uint32) abi.Event {
	b.tb.Helper()
	s := b.session(handle)
	s.info.Up, s.info.Reason = false, "the connection was lost"
	return abi.Event{Type: abi.EventDown, Handle: handle, Err: unavailable("the connection was lost")}
}

// Back is the event of a connection that was made anew.
func (b *Broker) Back(handle uint32) abi.Event {
	b.tb.Helper()
	b.session(handle).connect()
	return abi.Event{Type: abi.EventUp, Handle: handle}
}

func (s *brokerSession) connect() {
	s.info.Up, s.info.Reason, s.info.Will = true, "", s.next
	s.info.Connections++
}

func (b *Broker) session(handle uint32) *brokerSession {
	b.tb.Helper()
	s, err := b.find(handle)
	if err != nil {
		b.tb.Fatal(err)
	}
	return s
}

func (b *Broker) find(handle uint32) (*brokerSession, error) {
	if handle == 0 || int(handle) > len(b.sessions) {
		return nil, notFound(fmt.Sprintf("no handle %d", handle))
	}
	return b.sessions[handle-1], nil
}

func (b *Broker) open(request []byte) ([]byte, error) {
	var args abi.MQTTOpen
	if err := args.Decode(slices.Clone(request)); err != nil || b.refuse != nil {
		return nil, firstError(err, b.refuse)
	}
	at := slices.IndexFunc(b.sessions, func(s *brokerSession) bool { return sessionKey(s.args) == sessionKey(args) })
	if at < 0 {
		at = len(b.sessions)
		s := &brokerSession{args: args, next: args.Will, info: abi.MQTTInfo{ClientID: args.ClientID, MaximumQoS: 2}}
		s.connect()
		b.sessions = append(b.sessions, s)
	}
	return abi.Handle{Handle: uint32(at + 1)}.Append(nil), nil
}

// sessionKey is equal for arguments that mean the same session.
func sessionKey(args abi.MQTTOpen) string {
	args.OpenTimeoutMS = 0
	if args.Will != nil {
		args.Will = &abi.MQTTMessage{Topic: args.Will.Topic, QoS: args.Will.QoS, Retain: args.Will.Retain}
	}
	return string(args.Append(nil))
}

func (b *Broker) publish(request []byte) ([]byte, error) {
	var q abi.MQTTPublish
	if err := q.Decode(slices.Clone(request)); err != nil || b.refuse != nil {
		return nil, firstError(err, b.refuse)
	}
	s, err := b.find(q.Handle)
	if err != nil {
		return nil, err
	}
	if s.left = false; !s.info.Up {
		return nil, unavailable(s.info.Reason)
	}
	var reply abi.MQTTPublished
	for _, m := range q.Messages {
		if m.ID != "" && b.named[m.ID] { // until its end is heard, as a host does: here, for good
			reply.Results = append(reply.Results, abi.MQTTResult{})
			continue
		}
		result := b.answer(m)
		if result.Code == "" {
			b.published = append(b.published, m)
			b.named[m.ID] = true
		}
		reply.Results = append(reply.Results, result)
	}
	return reply.Append(nil), nil
}

func (b *Broker) setWill(request []byte) ([]byte, error) {
	var q abi.MQTTWill
	if err := q.Decode(slices.Clone(request)); err != nil {
		return nil, err
	}
	s, err := b.find(q.Handle)
	if err != nil {
		return nil, err
	}
	s.next = q.Will
	return nil, nil
}

func (b *Broker) leave(request []byte) ([]byte, error) {
	var h abi.Handle
	if err := h.Decode(request); err != nil {
		return nil, err
	}
	s, err := b.find(h.Handle)
	if err == nil {
		s.left = true
	}
	return nil, err
}

func (b *Broker) tell(request []byte, reconnect bool) ([]byte, error) {
	var h abi.Handle
	if err := h.Decode(request); err != nil {
		return nil, err
	}
	s, err := b.find(h.Handle)
	if err != nil {
		return nil, err
	}
	if reconnect {
		if b.refuse != nil {
			return nil, b.refuse
		}
		s.connect()
	}
	return s.info.Append(nil), nil
}

func unavailable(text string) *abi.Error {
	return &abi.Error{Kind: abi.FaultUnavailable, Code: "resource_unavailable", Text: text, RetryAfterMS: 1000}
}
