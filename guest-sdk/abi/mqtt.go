package abi

// MQTTOpen is the request of snaprail:mqtt open; Handle is its reply. Username,
// Password and the fields in PEM may be a secret of the connector, named with
// SecretPrefix, which the guest never sees.
type MQTTOpen struct {
	URL     string // mqtt://host:1883 or mqtts://host:8883; these ports may be left out
	Version uint32 // 5, or 4 for MQTT 3.1.1; 0: 5
	// ClientID is what the broker knows the client by; empty: it is given one, and
	// nothing of the session outlives the connection.
	ClientID string
	Username string
	Password string
	// CleanStart forgets what the broker kept of an earlier session, at the first
	// connection of a session of the host. With MQTT 3.1.1 it also keeps nothing
	// afterwards.
	CleanStart bool
	// SessionExpiryS is how long the broker keeps the session while nobody is
	// connected; 0: not at all.
	SessionExpiryS uint64
	KeepAliveS     uint64 // 0: 30 s
	// Will is what the broker publishes when the connection is lost. Its payload and
	// properties are those of the first connection: a session that is adopted has
	// its own (see MQTTWill).
	Will          *MQTTMessage
	WillDelayS    uint64
	Subscriptions []MQTTSubscription

	CA          string // PEM, beside the system's authorities
	Certificate string // the client's, PEM, with Key
	Key         string
	ServerName  string // to expect; empty: the host
	// AllowInsecure permits a password without TLS, where it can be read on the way.
	AllowInsecure bool

	// QueueMessages and QueueBytes bound what the host keeps of messages that were
	// received and are not acknowledged; 0, or more than the host's: the host's.
	QueueMessages  uint64
	QueueBytes     uint64
	ReceiveMaximum uint32 // messages of QoS 1 and 2 under way to the client; 0: the host's
	OpenTimeoutMS  uint64 // until a broker answers; 0: 10 s
}

// MQTTSubscription is a topic filter to receive.
type MQTTSubscription struct {
	Filter            string
	QoS               uint32
	NoLocal           bool // MQTT 5: not what this client has published itself
	RetainAsPublished bool // MQTT 5: keep the flag of messages that are passed on
	// RetainHandling, of MQTT 5, is when messages that the broker has retained come:
	// 0 at each subscribing, 1 if the subscription is new, 2 never.
	RetainHandling uint32
}

// MQTTMessage is a message to publish, or one that was received. What stands
// below Duplicate is of MQTT 5, but for ID.
type MQTTMessage struct {
	Topic     string
	Payload   []byte
	QoS       uint32
	Retain    bool
	Duplicate bool // received: the broker may have sent it before

	ContentType     string
	ResponseTopic   string
	CorrelationData []byte
	ExpiryS         uint32 // 0: never
	UserProperties  []Header

	// ID, of a message to publish with QoS 1 or 2, names it: a second one with the ID
	// of one that is under way, or whose end nobody has heard of, is not sent, and
	// gets the result of the first.
	ID string
}

// MQTTPublish is the request of snaprail:mqtt publish; MQTTPublished is its
// reply, once the broker has acknowledged the messages of QoS 1 and 2, and those
// of QoS 0 have been sent.
type MQTTPublish struct {
	Handle   uint32
	Messages []MQTTMessage
	// TimeoutMS is how long to wait; 0: as long as the call may take. What is not
	// acknowledged then has a result that says so.
	TimeoutMS uint64
}

// MQTTPublished has a result for each message, in the order of the request.
type MQTTPublished struct {
	Results []MQTTResult
}

// MQTTResult is empty for a message that was published; or, with a Code, why it
// was not.
type MQTTResult struct {
	Code   string // as in not_authorized
	Text   string
	Retry  bool   // another attempt may succeed
	Reason uint32 // the broker's reason code, where it gave one
	Hint   string // what to do about it, where the host knows
}

// MQTTReceived is the data of an EventData of a session.
type MQTTReceived struct {
	Messages []MQTTMessage
}

// MQTTWill is the request of snaprail:mqtt will, which sets the will of the next
// connection, and has an empty reply.
type MQTTWill struct {
	Handle uint32
	Will   *MQTTMessage // nil: none
	DelayS uint64
}

// MQTTInfo is the reply of snaprail:mqtt info and reconnect, whose request is a
// Handle: what the connection is like, or the last one was.
type MQTTInfo struct {
	Up             bool
	Reason         string // why it is not up
	ClientID       string // the broker's word, where it gave one
	SessionPresent bool   // the broker had kept the session
	Connections    uint64 // so far, of this session of the host
	Will           *MQTTMessage
	MaximumQoS     uint32
	NoRetain       bool // the broker keeps no messages
	MaximumPacket  uint64
	ReceiveMaximum uint32 // messages of QoS 1 and 2 that may be under way to the broker
	KeepAliveS     uint64
}
