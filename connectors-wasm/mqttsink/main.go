// Command mqttsink delivers the records of other connectors to topics of an MQTT
// broker. README.md says how to configure it.
package main

import (
	"errors"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
)

var _ = snaprail.Register(&sink{})

func main() {}

const (
	// openTime is what the broker has to answer for the first time.
	openTime = 3 * time.Second
	// waitTime is how long a step waits for the broker. What is under way then stays
	// so, and is waited for again.
	waitTime = 2 * time.Second
	// holdLong and holdShort are how long records are held for what does not come
	// right by itself, and for what does.
	holdLong  = 5 * time.Second
	holdShort = 500 * time.Millisecond
	// maxCall bounds the bytes of one call, but for a record that is larger.
	maxCall = 512 << 10
)

// sink is the connector.
type sink struct {
	config  config
	session *mqtt.Session
	// done are records that came behind one which is handed in again, and are at the
	// broker: they are handed in again too.
	done map[string]bool
	said string // the last word on what is wrong
}

// Open connects.
func (s *sink) Open(in *abi.OpenInput, _ *snaprail.Step) (err error) {
	if err := s.configure(in); err != nil {
		return err
	}
	s.session, err = mqtt.Open(s.config.args())
	return err
}

// Test asks the broker with a name that it gives: a test must not take the session
// of the connector that works.
func (s *sink) Test(in *abi.OpenInput) abi.TestResult {
	if err := s.configure(in); err != nil {
		return snaprail.TestFailed(err)
	}
	args := s.config.args()
	args.ClientID = ""
	if _, err := mqtt.Open(args); err != nil {
		return snaprail.TestFailed(err)
	}
	return abi.TestResult{Success: true, Message: "the broker lets the user in"}
}

func (s *sink) configure(in *abi.OpenInput) error {
	s.done, s.said = map[string]bool{}, ""
	s.config = config{Version: mqtt.V5, Value: valuePayload, QoS: 1, Properties: true}
	if err := snaprail.Config(in, &s.config); err != nil {
		return err
	}
	return s.config.check()
}

// end is how a record ended: well, unless there is a reason.
type end struct {
	key    string
	reason string
	skip   bool
	after  time.Duration // it is to be tried again
}

// Deliver publishes the records, in their order, and waits until the broker has
// them.
func (s *sink) Deliver(in *abi.DeliverInput, step *snaprail.Step) error {
	ends := make([]end, in.Count())
	s.publish(in, ends)
	s.settle(ends, step)
	return nil
}

// publish publishes the records, a batch after the other, until one is held.
func (s *sink) publish(in *abi.DeliverInput, ends []end) {
	var batch []mqtt.Message
	var places []int // in ends, of the batch
	at, size := 0, 0
	for p := range in.Parts {
		part := &in.Parts[p]
		for i := range part.Batch.Records {
			m, publish := s.prepare(&ends[at], part, i)
			if publish && len(batch) > 0 && size+len(m.Payload) > maxCall {
				if s.send(batch, places, ends) {
					ends[at] = end{} // it was not published
					return           // what is behind waits
				}
				batch, places, size = batch[:0], places[:0], 0
			}
			if publish {
				batch, places = append(batch, m), append(places, at)
				size += len(m.Payload) + len(m.Topic)
			}
			at++
		}
	}
	if len(batch) > 0 {
		s.send(batch, places, ends)
	}
}

// prepare is the message of a record; false: there is none to publish.
func (s *sink) prepare(e *end, part *abi.DeliverPart, i int) (m mqtt.Message, publish bool) {
	r := &part.Batch.Records[i]
	if r.Kind == abi.KindGap {
		e.skip, e.reason = true, "a gap is no record"
		return m, false
	}
	if e.key = part.Key(i); s.done[e.key] {
		return m, false
	}
	topic, err := s.config.topicOf(part, r)
	if err != nil {
		e.reason = err.Error()
		return m, false
	}
	return s.config.message(topic, part, r, e.key), true
}

// send publishes a batch. true: some of it is to be tried again.
func (s *sink) send(batch []mqtt.Message, places []int, ends []end) (held bool) {
	results, err := s.session.PublishWithin(waitTime, batch...)
	if err == nil && len(results) != len(batch) {
		err = &abi.Error{Text: "the host does not answer for each message"}
	}
	if err != nil {
		after, text := holdOf(err)
		for _, at := range places {
			ends[at].after, ends[at].reason = after, text
		}
		return true
	}
	for i := range results {
		e := &ends[places[i]]
		judge(e, batch[i].Topic, &results[i])
		held = held || e.after > 0
	}
	return held
}

// judge says what becomes of a record. What a person can mend is held until then;
// what nobody can is refused.
func judge(e *end, topic string, r *mqtt.PublishResult) {
	if r.Code == "" {
		return
	}
	e.reason = "topic " + topic + ": " + r.Code
	if r.Text != "" {
		e.reason = "topic " + topic + ": " + r.Text
	}
	switch r.Code {
	case "not_authorized", "denied", "interlocked", "retain_not_supported", "qos_not_supported":
		e.after = holdLong
	default:
		if r.Retry {
			e.after = holdShort
		}
	}
}

// holdOf is how long records are held for an error of the host, and why.
func holdOf(err error) (time.Duration, string) {
	said, ok := errors.AsType[*abi.Error](err)
	if !ok {
		return holdLong, err.Error()
	}
	after := holdLong
	switch said.Kind {
	case abi.FaultTimeout, abi.FaultUnavailable, abi.FaultExhausted:
		after = holdShort
	default:
	}
	if said.RetryAfterMS > 0 {
		after = min(time.Duration(said.RetryAfterMS)*time.Millisecond, holdLong)
	}
	return after, said.Text
}

// settle says how each record ended. All from the first on that is to be tried
// again are handed in again.
func (s *sink) settle(ends []end, step *snaprail.Step) {
	for i := range ends {
		e := &ends[i]
		switch {
		case e.after > 0:
			s.hold(ends[i:])
			s.say(e.reason)
			step.Retry(i, e.after, e.reason)
			return
		case e.skip:
			step.Skip(i, e.reason)
		case e.reason != "":
			step.Reject(i, e.reason)
		}
	}
	clear(s.done)
	s.say("")
}

// hold remembers what of the records that are handed in again is at the broker.
func (s *sink) hold(again []end) {
	done := map[string]bool{}
	for i := range again {
		if e := &again[i]; e.key != "" && e.after == 0 && e.reason == "" && !e.skip {
			done[e.key] = true
		}
	}
	s.done = done
}

// say logs what is wrong once, and when it is over.
func (s *sink) say(reason string) {
	switch reason {
	case s.said:
	case "":
		log.Info("records are delivered again")
	default:
		log.Warning("records are held: " + reason)
	}
	s.said = reason
}
