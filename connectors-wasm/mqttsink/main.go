// Command mqttsink delivers the records of other connectors to topics of an MQTT
// broker. README.md says how to configure it.
package main

import (
	"cmp"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/handover"
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
	// maxCall bounds the bytes of one call, but for a record that is larger.
	maxCall = 512 << 10
)

// sink is the connector.
type sink struct {
	config  config
	session *mqtt.Session
	ends    handover.Ends
	trouble log.Seldom
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
	s.ends, s.trouble = handover.Ends{}, log.Seldom{}
	s.config = config{Version: mqtt.V5, Value: valuePayload, QoS: 1, Properties: true}
	if err := snaprail.Config(in, &s.config); err != nil {
		return err
	}
	return s.config.check()
}

// Deliver publishes the records, in their order, and waits until the broker has
// them.
func (s *sink) Deliver(in *abi.DeliverInput, step *snaprail.Step) error {
	s.ends.Begin(in)
	s.publish(in)
	if reason := s.ends.Settle(step); reason != "" {
		s.trouble.Warning("records are held: " + reason)
	} else if s.trouble.Over() {
		log.Info("records are delivered again")
	}
	return nil
}

// publish publishes the records, a batch after the other, until one is held: what is
// behind it waits.
func (s *sink) publish(in *abi.DeliverInput) {
	var batch []mqtt.Message
	var places []int // of the batch
	at, size := 0, 0
	for p := range in.Parts {
		part := &in.Parts[p]
		for i := range part.Batch.Records {
			m, publish := s.prepare(at, part, i)
			if publish && len(batch) > 0 && size+len(m.Payload) > maxCall {
				if s.send(batch, places) {
					return
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
		s.send(batch, places)
	}
}

// prepare is the message of a record; false: there is none to publish.
func (s *sink) prepare(at int, part *abi.DeliverPart, i int) (m mqtt.Message, publish bool) {
	r, key := &part.Batch.Records[i], part.Key(i)
	if s.ends.Before(at, []byte(key)) {
		return m, false
	}
	if r.Kind == abi.KindGap && s.config.Value != valueJSON {
		s.ends.SkipGap(at)
		return m, false
	}
	topic, err := s.config.topicOf(part, r)
	switch {
	case err == nil:
		return s.config.message(topic, part, i, key), true
	case r.Kind == abi.KindGap: // it is of no device
		s.ends.SkipGap(at)
	default:
		s.ends.Reject(at, err.Error())
	}
	return m, false
}

// send publishes a batch. true: some of it is to be tried again.
func (s *sink) send(batch []mqtt.Message, places []int) (held bool) {
	results, err := s.session.PublishWithin(waitTime, batch...)
	if err == nil && len(results) != len(batch) {
		err = &abi.Error{Text: "the host does not answer for each message"}
	}
	if err != nil {
		for _, at := range places {
			s.ends.HoldFor(at, err)
		}
		return true
	}
	for i := range results {
		held = s.judge(places[i], batch[i].Topic, &results[i]) || held
	}
	return held
}

// judge says what becomes of a record. What a person can mend is held until then;
// what nobody can is refused.
func (s *sink) judge(at int, topic string, r *mqtt.PublishResult) (held bool) {
	if r.Code == "" {
		s.ends.Delivered(at)
		return false
	}
	reason := "topic " + topic + ": " + cmp.Or(r.Text, r.Code)
	switch r.Code {
	case "denied": // the text has the topic
		s.ends.HoldFor(at, &abi.Error{Kind: abi.FaultDenied, Code: r.Code, Text: cmp.Or(r.Text, reason), Hint: r.Hint})
		return true
	case "not_authorized", "interlocked", "retain_not_supported", "qos_not_supported":
		s.ends.Hold(at, handover.Long, reason)
		return true
	}
	if r.Retry {
		s.ends.Hold(at, handover.Shortly, reason)
		return true
	}
	s.ends.Reject(at, reason)
	return false
}
