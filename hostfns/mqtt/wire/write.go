package wire

import "encoding/binary"

// Message is one to publish, or a will. Its texts have at most MaxText bytes.
type Message struct {
	Topic      string
	Payload    []byte
	QoS        byte
	Retain     bool
	Properties Properties // those of a message; MQTT 3.1.1 has none
}

// Hello is a CONNECT.
type Hello struct {
	ClientID       string
	Username       string
	Password       []byte
	CleanStart     bool
	KeepAlive      uint16
	SessionExpiry  uint32
	ReceiveMaximum uint16 // 0: not said
	MaximumPacket  uint32 // 0: not said
	Will           *Message
	WillDelay      uint32
}

// Filter is one of a SUBSCRIBE.
type Filter struct {
	Filter            string
	QoS               byte
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte
}

// AppendHello adds a CONNECT.
func AppendHello(dst []byte, version byte, h *Hello) []byte {
	var body []byte
	body = appendText(body, "MQTT")
	var flags byte
	set := func(bit byte, on bool) {
		if on {
			flags |= bit
		}
	}
	set(1<<1, h.CleanStart)
	set(1<<6, len(h.Password) > 0)
	set(1<<7, h.Username != "" || version != V5 && len(h.Password) > 0)
	if h.Will != nil {
		flags |= 1<<2 | h.Will.QoS<<3
		set(1<<5, h.Will.Retain)
	}
	body = append(body, version, flags)
	body = binary.BigEndian.AppendUint16(body, h.KeepAlive)
	if version == V5 {
		body = appendProperties(body, func(p []byte) []byte {
			p = appendLong(p, propSessionExpiry, h.SessionExpiry)
			if h.ReceiveMaximum > 0 {
				p = binary.BigEndian.AppendUint16(append(p, propReceiveMaximum), h.ReceiveMaximum)
			}
			return appendLong(p, propMaximumPacket, h.MaximumPacket)
		})
	}
	body = appendText(body, h.ClientID)
	if w := h.Will; w != nil {
		if version == V5 {
			body = appendProperties(body, func(p []byte) []byte {
				return appendOfMessage(appendLong(p, propWillDelay, h.WillDelay), &w.Properties)
			})
		}
		body = appendText(body, w.Topic)
		body = appendBytes(body, w.Payload)
	}
	if flags&(1<<7) != 0 {
		body = appendText(body, h.Username)
	}
	if len(h.Password) > 0 {
		body = appendBytes(body, h.Password)
	}
	return append(head(dst, Connect, 0, len(body)), body...)
}

// AppendMessage adds a PUBLISH. id is 0 for QoS 0.
func AppendMessage(dst []byte, version byte, m *Message, id uint16, dup bool) []byte {
	flags := m.QoS << 1
	if m.Retain {
		flags |= 1
	}
	if dup {
		flags |= 8
	}
	properties := messageProperties(version, m)
	dst = head(dst, Publish, flags, sizeOf(version, m, len(properties)))
	dst = appendText(dst, m.Topic)
	if m.QoS > 0 {
		dst = binary.BigEndian.AppendUint16(dst, id)
	}
	if version == V5 {
		dst = append(appendNumber(dst, len(properties)), properties...)
	}
	return append(dst, m.Payload...)
}

// Size is how many bytes the PUBLISH of a message has.
func Size(version byte, m *Message) int {
	rest := sizeOf(version, m, len(messageProperties(version, m)))
	return 1 + numberSize(rest) + rest
}

func sizeOf(version byte, m *Message, properties int) int {
	n := 2 + len(m.Topic) + len(m.Payload)
	if m.QoS > 0 {
		n += 2
	}
	if version == V5 {
		n += numberSize(properties) + properties
	}
	return n
}

func messageProperties(version byte, m *Message) []byte {
	if version != V5 {
		return nil
	}
	return appendOfMessage(nil, &m.Properties)
}

func appendOfMessage(dst []byte, p *Properties) []byte {
	if p.Expiry != nil {
		dst = binary.BigEndian.AppendUint32(append(dst, propExpiry), *p.Expiry)
	}
	if p.ContentType != "" {
		dst = appendText(append(dst, propContentType), p.ContentType)
	}
	if p.ResponseTopic != "" {
		dst = appendText(append(dst, propResponseTopic), p.ResponseTopic)
	}
	if len(p.CorrelationData) > 0 {
		dst = appendBytes(append(dst, propCorrelation), p.CorrelationData)
	}
	for _, u := range p.User {
		dst = appendText(appendText(append(dst, propUser), u.Name), u.Value)
	}
	return dst
}

// AppendAck adds a PUBACK, PUBREC, PUBREL or PUBCOMP. A reason other than 0 is
// MQTT 5's.
func AppendAck(dst []byte, version byte, t Type, id uint16, reason byte) []byte {
	if version != V5 || reason == 0 {
		return binary.BigEndian.AppendUint16(head(dst, t, flags(t), 2), id)
	}
	return append(binary.BigEndian.AppendUint16(head(dst, t, flags(t), 3), id), reason)
}

// AppendSubscribe adds a SUBSCRIBE.
func AppendSubscribe(dst []byte, version byte, id uint16, filters []Filter) []byte {
	body := binary.BigEndian.AppendUint16(nil, id)
	if version == V5 {
		body = append(body, 0) // no properties
	}
	for _, f := range filters {
		options := f.QoS
		if version == V5 {
			options |= f.RetainHandling << 4
			if f.NoLocal {
				options |= 1 << 2
			}
			if f.RetainAsPublished {
				options |= 1 << 3
			}
		}
		body = append(appendText(body, f.Filter), options)
	}
	return append(head(dst, Subscribe, 2, len(body)), body...)
}

// AppendPing adds a PINGREQ.
func AppendPing(dst []byte) []byte { return head(dst, PingReq, 0, 0) }

// AppendDisconnect adds a DISCONNECT, with a reason where MQTT 5 has one.
func AppendDisconnect(dst []byte, version, reason byte) []byte {
	if version != V5 || reason == 0 {
		return head(dst, Disconnect, 0, 0)
	}
	return append(head(dst, Disconnect, 0, 2), reason, 0) // no properties
}

func head(dst []byte, t Type, flags byte, rest int) []byte {
	return appendNumber(append(dst, byte(t)<<4|flags), rest)
}

func appendNumber(dst []byte, n int) []byte {
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n)) //nolint:gosec // the low bits
}

func numberSize(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

func appendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...) //nolint:gosec // bounded by whoever calls
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(b))), b...) //nolint:gosec // bounded by whoever calls
}

func appendLong(dst []byte, id byte, v uint32) []byte {
	if v == 0 {
		return dst
	}
	return binary.BigEndian.AppendUint32(append(dst, id), v)
}

// appendProperties adds what write adds, behind its length.
func appendProperties(dst []byte, write func([]byte) []byte) []byte {
	p := write(nil)
	return append(appendNumber(dst, len(p)), p...)
}
