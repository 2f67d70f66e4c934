// Command kafkasink delivers the records of other connectors to topics of Kafka.
// README.md says how to configure it.
package main

import (
	"errors"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/kafka"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

var _ = snaprail.Register(&sink{})

func main() {}

const (
	// maxTopics bounds the topics that records may name: each is a session.
	maxTopics = 48
	// openTime is what a broker has to answer for the first time.
	openTime = 3 * time.Second
	// waitTime is how long a step waits for the brokers. What is under way then
	// stays so, and is waited for again.
	waitTime = 2 * time.Second
	// glance is how long the first topic of several is waited for before the second
	// is written: they are under way together.
	glance = time.Millisecond
)

// sink is the connector.
type sink struct {
	config config
	topics map[string]kafka.Topic
	// done are records that came behind one which is handed in again, and are in
	// Kafka: they are handed in again too.
	done map[string]bool
	said string // the last word on what is wrong

	forms map[source]*form
	form  *form // of the last record
	call  delivery
}

// Open connects for the topic, if there is but one.
func (s *sink) Open(in *abi.OpenInput, _ *snaprail.Step) error {
	if err := s.configure(in); err != nil {
		return err
	}
	if s.config.topic.fixed() {
		_, err := s.open(s.config.Topic)
		return err
	}
	return nil
}

// Test asks a broker for the topic.
func (s *sink) Test(in *abi.OpenInput) abi.TestResult {
	if err := s.configure(in); err != nil {
		return snaprail.TestFailed(err)
	}
	if !s.config.topic.fixed() {
		return abi.TestResult{Success: true, Message: "the records name the topics: no broker was asked"}
	}
	if _, err := s.open(s.config.Topic); err != nil {
		return snaprail.TestFailed(err)
	}
	return abi.TestResult{Success: true, Message: "a broker answers"}
}

func (s *sink) configure(in *abi.OpenInput) error {
	s.topics, s.done, s.said = map[string]kafka.Topic{}, map[string]bool{}, ""
	s.forms, s.form = map[source]*form{}, nil
	s.config = config{Value: valuePayload, Key: keyRecord, Headers: true}
	if err := snaprail.Config(in, &s.config); err != nil {
		return err
	}
	return s.config.check()
}

// errTooMany is why a record goes to quarantine: to hold it would hold all others.
var errTooMany = errors.New("the records name more topics than one sink serves")

// open is the session of a topic. One that is to be made is made.
func (s *sink) open(name string) (kafka.Topic, error) {
	if topic, known := s.topics[name]; known {
		return topic, nil
	}
	if len(s.topics) >= maxTopics {
		return kafka.Topic{}, errTooMany
	}
	topic, err := kafka.Open(s.config.args(name))
	if err != nil {
		return topic, err
	}
	if c := s.config.Create; c != nil {
		if _, err := topic.Ensure(c.Partitions, c.Replication, nil); err != nil {
			return topic, err
		}
	}
	s.topics[name] = topic
	return topic, nil
}

// Deliver produces the records, in their order. It waits until the brokers have them
// when it has something to say of one, or is told to.
func (s *sink) Deliver(in *abi.DeliverInput, step *snaprail.Step) error {
	d := &s.call
	d.begin(s, in)
	at := 0
	for p := range in.Parts {
		part := &in.Parts[p]
		for i := range part.Batch.Records {
			d.sort(at, part, i)
			at++
		}
	}
	if !d.later(step) {
		d.send()
		s.settle(d, step)
	}
	return nil
}

// settle says how each record ended. All from the first on that is to be tried
// again are handed in again.
func (s *sink) settle(d *delivery, step *snaprail.Step) {
	for i := range d.ends {
		e := &d.ends[i]
		switch {
		case e.after > 0:
			s.hold(d, i)
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

// hold remembers what of the records that are handed in again is in Kafka.
func (s *sink) hold(d *delivery, from int) {
	done := map[string]bool{}
	for at := from; at < len(d.ends); at++ {
		if e := &d.ends[at]; e.after == 0 && e.reason == "" && !e.skip {
			part, i := d.recordAt(at)
			done[part.Key(i)] = true
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

// hostError is the error of a host call.
func hostError(err error) *abi.Error {
	if e, ok := errors.AsType[*abi.Error](err); ok {
		return e
	}
	return &abi.Error{Text: err.Error()}
}
