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
	emitted abi.Emitted
	reply   []byte // of receive, so that other calls do not overwrite the events
	stopped bool
	err     error
}

func (l *Loop) start(step *Step) {
	l.step, l.stopped, l.err = step, false, nil
	l.emitted = abi.Emitted{}
	l.events.Events = l.events.Events[:0]
}

// Receive waits for events and reports whether the loop goes on. It may come
// back with none after the timeout. Events that arrive together with the stop
// are handed out first; the next Receive ends the loop.
func (l *Loop) Receive(timeout time.Duration) bool {
	l.events.Events = l.events.Events[:0]
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

// Step is what is being built.
func (l *Loop) Step() *Step { return l.step }

// Emit commits the step and starts an empty one; it answers the sequence of the
// block that holds it. A step that asks for nothing is not sent, and the answer
// is the last sequence. After an error nothing was committed and the step is
// still whole: an *abi.Error of kind exhausted or unavailable may pass.
func (l *Loop) Emit() (sequence uint64, err error) {
	request := l.step.out.Append(hostcall.Request())
	if len(request) == 0 {
		return l.emitted.Sequence, nil
	}
	reply, err := hostEmit(request)
	if err != nil {
		return 0, err
	}
	if err := l.emitted.Decode(reply); err != nil {
		return 0, err
	}
	l.step.reset()
	return l.emitted.Sequence, nil
}

// Err is why the loop ended, nil after a stop.
func (l *Loop) Err() error { return l.err }
