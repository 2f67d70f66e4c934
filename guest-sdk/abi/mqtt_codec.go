package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded message to dst.
func (m *MQTTOpen) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.URL)
	dst = wire.AppendUint(dst, 2, uint64(m.Version))
	dst = wire.AppendString(dst, 3, m.ClientID)
	dst = wire.AppendString(dst, 4, m.Username)
	dst = wire.AppendString(dst, 5, m.Password)
	dst = wire.AppendBool(dst, 6, m.CleanStart)
	dst = wire.AppendUint(dst, 7, m.SessionExpiryS)
	dst = wire.AppendUint(dst, 8, m.KeepAliveS)
	if m.Will != nil {
		var mark int
		dst, mark = wire.Begin(dst, 9)
		dst = wire.End(m.Will.Append(dst), mark)
	}
	dst = wire.AppendUint(dst, 10, m.WillDelayS)
	dst = appendList(dst, 11, m.Subscriptions, (*MQTTSubscription).Append)
	dst = wire.AppendString(dst, 12, m.CA)
	dst = wire.AppendString(dst, 13, m.Certificate)
	dst = wire.AppendString(dst, 14, m.Key)
	dst = wire.AppendString(dst, 15, m.ServerName)
	dst = wire.AppendBool(dst, 16, m.AllowInsecure)
	dst = wire.AppendUint(dst, 17, m.QueueMessages)
	dst = wire.AppendUint(dst, 18, m.QueueBytes)
	dst = wire.AppendUint(dst, 19, uint64(m.ReceiveMaximum))
	dst = wire.AppendUint(dst, 20, m.OpenTimeoutMS)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *MQTTOpen) Decode(src []byte) error {
	*m = MQTTOpen{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.URL = r.Text(m.URL)
		case 2<<3 | wire.Varint:
			m.Version = uint32(r.Uint())
		case 3<<3 | wire.Bytes:
			m.ClientID = r.Text(m.ClientID)
		case 4<<3 | wire.Bytes:
			m.Username = r.Text(m.Username)
		case 5<<3 | wire.Bytes:
			m.Password = r.Text(m.Password)
		case 6<<3 | wire.Varint:
			m.CleanStart = r.Bool()
		case 7<<3 | wire.Varint:
			m.SessionExpiryS = r.Uint()
		case 8<<3 | wire.Varint:
			m.KeepAliveS = r.Uint()
		case 9<<3 | wire.Bytes:
			m.Will = readMQTTMessage(&r, m.Will)
		case 10<<3 | wire.Varint:
			m.WillDelayS = r.Uint()
		case 11<<3 | wire.Bytes:
			m.Subscriptions = readElement(&r, "subscription", m.Subscriptions, (*MQTTSubscription).Decode)
		case 12<<3 | wire.Bytes:
			m.CA = r.Text(m.CA)
		case 13<<3 | wire.Bytes:
			m.Certificate = r.Text(m.Certificate)
		case 14<<3 | wire.Bytes:
			m.Key = r.Text(m.Key)
		case 15<<3 | wire.Bytes:
			m.ServerName = r.Text(m.ServerName)
		case 16<<3 | wire.Varint:
			m.AllowInsecure = r.Bool()
		case 17<<3 | wire.Varint:
			m.QueueMessages = r.Uint()
		case 18<<3 | wire.Varint:
			m.QueueBytes = r.Uint()
		case 19<<3 | wire.Varint:
			m.ReceiveMaximum = uint32(r.Uint())
		case 20<<3 | wire.Varint:
			m.OpenTimeoutMS = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *MQTTSubscription) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Filter)
	dst = wire.AppendUint(dst, 2, uint64(m.QoS))
	dst = wire.AppendBool(dst, 3, m.NoLocal)
	dst = wire.AppendBool(dst, 4, m.RetainAsPublished)
	dst = wire.AppendUint(dst, 5, uint64(m.RetainHandling))
	return dst
}

// Decode reads the encoded message into m.
func (m *MQTTSubscription) Decode(src []byte) error {
	*m = MQTTSubscription{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Filter = r.Text(m.Filter)
		case 2<<3 | wire.Varint:
			m.QoS = uint32(r.Uint())
		case 3<<3 | wire.Varint:
			m.NoLocal = r.Bool()
		case 4<<3 | wire.Varint:
			m.RetainAsPublished = r.Bool()
		case 5<<3 | wire.Varint:
			m.RetainHandling = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *MQTTMessage) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Topic)
	dst = wire.AppendBytes(dst, 2, m.Payload)
	dst = wire.AppendUint(dst, 3, uint64(m.QoS))
	dst = wire.AppendBool(dst, 4, m.Retain)
	dst = wire.AppendBool(dst, 5, m.Duplicate)
	dst = wire.AppendString(dst, 6, m.ContentType)
	dst = wire.AppendString(dst, 7, m.ResponseTopic)
	dst = wire.AppendBytes(dst, 8, m.CorrelationData)
	dst = wire.AppendUint(dst, 9, uint64(m.ExpiryS))
	dst = appendHeaders(dst, 10, m.UserProperties)
	dst = wire.AppendString(dst, 11, m.ID)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *MQTTMessage) Decode(src []byte) error {
	*m = MQTTMessage{}
	return m.merge(src)
}

// merge reads the fields of src over those of m, as proto3 has it for a message
// that comes twice.
func (m *MQTTMessage) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Topic = r.Text(m.Topic)
		case 2<<3 | wire.Bytes:
			m.Payload = r.Bytes()
		case 3<<3 | wire.Varint:
			m.QoS = uint32(r.Uint())
		case 4<<3 | wire.Varint:
			m.Retain = r.Bool()
		case 5<<3 | wire.Varint:
			m.Duplicate = r.Bool()
		case 6<<3 | wire.Bytes:
			m.ContentType = r.Text(m.ContentType)
		case 7<<3 | wire.Bytes:
			m.ResponseTopic = r.Text(m.ResponseTopic)
		case 8<<3 | wire.Bytes:
			m.CorrelationData = r.Bytes()
		case 9<<3 | wire.Varint:
			m.ExpiryS = uint32(r.Uint())
		case 10<<3 | wire.Bytes:
			m.UserProperties = readHeader(&r, m.UserProperties)
		case 11<<3 | wire.Bytes:
			m.ID = r.Text(m.ID)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *MQTTPublish) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = appendList(dst, 2, m.Messages, (*MQTTMessage).Append)
	dst = wire.AppendUint(dst, 3, m.TimeoutMS)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *MQTTPublish) Decode(src []byte) error {
	*m = MQTTPublish{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Messages = readElement(&r, "message", m.Messages, (*MQTTMessage).Decode)
		case 3<<3 | wire.Varint:
			m.TimeoutMS = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *MQTTResult) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Code)
	dst = wire.AppendString(dst, 2, m.Text)
	dst = wire.AppendBool(dst, 3, m.Retry)
	dst = wire.AppendUint(dst, 4, uint64(m.Reason))
	dst = wire.AppendString(dst, 5, m.Hint)
	return dst
}

// Decode reads the encoded message into m.
func (m *MQTTResult) Decode(src []byte) error {
	*m = MQTTResult{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Code = r.Text(m.Code)
		case 2<<3 | wire.Bytes:
			m.Text = r.Text(m.Text)
		case 3<<3 | wire.Varint:
			m.Retry = r.Bool()
		case 4<<3 | wire.Varint:
			m.Reason = uint32(r.Uint())
		case 5<<3 | wire.Bytes:
			m.Hint = r.Text(m.Hint)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *MQTTPublished) Append(dst []byte) []byte {
	return appendList(dst, 1, m.Results, (*MQTTResult).Append)
}

// Decode reads the encoded message into m.
func (m *MQTTPublished) Decode(src []byte) error {
	*m = MQTTPublished{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Results = readElement(&r, "result", m.Results, (*MQTTResult).Decode)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *MQTTReceived) Append(dst []byte) []byte {
	return appendList(dst, 1, m.Messages, (*MQTTMessage).Append)
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *MQTTReceived) Decode(src []byte) error {
	*m = MQTTReceived{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Messages = readElement(&r, "message", m.Messages, (*MQTTMessage).Decode)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *MQTTWill) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	if m.Will != nil {
		var mark int
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(m.Will.Append(dst), mark)
	}
	dst = wire.AppendUint(dst, 3, m.DelayS)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *MQTTWill) Decode(src []byte) error {
	*m = MQTTWill{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Will = readMQTTMessage(&r, m.Will)
		case 3<<3 | wire.Varint:
			m.DelayS = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *MQTTInfo) Append(dst []byte) []byte {
	dst = wire.AppendBool(dst, 1, m.Up)
	dst = wire.AppendString(dst, 2, m.Reason)
	dst = wire.AppendString(dst, 3, m.ClientID)
	dst = wire.AppendBool(dst, 4, m.SessionPresent)
	dst = wire.AppendUint(dst, 5, m.Connections)
	if m.Will != nil {
		var mark int
		dst, mark = wire.Begin(dst, 6)
		dst = wire.End(m.Will.Append(dst), mark)
	}
	dst = wire.AppendUint(dst, 7, uint64(m.MaximumQoS))
	dst = wire.AppendBool(dst, 8, m.NoRetain)
	dst = wire.AppendUint(dst, 9, m.MaximumPacket)
	dst = wire.AppendUint(dst, 10, uint64(m.ReceiveMaximum))
	dst = wire.AppendUint(dst, 11, m.KeepAliveS)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *MQTTInfo) Decode(src []byte) error {
	*m = MQTTInfo{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Up = r.Bool()
		case 2<<3 | wire.Bytes:
			m.Reason = r.Text(m.Reason)
		case 3<<3 | wire.Bytes:
			m.ClientID = r.Text(m.ClientID)
		case 4<<3 | wire.Varint:
			m.SessionPresent = r.Bool()
		case 5<<3 | wire.Varint:
			m.Connections = r.Uint()
		case 6<<3 | wire.Bytes:
			m.Will = readMQTTMessage(&r, m.Will)
		case 7<<3 | wire.Varint:
			m.MaximumQoS = uint32(r.Uint())
		case 8<<3 | wire.Varint:
			m.NoRetain = r.Bool()
		case 9<<3 | wire.Varint:
			m.MaximumPacket = r.Uint()
		case 10<<3 | wire.Varint:
			m.ReceiveMaximum = uint32(r.Uint())
		case 11<<3 | wire.Varint:
			m.KeepAliveS = r.Uint()
		}
	}
	return r.Err()
}

// readMQTTMessage reads the current field of r into m, which may be nil.
func readMQTTMessage(r *wire.Reader, m *MQTTMessage) *MQTTMessage {
	if m == nil {
		m = new(MQTTMessage)
	}
	r.Fail(m.merge(r.Bytes()))
	return m
}
