package main

import (
	"errors"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
)

// What the payload of a message is.
const (
	valuePayload = "payload"
	valueJSON    = "json"
)

// config is what README.md says.
type config struct {
	URL           string `json:"url"`
	Version       int    `json:"version"`
	ClientID      string `json:"client_id"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	KeepAlive     int    `json:"keep_alive"`
	CA            string `json:"ca"`
	Certificate   string `json:"certificate"`
	Key           string `json:"key"`
	ServerName    string `json:"server_name"`
	AllowInsecure bool   `json:"allow_insecure"`

	Topic      string `json:"topic"`
	Value      string `json:"value"`
	QoS        byte   `json:"qos"`
	Retain     bool   `json:"retain"`
	Expiry     int    `json:"expiry"`
	Properties bool   `json:"properties"`
}

// maxTopic bounds a topic, in bytes.
const maxTopic = 65535

func (c *config) check() error {
	if c.Value != valuePayload && c.Value != valueJSON {
		return snaprail.InvalidConfig("/value", "want %s or %s, not %q", valuePayload, valueJSON, c.Value)
	}
	var wrong error
	fixed := abi.Expand(c.Topic, func(name string) (string, bool) {
		switch name {
		case "device", "connector", "kind":
		default:
			wrong = snaprail.InvalidConfig("/topic", "there is no ${%s}: want ${device}, ${connector} or ${kind}", name)
		}
		return "x", true
	})
	switch {
	case wrong != nil:
		return wrong
	case fixed == "" || strings.ContainsAny(fixed, "+#\x00") || strings.Contains(fixed, "${"):
		return snaprail.InvalidConfig("/topic", "want a topic to publish to, without + and #")
	}
	return nil
}

// topicOf is the topic of a record. What would make other levels of a value, or a
// filter of the topic, becomes an underscore.
func (c *config) topicOf(part *abi.DeliverPart, r *abi.Record) (string, error) {
	empty := ""
	topic := abi.Expand(c.Topic, func(name string) (string, bool) {
		value := r.Device
		switch name {
		case "connector":
			value = part.Connector
		case "kind":
			value = r.Kind.String()
		}
		if value == "" {
			empty = name
		}
		return level(value), true
	})
	if empty != "" {
		return "", errors.New("the record has no " + empty + ", which its topic wants")
	}
	if len(topic) > maxTopic {
		return "", errors.New("its topic is too long")
	}
	return topic, nil
}

func level(value string) string {
	value = strings.Map(func(r rune) rune {
		if strings.ContainsRune("/+#", r) || r < 0x20 || r >= 0x7f && r < 0xa0 {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(value, "_"))
	if strings.HasPrefix(value, "$") {
		return "_" + value[1:]
	}
	return value
}

// args are those of the session. It keeps nothing at the broker: what is not
// acknowledged is published again.
func (c *config) args() mqtt.Config {
	return mqtt.Config{
		URL: c.URL, Version: c.Version, ClientID: c.ClientID, Username: c.Username, Password: c.Password, CleanStart: true,
		KeepAlive: time.Duration(c.KeepAlive) * time.Second, OpenTimeout: openTime,
		TLS: mqtt.TLS{CA: c.CA, Certificate: c.Certificate, Key: c.Key, ServerName: c.ServerName}, AllowInsecure: c.AllowInsecure,
	}
}
