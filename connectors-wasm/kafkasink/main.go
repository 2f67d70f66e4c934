// Command kafkasink delivers the records of other connectors to topics of Kafka.
// README.md says how to configure it.
package main

import (
	"errors"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/handover"
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

	ends    handover.Ends
	trouble log.Seldom
	forms   map[source]*form
	form    *form // of the last record
	call    delivery
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

// Test asks a broker for the topic, or for one as the records may name it.
func (s *sink) Test(in *abi.OpenInput) abi.TestResult {
	if err := s.configure(in); err != nil {
		return snaprail.TestFailed(err)
	}
	if s.config.topic.fixed() {
		if _, err := s.open(s.config.Topic); err != nil {
			return snaprail.TestFailed(err)
		}
		return abi.TestResult{Success: true, Message: "a broker answers"}
	}
	name := s.config.topic.sample()
	_, err := kafka.Open(s.config.args(name)) // it is not made
	switch {
	case err == nil:
		return abi.TestResult{Success: true, Message: "a broker answers, which was asked for a topic as in " + name + "; the records may name others"}
	case snaprail.IsError(err, abi.KafkaNoTopic):
		return s.ungranted()
	case snaprail.IsError(err, codeNoGrant):
		return abi.TestResult{Success: true, Message: "no broker was asked: the records name the topics, and no grant covers one as in " + name}
	}
	return snaprail.TestFailed(err)
}

// codeNoGrant is the code of what no grant covers.
const codeNoGrant = "denied"

// ungranted is the result of a test where no topic is granted that records may name.
func (s *sink) ungranted() abi.TestResult {
	return snaprail.TestFailed(&abi.Error{
		Kind: abi.FaultDenied, Code: codeNoGrant,
		Text: "no topic of " + s.config.Brokers[0] + " is granted, so that nothing can be delivered",
		Hint: "Add a grant to the connector: `snaprail grants add CONNECTOR kafka \"kafka://" + s.config.Brokers[0] + "/" + s.config.topic.texts[0] + "*\" --write`.",
	})
}

func (s *sink) configure(in *abi.OpenInput) error {
	s.topics, s.ends, s.trouble = map[string]kafka.Topic{}, handover.Ends{}, log.Seldom{}
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
	if d.later(in, step) {
		return nil
	}
	d.send()
	if reason := s.ends.Settle(step); reason != "" {
		s.trouble.Warning("records are held: " + reason)
	} else if s.trouble.Over() {
		log.Info("records are delivered again")
	}
	return nil
}
