// Package mqtt publishes and receives messages of MQTT brokers that were granted
// (group mqtt).
//
// What is received comes to the guest as events: EventData with messages (see
// Received), EventDown and EventUp when the broker goes and comes back, EventGap
// when messages were lost: "session_lost" if the broker did not keep the session,
// "queue_full" if those of QoS 0 came too fast, "message_too_large". The host
// connects again by itself, and subscribes again. Messages of QoS 1 and 2 are
// acknowledged to the broker once what the guest made of them is safe, so that a
// connector has nothing to acknowledge.
//
// A secret of the connector is named, not known: the host puts it where Username,
// Password or a field of TLS says secret://name.
//
//	session, err := mqtt.Open(mqtt.Config{
//		URL: "mqtts://broker:8883", ClientID: "rail-1", SessionExpiry: 24 * time.Hour,
//		Subscriptions: []mqtt.Subscription{{Filter: "plant/+/readings", QoS: 1}},
//	})
//	results, err := session.Publish(mqtt.Message{Topic: "plant/pump1/set", Payload: payload, QoS: 1})
package mqtt

import (
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// The versions of MQTT.
const (
	V311 = 4
	V5   = 5
)

// Config says what to connect to. Only URL must be set. The fields are described
// at abi.MQTTOpen.
type Config struct {
	URL      string // mqtt://host:1883 or mqtts://host:8883
	Version  int    // V311 or V5; 0: V5
	ClientID string // empty: the broker gives one
	Username string
	Password string // without TLS only with AllowInsecure
	// CleanStart and SessionExpiry say what the broker keeps while nobody is
	// connected. A session that survives has a ClientID, an expiry and no CleanStart.
	CleanStart    bool
	SessionExpiry time.Duration
	KeepAlive     time.Duration // 0: 30 s
	// Will is what the broker publishes when the connection is lost, and when the
	// session ends without a goodbye: see Close. A guest that
	// takes over a session finds the will that is set there: see SetWill. WillDelay
	// is MQTT 5's.
	Will          *Message
	WillDelay     time.Duration
	Subscriptions []Subscription

	TLS           TLS
	AllowInsecure bool // permits a password without TLS

	QueueMessages  int // received and not acknowledged; 0: the host's bound
	QueueBytes     int
	ReceiveMaximum int
	OpenTimeout    time.Duration // 0: 10 s
}

// TLS is what mqtts:// asks of TLS beyond the system's ways, in PEM.
type TLS struct {
	CA          string // authorities beside the system's
	Certificate string // the client's, with its chain
	Key         string
	ServerName  string // to expect; empty: the URL's host
}

// Subscription is a topic filter to receive, as in plant/+/readings or
// $share/group/plant/#.
type Subscription struct {
	Filter string
	QoS    byte
	// NoLocal, RetainAsPublished and RetainHandling are MQTT 5's.
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte
}

// Message is a message to publish. What stands below Retain is MQTT 5's; MQTT
// 3.1.1 leaves it out.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool

	ContentType     string
	ResponseTopic   string
	CorrelationData []byte
	MessageExpiry   time.Duration // in whole seconds; 0: never
	UserProperties  []abi.Header

	// ID names a message of QoS 1 or 2, in every version: it is not sent again while
	// one with the same ID is under way, or nobody has heard of its end.
	ID string
}

// PublishResult is empty for a message that was published; with a Code, it was
// not, and Retry says whether another attempt may succeed.
type PublishResult = abi.MQTTResult

// Info is what a connection is like.
type Info = abi.MQTTInfo

// Session is an open session. The host keeps it while guests of the connector
// come and go, and closes it when none of them opens it again.
type Session struct {
	handle uint32
}

// Open connects to the broker, or takes over the session that this connector has
// with the same config, whatever the payload of its will. It waits until the
// broker has answered the subscriptions. The error is an *abi.Error: denied
// without a grant for the broker or a topic, invalid for a login that is refused,
// unavailable or timeout when nobody answers.
func Open(config Config) (*Session, error) {
	args := config.args()
	reply, err := hostOpen(args.Append(hostcall.Request()))
	if err != nil {
		return nil, err
	}
	var h abi.Handle
	if err := h.Decode(reply); err != nil {
		return nil, err
	}
	return &Session{handle: h.Handle}, nil
}

// Handle is what the session's events carry.
func (s *Session) Handle() uint32 { return s.handle }

// Publish sends messages, in order, and waits until the broker has acknowledged
// those of QoS 1 and 2 (PUBACK, PUBCOMP), and those of QoS 0 are sent; no longer
// than the guest's call may take. Each has a result of its own: one that is not
// acknowledged in time, "not_acknowledged", stays under way, and may come twice if
// it is published again without an ID. The error is an *abi.Error: unavailable when
// the broker is away, exhausted when too much is under way. Then nothing was sent.
func (s *Session) Publish(messages ...Message) ([]PublishResult, error) {
	return s.PublishWithin(0, messages...)
}

// PublishWithin is Publish with a time to wait; 0: as long as the call may take.
func (s *Session) PublishWithin(most time.Duration, messages ...Message) ([]PublishResult, error) {
	request := abi.MQTTPublish{Handle: s.handle, Messages: make([]abi.MQTTMessage, len(messages))}
	if most > 0 {
		request.TimeoutMS = uint64(max(most.Milliseconds(), 1))
	}
	for i := range messages {
		request.Messages[i] = messages[i].plain()
	}
	reply, err := hostPublish(request.Append(hostcall.Request()))
	if err != nil {
		return nil, err
	}
	var published abi.MQTTPublished
	err = published.Decode(reply)
	return published.Results, err
}

// SetWill is the will of the next connection, whoever makes it: Reconnect, or the
// host after the connection was lost; nil: none.
func (s *Session) SetWill(will *Message) error {
	return s.SetWillDelay(will, 0)
}

// SetWillDelay is SetWill with a delay, of MQTT 5.
func (s *Session) SetWillDelay(will *Message, delay time.Duration) error {
	request := abi.MQTTWill{Handle: s.handle, DelayS: seconds(delay)}
	if will != nil {
		plain := will.plain()
		request.Will = &plain
	}
	_, err := hostWill(request.Append(hostcall.Request()))
	return err
}

// Reconnect ends the connection, without the will, and makes a new one. It answers
// when that is there; EventDown and EventUp come as for any other.
func (s *Session) Reconnect() (Info, error) {
	return readInfo(hostReconnect(abi.Handle{Handle: s.handle}.Append(hostcall.Request())))
}

// Info says what the connection is like: whether the broker kept the session,
// which will it has, how many connections there were.
func (s *Session) Info() (Info, error) {
	return readInfo(hostInfo(abi.Handle{Handle: s.handle}.Append(hostcall.Request())))
}

// Close says goodbye: when the host closes the session, which it does when no guest
// has it any more, the broker publishes no will. Without a goodbye it does, whether
// the connector was stopped, was deleted or has failed. Whatever the session publishes
// later takes it back. A guest that is closed for a swap says none, since another goes
// on with the session, and one that is a candidate for a swap may not.
func (s *Session) Close() error {
	_, err := hostClose(abi.Handle{Handle: s.handle}.Append(hostcall.Request()))
	return err
}

// Received are the messages of an EventData of a session. They share the event's
// memory.
func Received(event abi.Event) ([]abi.MQTTMessage, error) {
	var received abi.MQTTReceived
	err := received.Decode(event.Data)
	return received.Messages, err
}

func readInfo(reply []byte, err error) (Info, error) {
	var info Info
	if err == nil {
		err = info.Decode(append([]byte(nil), reply...))
	}
	return info, err
}

func (c *Config) args() abi.MQTTOpen {
	args := abi.MQTTOpen{
		URL: c.URL, Version: uint32(c.Version), ClientID: c.ClientID, Username: c.Username, Password: c.Password,
		CleanStart: c.CleanStart, SessionExpiryS: seconds(c.SessionExpiry), KeepAliveS: seconds(c.KeepAlive),
		WillDelayS: seconds(c.WillDelay),
		CA:         c.TLS.CA, Certificate: c.TLS.Certificate, Key: c.TLS.Key, ServerName: c.TLS.ServerName,
		AllowInsecure: c.AllowInsecure,
		QueueMessages: natural(c.QueueMessages), QueueBytes: natural(c.QueueBytes), ReceiveMaximum: uint32(natural(c.ReceiveMaximum)),
		OpenTimeoutMS: natural(int(c.OpenTimeout.Milliseconds())),
	}
	if c.Will != nil {
		will := c.Will.plain()
		args.Will = &will
	}
	for _, s := range c.Subscriptions {
		args.Subscriptions = append(args.Subscriptions, abi.MQTTSubscription{
			Filter: s.Filter, QoS: uint32(s.QoS), NoLocal: s.NoLocal,
			RetainAsPublished: s.RetainAsPublished, RetainHandling: uint32(s.RetainHandling),
		})
	}
	return args
}

func (m *Message) plain() abi.MQTTMessage {
	return abi.MQTTMessage{
		Topic: m.Topic, Payload: m.Payload, QoS: uint32(m.QoS), Retain: m.Retain,
		ContentType: m.ContentType, ResponseTopic: m.ResponseTopic, CorrelationData: m.CorrelationData,
		ExpiryS: uint32(min(seconds(m.MessageExpiry), 1<<32-1)), UserProperties: m.UserProperties, ID: m.ID,
	}
}

// seconds rounds up: what is set does not become nothing.
func seconds(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64((d + time.Second - 1) / time.Second)
}

func natural(n int) uint64 { return uint64(max(n, 0)) }
