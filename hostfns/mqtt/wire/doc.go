// Package wire reads what brokers send and writes what clients send, in MQTT 5 and
// in MQTT 3.1.1. Package mqtt alone imports it.
//
// It is a codec of its own because what a broker sends is not to be trusted: a
// packet is read into memory that is bounded before it is taken, a message that is
// larger is passed over without being kept, and no input makes it panic. The
// packets of a client alone are written and those of a broker alone are read.
package wire

// The versions of the protocol, as a CONNECT names them.
const (
	V311 = 4
	V5   = 5
)

// Type is the type of a packet.
type Type byte

// The types of packets.
const (
	Connect Type = iota + 1
	ConnAck
	Publish
	PubAck
	PubRec
	PubRel
	PubComp
	Subscribe
	SubAck
	Unsubscribe
	UnsubAck
	PingReq
	PingResp
	Disconnect
	Auth
)

// MaxText is the most that a text has in any packet, in bytes.
const MaxText = 1<<16 - 1

// MaxRemaining is the most that a packet has behind its first bytes.
const MaxRemaining = 1<<28 - 1

// User is a property that a user has made up.
type User struct {
	Name, Value string
}

// Properties are those of MQTT 5 that mean something to a client. Where none is
// set, it is as if it stood there with its default.
type Properties struct {
	SessionExpiry   *uint32
	ServerKeepAlive *uint16
	ReceiveMaximum  uint16 // 0: not said
	MaximumPacket   uint32 // 0: not said
	MaximumQoS      *byte
	NoRetain        bool
	NoWildcards     bool
	NoShared        bool
	AssignedID      string
	ReasonString    string
	ServerReference string

	ContentType     string
	ResponseTopic   string
	CorrelationData []byte
	Expiry          *uint32
	TopicAlias      uint16
	User            []User
}

// Packet is one that a broker sent. What is not of its type is zero.
type Packet struct {
	Type       Type
	Dup        bool
	Retain     bool
	QoS        byte
	ID         uint16
	Topic      string
	Payload    []byte // valid until the next packet is read
	Reason     byte   // or the return code of MQTT 3.1.1
	Present    bool   // the session, of a CONNACK
	Codes      []byte // of a SUBACK
	Properties Properties
	// Passed is how large a message was whose payload was not read, as it is larger
	// than may be; 0: it was read.
	Passed int
}
