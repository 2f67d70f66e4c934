package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
)

// The forms of a payload.
const (
	formatPayload = "payload"
	formatValues  = "values"
)

// config is what README.md says.
type config struct {
	URL           string   `json:"url"`
	Version       int      `json:"version"`
	ClientID      string   `json:"client_id"`
	Username      string   `json:"username"`
	Password      string   `json:"password"`
	SessionExpiry int      `json:"session_expiry"`
	CleanStart    bool     `json:"clean_start"`
	KeepAlive     int      `json:"keep_alive"`
	CA            string   `json:"ca"`
	Certificate   string   `json:"certificate"`
	Key           string   `json:"key"`
	ServerName    string   `json:"server_name"`
	AllowInsecure bool     `json:"allow_insecure"`
	Subscriptions []wanted `json:"subscriptions"`

	Device      string `json:"device"`
	Format      string `json:"format"`
	ContentType string `json:"content_type"`
	Retained    bool   `json:"retained"`
	SourceKey   string `json:"source_key"`

	Publish     string `json:"publish_topic"`
	RPC         string `json:"rpc_topic"`
	Attributes  string `json:"attributes_topic"`
	AnyTopic    bool   `json:"any_topic"`
	PublishQoS  byte   `json:"publish_qos"`
	PublishKept bool   `json:"publish_retain"`

	filters []filter
}

// wanted is a row of subscriptions. What it does not say is the config's.
type wanted struct {
	Topic       string `json:"topic"`
	QoS         *byte  `json:"qos"`
	Device      string `json:"device"`
	Format      string `json:"format"`
	ContentType string `json:"content_type"`
}

// filter is a row, read: a topic with the names that its levels have.
type filter struct {
	wanted
	filter string
	levels []string
}

// The names that a level of a topic may have.
const (
	levelDevice = "${device}"
	levelName   = "${name}"
)

func (c *config) check() error {
	for i := range c.Subscriptions {
		f, err := c.read(c.Subscriptions[i])
		if err != nil {
			return invalid(fmt.Sprintf("/subscriptions/%d/%v", i, err))
		}
		c.filters = append(c.filters, f)
	}
	for _, t := range []struct{ at, text string }{{"publish_topic", c.Publish}, {"rpc_topic", c.RPC}, {"attributes_topic", c.Attributes}} {
		if strings.ContainsAny(t.text, "+#") {
			return invalid("/" + t.at + ": a topic to publish to has no + and no #")
		}
		for _, name := range names(t.text) {
			if name != "device" && name != "method" {
				return invalid("/" + t.at + ": there is no ${" + name + "}: want ${device} or ${method}")
			}
		}
	}
	return nil
}

func invalid(text string) error {
	return &abi.Error{Kind: abi.FaultInvalid, Code: "invalid_config", Text: text, Hint: "Correct the config."}
}

// names are the names in a template.
func names(template string) (all []string) {
	abi.Expand(template, func(name string) (string, bool) {
		all = append(all, name)
		return "", true
	})
	return all
}

// read reads a row: a level that has a name stands for any.
func (c *config) read(w wanted) (filter, error) {
	f := filter{wanted: w}
	topic, shared := w.Topic, ""
	if rest, ok := strings.CutPrefix(topic, "$share/"); ok {
		group, plain, found := strings.Cut(rest, "/")
		if !found {
			return f, fmt.Errorf("topic: want $share/group/topic")
		}
		shared, topic = "$share/"+group+"/", plain
	}
	f.levels = strings.Split(topic, "/")
	plain := make([]string, len(f.levels))
	seen := map[string]bool{}
	for i, level := range f.levels {
		plain[i] = level
		if level == levelDevice || level == levelName {
			plain[i] = "+"
		}
		switch {
		case plain[i] == "+" && level != "+" && seen[level]:
			return f, fmt.Errorf("topic: %s twice", level)
		case plain[i] == level && strings.Contains(level, "${"):
			return f, fmt.Errorf("topic: want ${device} or ${name} as a whole level, and not %s", level)
		}
		seen[level] = true
	}
	if seen[levelDevice] && w.Device != "" {
		return f, fmt.Errorf("device: the topic names it")
	}
	f.filter = shared + strings.Join(plain, "/")
	f.Device = orElse(w.Device, c.Device)
	f.Format = orElse(w.Format, c.Format)
	f.ContentType = orElse(w.ContentType, c.ContentType)
	return f, nil
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// match reports whether a topic is of this row, and the device and the name that
// its levels say.
func (f *filter) match(topic string) (device, name string, ok bool) {
	device = f.Device
	for i, level := range f.levels {
		if level == "#" {
			return device, name, i > 0 || !strings.HasPrefix(topic, "$")
		}
		here, rest, more := strings.Cut(topic, "/")
		switch level {
		case levelDevice:
			device = here
		case levelName:
			name = here
		case "+":
		default:
			if level != here {
				return "", "", false
			}
		}
		topic = rest
		if last := i == len(f.levels)-1; last != !more {
			return device, name, !more && i == len(f.levels)-2 && f.levels[i+1] == "#"
		}
	}
	return device, name, true
}

// args are those of a session that receives.
func (c *config) args(connector string) mqtt.Config {
	args := c.plain()
	args.ClientID = orElse(c.ClientID, "snaprail-"+connector)
	args.SessionExpiry, args.CleanStart = time.Duration(c.SessionExpiry)*time.Second, c.CleanStart
	for _, f := range c.filters {
		qos := byte(1)
		if f.QoS != nil {
			qos = *f.QoS
		}
		args.Subscriptions = append(args.Subscriptions, mqtt.Subscription{Filter: f.filter, QoS: qos, RetainAsPublished: true})
	}
	if c.SessionExpiry == 0 && c.Version == mqtt.V311 {
		args.CleanStart = true
	}
	return args
}

// plain are those of a session that asks for nothing.
func (c *config) plain() mqtt.Config {
	return mqtt.Config{
		URL: c.URL, Version: c.Version, Username: c.Username, Password: c.Password, KeepAlive: time.Duration(c.KeepAlive) * time.Second,
		TLS: mqtt.TLS{CA: c.CA, Certificate: c.Certificate, Key: c.Key, ServerName: c.ServerName}, AllowInsecure: c.AllowInsecure,
	}
}
