package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

// What the key of a message is, and its value.
const (
	keyRecord    = "record"
	keyDevice    = "device"
	valuePayload = "payload"
	valueJSON    = "json"
)

// config is what README.md says.
type config struct {
	Brokers       []string `json:"brokers"`
	Topic         string   `json:"topic"`
	Key           string   `json:"key"`
	Value         string   `json:"value"`
	Headers       bool     `json:"headers"`
	Create        *create  `json:"create"`
	Compression   string   `json:"compression"`
	TLS           bool     `json:"tls"`
	CA            string   `json:"ca"`
	Certificate   string   `json:"certificate"`
	ClientKey     string   `json:"client_key"`
	ServerName    string   `json:"server_name"`
	Mechanism     string   `json:"mechanism"`
	Username      string   `json:"username"`
	Password      string   `json:"password"`
	AllowInsecure bool     `json:"allow_insecure"`

	topic topic
}

// create is how a topic is made that is not there.
type create struct {
	Partitions  uint32 `json:"partitions"`
	Replication uint32 `json:"replication"`
}

func (c *config) check() (err error) {
	if len(c.Brokers) == 0 {
		return snaprail.InvalidConfig("/brokers", "want at least one")
	}
	if c.Key != keyRecord && c.Key != keyDevice {
		return snaprail.InvalidConfig("/key", "want %s or %s, not %q", keyRecord, keyDevice, c.Key)
	}
	if c.Value != valuePayload && c.Value != valueJSON {
		return snaprail.InvalidConfig("/value", "want %s or %s, not %q", valuePayload, valueJSON, c.Value)
	}
	c.topic, err = readTopic(c.Topic)
	return err
}

func (c *config) args(name string) abi.KafkaOpen {
	return abi.KafkaOpen{
		Brokers: c.Brokers, Topic: name, Compression: c.Compression,
		TLS: c.TLS, CA: c.CA, Certificate: c.Certificate, Key: c.ClientKey, ServerName: c.ServerName,
		Mechanism: c.Mechanism, Username: c.Username, Password: c.Password, AllowInsecure: c.AllowInsecure,
		OpenTimeoutMS: uint64(openTime.Milliseconds()),
	}
}

// topic is a template of a topic's name: texts, and between them what a record
// has.
type topic struct {
	texts []string
	parts []string // device, connector or kind
}

const maxTopic = 249

// readTopic reads a template.
func readTopic(text string) (t topic, err error) {
	for {
		before, rest, found := strings.Cut(text, "${")
		if at := strings.IndexFunc(before, outside); at >= 0 {
			return t, snaprail.InvalidConfig("/topic", "a topic's name has no %q: want a-z, A-Z, 0-9, '.', '_' and '-'", before[at:at+1])
		}
		t.texts = append(t.texts, before)
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		switch name {
		case "device", "connector", "kind":
		default:
			closed = false
		}
		if !closed {
			return t, snaprail.InvalidConfig("/topic", "there is no ${%s}: want ${device}, ${connector} or ${kind}", name)
		}
		t.parts = append(t.parts, name)
		text = after
	}
	if t.fixed() && (t.texts[0] == "" || t.texts[0] == "." || t.texts[0] == ".." || len(t.texts[0]) > maxTopic) {
		return t, snaprail.InvalidConfig("/topic", "want the name of a topic, of 1 to %d characters", maxTopic)
	}
	return t, nil
}

// fixed reports whether all records go to one topic.
func (t *topic) fixed() bool { return len(t.parts) == 0 }

// wants reports whether a topic has a part of this name.
func (t *topic) wants(name string) bool { return slices.Contains(t.parts, name) }

// sample is a topic as a record may name it: with the names of the parts in their
// places.
func (t *topic) sample() string {
	var b strings.Builder
	b.WriteString(t.texts[0])
	for i, part := range t.parts {
		b.WriteString(part + t.texts[i+1])
	}
	return b.String()
}

// outside reports whether a topic's name may not have a character.
func outside(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
}

// of is the topic of a record. What a topic's name may not have becomes an
// underscore.
func (t *topic) of(part *abi.DeliverPart, r *abi.Record) (string, error) {
	if t.fixed() {
		return t.texts[0], nil
	}
	var b strings.Builder
	b.WriteString(t.texts[0])
	for i, p := range t.parts {
		value := r.Device
		switch p {
		case "connector":
			value = part.Connector
		case "kind":
			value = r.Kind.String()
		}
		b.WriteString(strings.Map(func(c rune) rune {
			if outside(c) {
				return '_'
			}
			return c
		}, value))
		b.WriteString(t.texts[i+1])
	}
	name := b.String()
	if name == "" || name == "." || name == ".." || len(name) > maxTopic {
		return "", fmt.Errorf("%.64q is no name of a topic", name)
	}
	return name, nil
}
