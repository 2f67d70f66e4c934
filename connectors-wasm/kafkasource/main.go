// Command kafkasource reads a topic of Kafka in a consumer group and makes a
// record of each message. README.md says how to configure it.
package main

import (
	"cmp"
	"strconv"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/kafka"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

var _ = snaprail.Register(&source{})

func main() {}

// deviceType is that of all devices.
const deviceType = "kafka"

// maxDevice bounds the name of a device, in bytes.
const maxDevice = 200

// config is what README.md says.
type config struct {
	Brokers       []string `json:"brokers"`
	Topic         string   `json:"topic"`
	Group         string   `json:"group"`
	Instance      string   `json:"instance"`
	Start         string   `json:"start"`
	Device        string   `json:"device"`
	DeviceHeader  string   `json:"device_header"`
	DeviceByKey   bool     `json:"device_by_key"`
	ContentType   string   `json:"content_type"`
	TLS           bool     `json:"tls"`
	CA            string   `json:"ca"`
	Certificate   string   `json:"certificate"`
	Key           string   `json:"key"`
	Mechanism     string   `json:"mechanism"`
	Username      string   `json:"username"`
	Password      string   `json:"password"`
	AllowInsecure bool     `json:"allow_insecure"`
}

// source is the connector.
type source struct {
	config config
	known  snaprail.Known
	before place // what is in the outbox since before this guest: it is not taken twice
	place  place
}

// Open begins to read.
func (s *source) Open(in *abi.OpenInput, step *snaprail.Step) error {
	if err := s.configure(in); err != nil {
		return err
	}
	args := s.args()
	args.Group, args.Instance = s.config.Group, s.config.Instance
	if _, err := kafka.Open(args); err != nil {
		return err
	}
	s.before, s.place = readPlace(in.Cursor, s.config.Group), readPlace(in.Cursor, s.config.Group)
	s.known.Open(in)
	s.name(s.config.Device, step)
	return nil
}

// Test asks a broker for the topic, without a word to the group: a test must not
// take partitions from those who read.
func (s *source) Test(in *abi.OpenInput) abi.TestResult {
	if err := s.configure(in); err != nil {
		return snaprail.TestFailed(err)
	}
	topic, err := kafka.Open(s.args())
	if err != nil {
		return snaprail.TestFailed(err)
	}
	n, err := topic.Partitions()
	if err != nil {
		return snaprail.TestFailed(err)
	}
	return abi.TestResult{Success: true, Message: "the topic is there; partitions: " + strconv.FormatUint(uint64(n), 10)}
}

func (s *source) configure(in *abi.OpenInput) error {
	s.config = config{Device: deviceType, ContentType: "application/json"}
	return snaprail.Config(in, &s.config)
}

func (s *source) args() abi.KafkaOpen {
	c := &s.config
	return abi.KafkaOpen{
		Brokers: c.Brokers, Topic: c.Topic, Start: c.Start,
		TLS: c.TLS, CA: c.CA, Certificate: c.Certificate, Key: c.Key,
		Mechanism: c.Mechanism, Username: c.Username, Password: c.Password, AllowInsecure: c.AllowInsecure,
	}
}

// OnEvents makes a record of each message. One without a value is a deletion,
// and no reading.
func (s *source) OnEvents(events []abi.Event, step *snaprail.Step) error {
	for i := range events {
		e := &events[i]
		switch e.Type {
		case abi.EventData:
			m, err := kafka.Read(*e)
			switch {
			case err != nil:
				step.Reject(i, "the record cannot be read: "+err.Error())
			case s.before.has(&m):
				step.Skip(i, "a repeat")
			case m.Value == nil:
				s.place.pass(&m)
				step.Skip(i, "a deletion")
			default:
				s.place.pass(&m)
				device := s.deviceOf(&m)
				s.name(device, step)
				kafka.Fill(step.Payload(device, m.Time, s.config.ContentType, m.Value), m)
			}
		case abi.EventUp:
			log.Info("the cluster is back")
		case abi.EventDown, abi.EventGap:
			log.Warning(said(e))
		default: // none of this connector's
		}
	}
	if s.place.moved {
		step.SetCursor(s.place.append(nil))
	}
	return nil
}

func said(e *abi.Event) string {
	if e.Err != nil {
		return cmp.Or(e.Name, "the cluster is away") + ": " + e.Err.Text
	}
	return e.Name
}

// deviceOf is the device that a message is of.
func (s *source) deviceOf(m *abi.KafkaRecord) string {
	if s.config.DeviceHeader != "" {
		for _, h := range m.Headers {
			if h.Name == s.config.DeviceHeader && isName(h.Value) {
				return string(h.Value)
			}
		}
	}
	if s.config.DeviceByKey && isName(m.Key) {
		return string(m.Key)
	}
	return s.config.Device
}

func isName(b []byte) bool { return len(b) > 0 && len(b) <= maxDevice && utf8.Valid(b) }

// name tells the host of a device when it is first seen.
func (s *source) name(device string, step *snaprail.Step) {
	if !s.known.Name(step, deviceType, device) {
		log.Warning("more than " + strconv.Itoa(snaprail.MaxKnown) + " devices: " + device + " and others are not listed")
	}
}
