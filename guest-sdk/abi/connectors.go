package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// ConnectorCall is the request of snaprail:connectors call: a message to
// another connector of the same tenant.
type ConnectorCall struct {
	Connector string // its name
	// Message is what is sent. Its correlation, deadline, sender and way are the
	// host's to say.
	Message   *Message
	TimeoutMS uint64 // 0: what the caller's own call has left
	OneWay    bool   // no reply is wanted
}

// ConnectorReplies is the answer of snaprail:connectors call: all replies, in
// their order.
type ConnectorReplies struct {
	Replies []Reply
}

// Append adds the encoded request to dst.
func (c *ConnectorCall) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, c.Connector)
	if c.Message != nil {
		var mark int
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(c.Message.Append(dst), mark)
	}
	dst = wire.AppendUint(dst, 3, c.TimeoutMS)
	return wire.AppendBool(dst, 4, c.OneWay)
}

// Decode reads the encoded request into c. The byte slices of its message alias
// src.
func (c *ConnectorCall) Decode(src []byte) error {
	*c = ConnectorCall{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			c.Connector = r.Text("")
		case 2<<3 | wire.Bytes:
			if c.Message == nil {
				c.Message = new(Message)
			}
			r.Fail(c.Message.merge(r.Bytes()))
		case 3<<3 | wire.Varint:
			c.TimeoutMS = r.Uint()
		case 4<<3 | wire.Varint:
			c.OneWay = r.Uint() != 0
		}
	}
	return r.Err()
}

// Append adds the encoded replies to dst.
func (c *ConnectorReplies) Append(dst []byte) []byte {
	var mark int
	for i := range c.Replies {
		dst, mark = wire.Begin(dst, 1)
		dst = wire.End(c.Replies[i].Append(dst), mark)
	}
	return dst
}

// Decode reads the encoded replies into c. The byte slices of the replies alias
// src.
func (c *ConnectorReplies) Decode(src []byte) error {
	*c = ConnectorReplies{Replies: c.Replies[:0]}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			if n := len(c.Replies); hasRoom(&r, "replies", n, MaxItems) {
				c.Replies = append(c.Replies, Reply{})
				r.Fail(at("reply", n, c.Replies[n].Decode(r.Bytes())))
			}
		}
	}
	return r.Err()
}
