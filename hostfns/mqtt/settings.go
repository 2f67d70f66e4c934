package mqtt

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/fault"
)

// settings are the arguments of open, checked.
type settings struct {
	args        abi.MQTTOpen // in canonical form
	address     string       // host:port
	secure      bool
	version     byte
	keepAlive   time.Duration
	openTimeout time.Duration
	filters     []wire.Filter
	key         string
}

const (
	defaultKeepAlive = 30 * time.Second
	minKeepAlive     = 5 * time.Second
	maxKeepAlive     = 65535 * time.Second
	defaultOpen      = 10 * time.Second
	maxWait          = time.Hour
	maxFilters       = 64
)

func (s *settings) resource() string { return brokers + s.address }

// survives reports whether the broker keeps the session when this process ends.
func (s *settings) survives() bool { return s.args.SessionExpiryS > 0 && !s.args.CleanStart }

// clean reports whether a connection begins with nothing: the first, or any other.
// MQTT 3.1.1 knows no expiry, and keeps a session for good unless it is clean.
func (s *settings) clean(first bool) bool {
	if s.version == wire.V311 {
		return s.args.SessionExpiryS == 0
	}
	return first && s.args.CleanStart
}

func readSettings(args []byte) (*settings, error) {
	s := &settings{}
	a := &s.args
	if err := a.Decode(append([]byte(nil), args...)); err != nil { // the will is kept
		return nil, fault.Wrap(fault.Invalid, err, "mqtt.open: the request cannot be read")
	}
	var err error
	if s.address, s.secure, err = address(a.URL); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "mqtt.open: the URL %q", fault.Clip(a.URL, 256))
	}
	a.URL = schemePlain + "://" + s.address
	if s.secure {
		a.URL = schemeTLS + "://" + s.address
	}
	a.Version = cmp.Or(a.Version, wire.V5)
	if err := s.check(); err != nil {
		return nil, err
	}
	s.version = byte(a.Version) //nolint:gosec // 4 or 5
	a.KeepAliveS = cmp.Or(a.KeepAliveS, uint64(defaultKeepAlive.Seconds()))
	s.keepAlive = min(max(seconds(a.KeepAliveS), minKeepAlive), maxKeepAlive)
	if err := s.readFilters(); err != nil {
		return nil, err
	}
	s.openTimeout = cmp.Or(min(time.Duration(min(a.OpenTimeoutMS, 1<<40))*time.Millisecond, maxWait), defaultOpen)
	a.OpenTimeoutMS = 0 // how long somebody waits for a session makes it no other
	s.key = s.keyOf()
	return s, nil
}

// keyOf is the key of the session: a guest that opens with another payload in its
// will means the same one, or two clients would fight for the client id.
func (s *settings) keyOf() string {
	keyed := s.args
	if w := s.args.Will; w != nil {
		keyed.Will = &abi.MQTTMessage{Topic: w.Topic, QoS: w.QoS, Retain: w.Retain}
	}
	return string(keyed.Append(nil))
}

func seconds(n uint64) time.Duration {
	return time.Duration(min(n, 1<<32-1)) * time.Second
}

func (s *settings) check() error {
	a := &s.args
	switch {
	case a.Version != wire.V5 && a.Version != wire.V311:
		return fault.New(fault.Invalid, "mqtt.open: the version is 5, or 4 for MQTT 3.1.1, and not %d", a.Version)
	case a.ClientID != "" && checkText(a.ClientID) != nil:
		return fault.New(fault.Invalid, "mqtt.open: the client id %v", errText)
	case len(a.Username) > wire.MaxText || len(a.Password) > wire.MaxText:
		return fault.New(fault.Invalid, "mqtt.open: a user name and a password have at most %d bytes", wire.MaxText)
	case a.ClientID == "" && a.SessionExpiryS > 0:
		return fault.New(fault.Invalid, "mqtt.open: a session that the broker keeps needs a client id").
			WithHint("Name a client id that no other client has, or set no session expiry.")
	case a.Version == wire.V311 && a.SessionExpiryS > 0 && a.CleanStart:
		return fault.New(fault.Invalid, "mqtt.open: with MQTT 3.1.1, a clean start keeps nothing afterwards")
	case !s.secure && !a.AllowInsecure && (a.Password != "" || strings.HasPrefix(a.Username, abi.SecretPrefix)):
		return fault.New(fault.Invalid, "mqtt.open: mqtt:// shows the login to whoever listens").
			WithHint("Use mqtts://, or set allow_insecure if the network is trusted.")
	case !s.secure && (a.CA != "" || a.Certificate != "" || a.Key != "" || a.ServerName != ""):
		return fault.New(fault.Invalid, "mqtt.open: there are certificates, but mqtt:// does not use TLS").
			WithHint("Write mqtts://.")
	case (a.Certificate == "") != (a.Key == ""):
		return fault.New(fault.Invalid, "mqtt.open: a certificate and its key go together")
	}
	if a.Will == nil {
		return nil
	}
	return checkWill(a.Will)
}

func checkWill(w *abi.MQTTMessage) error {
	switch err := checkTopic(w.Topic); {
	case err != nil:
		return fault.New(fault.Invalid, "mqtt: the topic of a will %v", err)
	case len(w.Payload) > wire.MaxText:
		return fault.New(fault.Invalid, "mqtt: the payload of a will has at most %d bytes", wire.MaxText)
	}
	if problem := badMessage(w); problem != "" {
		return fault.New(fault.Invalid, "mqtt: the will %s", problem)
	}
	return nil
}

// badMessage says what is wrong with a message beside its topic; "": nothing.
func badMessage(m *abi.MQTTMessage) string {
	switch {
	case m.QoS > 2:
		return "has a QoS of 0, 1 or 2"
	case len(m.ContentType) > wire.MaxText || len(m.CorrelationData) > wire.MaxText:
		return "has a content type and correlation data of at most 65535 bytes"
	case m.ResponseTopic != "" && checkTopic(m.ResponseTopic) != nil:
		return "has a response topic that is none"
	}
	for _, h := range m.UserProperties {
		if len(h.Name) > wire.MaxText || len(h.Value) > wire.MaxText || checkValue(h.Value) != nil {
			return "has user properties whose names and values are UTF-8 of at most 65535 bytes"
		}
	}
	return ""
}

func checkValue(b []byte) error {
	if slices.Contains(b, 0) || !utf8.Valid(b) {
		return errText
	}
	return nil
}

func (s *settings) readFilters() error {
	if len(s.args.Subscriptions) > maxFilters {
		return fault.New(fault.Invalid, "mqtt.open: at most %d subscriptions", maxFilters)
	}
	seen := map[string]bool{}
	for _, sub := range s.args.Subscriptions {
		shown := fault.Clip(sub.Filter, 256)
		if err := checkFilter(sub.Filter); err != nil {
			return fault.New(fault.Invalid, "mqtt.open: the filter %q %v", shown, err)
		}
		group, _, _ := unshared(sub.Filter)
		switch {
		case group == "+":
			return fault.New(fault.Invalid, "mqtt.open: the filter %q names no group", shown)
		case sub.QoS > 2 || sub.RetainHandling > 2:
			return fault.New(fault.Invalid, "mqtt.open: the QoS and the retain handling of %q are 0, 1 or 2", shown)
		case group != "" && sub.NoLocal:
			return fault.New(fault.Invalid, "mqtt.open: %q is shared, and cannot leave out what this client publishes", shown)
		case seen[sub.Filter]:
			return fault.New(fault.Invalid, "mqtt.open: the filter %q twice", shown)
		}
		seen[sub.Filter] = true
		s.filters = append(s.filters, wire.Filter{
			Filter: sub.Filter, QoS: byte(sub.QoS), NoLocal: sub.NoLocal,
			RetainAsPublished: sub.RetainAsPublished, RetainHandling: byte(sub.RetainHandling),
		})
	}
	return nil
}

// wants reports whether a message for this topic was asked for.
func (s *settings) wants(topic string) bool {
	for i := range s.filters {
		_, plain, err := unshared(s.filters[i].Filter)
		if err == nil && matches(plain, topic) {
			return true
		}
	}
	return false
}

// messageOf is a message as it is written. It outlives the call, and has its own
// copy of everything: one that is kept would keep the whole batch.
func messageOf(m *abi.MQTTMessage) *wire.Message {
	w := &wire.Message{Topic: m.Topic, Payload: bytes.Clone(m.Payload), QoS: byte(m.QoS), Retain: m.Retain} //nolint:gosec // whoever calls has checked it
	w.Properties = wire.Properties{ContentType: m.ContentType, ResponseTopic: m.ResponseTopic, CorrelationData: bytes.Clone(m.CorrelationData)}
	if m.ExpiryS > 0 {
		w.Properties.Expiry = new(m.ExpiryS)
	}
	for _, h := range m.UserProperties {
		w.Properties.User = append(w.Properties.User, wire.User{Name: h.Name, Value: string(h.Value)})
	}
	return w
}

// received is a message as the guest gets it.
func received(p *wire.Packet) abi.MQTTMessage {
	m := abi.MQTTMessage{
		Topic: p.Topic, Payload: p.Payload, QoS: uint32(p.QoS), Retain: p.Retain, Duplicate: p.Dup,
		ContentType: p.Properties.ContentType, ResponseTopic: p.Properties.ResponseTopic, CorrelationData: p.Properties.CorrelationData,
	}
	if p.Properties.Expiry != nil {
		m.ExpiryS = *p.Properties.Expiry
	}
	for _, u := range p.Properties.User {
		m.UserProperties = append(m.UserProperties, abi.Header{Name: u.Name, Value: []byte(u.Value)})
	}
	return m
}
