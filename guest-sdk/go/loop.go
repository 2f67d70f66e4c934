package snaprail

import (
	"errors"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Loop is what a guest in run mode works with: it waits for events, builds a
// step and commits it, until the host stops it.
//
//	for loop.Receive(time.Second) {
//		for _, event := range loop.Events() {
//			// add to loop.Step()
//		}
//		if _, err := loop.Emit(); err != nil {
//			return err
//		}
//	}
//	return loop.Err()
//
// What the step still holds when Run returns nil is its answer, and is applied
// too.
type Loop struct {
	step    *Step
	events  abi.Events
	reply   []byte // of receive, so that other calls do not overwrite the events
	next    int    // of the events, for Message
	stopped bool
	err     error
}

func (l *Loop) start(step *Step) {
	l.step, l.stopped, l.err = step, false, nil
	l.events.Events = l.events.Events[:0]
	l.next = 0
}

// Receive waits for events and reports whether the loop goes on. It may come
// back with none after the timeout. Events that arrive together with the stop
// are handed out first; the next Receive ends the loop.
func (l *Loop) Receive(timeout time.Duration) bool {
	l.events.Events, l.next = l.events.Events[:0], 0
	if l.stopped || l.err != nil {
		return false
	}
	request := abi.Receive{TimeoutMS: milliseconds(timeout)}.Append(hostcall.Request())
	reply, err := hostReceive(&l.reply, request)
	if err == nil {
		err = l.events.Decode(reply)
	}
	if err != nil {
		l.fail(err)
		return false
	}
	l.takeStop()
	return !l.stopped || len(l.events.Events) > 0
}

// takeStop notes a stop and ends the events before it.
func (l *Loop) takeStop() {
	for i := range l.events.Events {
		if l.events.Events[i].Type == abi.EventStop {
			l.stopped = true
			l.events.Events = l.events.Events[:i]
			return
		}
	}
}

func (l *Loop) fail(err error) {
	l.events.Events = l.events.Events[:0]
	if fault, ok := errors.AsType[*abi.Error](err); ok && fault.Kind == abi.FaultClosed {
		l.stopped = true // the host is past waiting for us
		return
	}
	l.err = err
}

// Events are what the last Receive brought, valid until the next.
func (l *Loop) Events() []abi.Event { return l.events.Events }

// Serve hands the messages among the events to the handlers of a value: its
// PublishHandler, QueryHandler and so on. A message without a handler is answered
// as unsupported; one whose handler fails is answered with the error, and the
// step is what it was before. Emit sends the answers.
func (l *Loop) Serve(handler any) {
	for i := range l.events.Events {
		if m := l.events.Events[i].Message; m != nil && l.events.Events[i].Type == abi.EventMessage {
			deliver(handler, i, m, l.step)
		}
	}
}

// Message waits for the next message and reports whether the loop goes on; the
// message is nil when none came in time. It is for a guest that works with
// messages alone: other events that come in between are passed over.
func (l *Loop) Message(timeout time.Duration) (m *abi.Message, more bool) {
	for {
		for l.next < len(l.events.Events) {
			event := &l.events.Events[l.next]
			l.step.input = l.next
			l.next++
			if event.Type == abi.EventMessage && event.Message != nil {
				return event.Message, true
			}
		}
		if !l.Receive(timeout) {
			return nil, false
		}
		if len(l.events.Events) == 0 {
			return nil, true
		}
	}
}

// Step is what is being built.
func (l *Loop) Step() *Step { return l.step }

// Emit is Emit of the loop's step.
func (l *Loop) Emit() (sequence uint64, err error) { return Emit(l.step) }

// Err is why the loop ended, nil after a stop.
func (l *Loop) Err() error { return l.err }
