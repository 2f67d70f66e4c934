package wire

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
	"pgregory.net/rapid"
)

// body is a packet without its first bytes, as the other codec wants it, and its
// header.
func body(t interface{ Fatal(...any) }, packet []byte) (packets.FixedHeader, []byte) {
	var h packets.FixedHeader
	if err := h.Decode(packet[0]); err != nil {
		t.Fatal(err)
	}
	n, used := 0, 1
	for shift := 0; ; shift += 7 {
		b := packet[used]
		used++
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	if n != len(packet)-used {
		t.Fatal("the length is not that of the packet")
	}
	h.Remaining = n
	return h, packet[used:]
}

func draw(t *rapid.T) (version byte, m *Message) {
	version = rapid.SampledFrom([]byte{V311, V5}).Draw(t, "version")
	text := rapid.StringMatching(`[a-zü/]{1,200}`)
	m = &Message{
		Topic: text.Draw(t, "topic"), Payload: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload"),
		QoS: rapid.ByteRange(0, 2).Draw(t, "qos"), Retain: rapid.Bool().Draw(t, "retain"),
	}
	if version == V5 && rapid.Bool().Draw(t, "properties") {
		m.Properties = Properties{ContentType: text.Draw(t, "type"), ResponseTopic: text.Draw(t, "response"), CorrelationData: []byte{1}, Expiry: new(uint32(7))}
		for range rapid.IntRange(0, 3).Draw(t, "users") {
			m.Properties.User = append(m.Properties.User, User{text.Draw(t, "name"), text.Draw(t, "value")})
		}
	}
	return version, m
}

func same(m *Message, topic string, payload []byte, p packets.Properties, version byte) bool {
	if topic != m.Topic || !bytes.Equal(payload, m.Payload) || version != V5 {
		return topic == m.Topic && bytes.Equal(payload, m.Payload)
	}
	users := slices.EqualFunc(p.User, m.Properties.User, func(a packets.UserProperty, b User) bool { return a.Key == b.Name && a.Val == b.Value })
	return users && p.ContentType == m.Properties.ContentType && p.ResponseTopic == m.Properties.ResponseTopic &&
		bytes.Equal(p.CorrelationData, m.Properties.CorrelationData)
}

// What is written, a codec of another make reads; and so does the reader here.
func TestMessagesOfAnotherMake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version, m := draw(t)
		id := uint16(0)
		if m.QoS > 0 {
			id = 7
		}
		written := AppendMessage(nil, version, m, id, m.QoS > 0)
		if Size(version, m) != len(written) {
			t.Fatalf("the size is %d, and not %d", len(written), Size(version, m))
		}
		h, rest := body(t, written)
		p := packets.Packet{FixedHeader: h, ProtocolVersion: version}
		if err := p.PublishDecode(slices.Clone(rest)); err != nil {
			t.Fatal(err)
		}
		if !same(m, p.TopicName, p.Payload, p.Properties, version) || h.Qos != m.QoS || h.Retain != m.Retain || p.PacketID != id {
			t.Fatalf("%+v", p)
		}
		r := NewReader(bytes.NewReader(written), version, 1<<20)
		got, err := r.Next()
		if err != nil || got.Topic != m.Topic || !bytes.Equal(got.Payload, m.Payload) || got.ID != id || !slices.Equal(got.Properties.User, m.Properties.User) {
			t.Fatalf("%+v, %v", got, err)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	})
}

func TestHelloOfAnotherMake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version, will := draw(t)
		text := rapid.StringMatching(`[a-z]{0,20}`)
		hello := Hello{
			ClientID: text.Draw(t, "id"), Username: text.Draw(t, "user"), Password: []byte(text.Draw(t, "password")), CleanStart: true,
			KeepAlive: 30, SessionExpiry: 9, ReceiveMaximum: 5, MaximumPacket: 1000,
		}
		if rapid.Bool().Draw(t, "will") && len(will.Payload) > 0 {
			hello.Will, hello.WillDelay = will, 3
		}
		h, rest := body(t, AppendHello(nil, version, &hello))
		p := packets.Packet{FixedHeader: h, ProtocolVersion: version}
		if err := p.ConnectDecode(slices.Clone(rest)); err != nil {
			t.Fatal(err)
		}
		c := p.Connect
		if p.ProtocolVersion != version || c.ClientIdentifier != hello.ClientID || string(c.Username) != hello.Username || !bytes.Equal(c.Password, hello.Password) ||
			!c.Clean || c.Keepalive != 30 || c.WillFlag != (hello.Will != nil) {
			t.Fatalf("%+v", c)
		}
		if version == V5 && (p.Properties.SessionExpiryInterval != 9 || p.Properties.ReceiveMaximum != 5 || p.Properties.MaximumPacketSize != 1000) {
			t.Fatalf("%+v", p.Properties)
		}
		if hello.Will != nil && (!same(will, c.WillTopic, c.WillPayload, c.WillProperties, version) || c.WillQos != will.QoS || c.WillRetain != will.Retain) {
			t.Fatalf("%+v", c)
		}
	})
}

func TestOthersOfAnotherMake(t *testing.T) {
	for _, version := range []byte{V311, V5} {
		filters := []Filter{{Filter: "a/+", QoS: 1}, {Filter: "$share/g/b/#", QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2}}
		h, rest := body(t, AppendSubscribe(nil, version, 9, filters))
		p := packets.Packet{FixedHeader: h, ProtocolVersion: version}
		if err := p.SubscribeDecode(rest); err != nil || p.PacketID != 9 || len(p.Filters) != 2 {
			t.Fatalf("%+v, %v", p, err)
		}
		two := p.Filters[1]
		if two.Filter != "$share/g/b/#" || two.Qos != 2 || version == V5 && (!two.NoLocal || !two.RetainAsPublished || two.RetainHandling != 2) {
			t.Errorf("%+v", two)
		}
		for _, kind := range []Type{PubAck, PubRec, PubRel, PubComp} {
			h, rest := body(t, AppendAck(nil, version, kind, 300, 0x92))
			p := packets.Packet{FixedHeader: h, ProtocolVersion: version}
			decode := map[Type]func([]byte) error{PubAck: p.PubackDecode, PubRec: p.PubrecDecode, PubRel: p.PubrelDecode, PubComp: p.PubcompDecode}[kind]
			if err := decode(rest); err != nil || h.Type != byte(kind) || p.PacketID != 300 || version == V5 && p.ReasonCode != 0x92 {
				t.Errorf("%+v, %v", p, err)
			}
		}
		h, rest = body(t, AppendDisconnect(nil, version, 4))
		p = packets.Packet{FixedHeader: h, ProtocolVersion: version}
		if err := p.DisconnectDecode(rest); err != nil || version == V5 && p.ReasonCode != 4 {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if got := AppendPing(nil); !bytes.Equal(got, []byte{0xc0, 0}) {
		t.Errorf("%x", got)
	}
}

// What a broker of another make writes is read.
func TestBrokerOfAnotherMake(t *testing.T) {
	var b bytes.Buffer
	receive, alive := uint16(20), uint16(33)
	p := packets.Packet{
		ProtocolVersion: V5, FixedHeader: packets.FixedHeader{Type: packets.Connack}, SessionPresent: true, ReasonCode: 0x87,
		Properties: packets.Properties{
			ReceiveMaximum: receive, ServerKeepAlive: alive, ServerKeepAliveFlag: true, MaximumQos: 1, MaximumQosFlag: true, RetainAvailable: 0, RetainAvailableFlag: true,
			AssignedClientID: "given", ReasonString: "why", ServerReference: "there", MaximumPacketSize: 1000,
			User: []packets.UserProperty{{Key: "a", Val: "1"}, {Key: "a", Val: "2"}},
		},
	}
	if err := p.ConnackEncode(&b); err != nil {
		t.Fatal(err)
	}
	got, err := NewReader(&b, V5, 1000).Next()
	of := got.Properties
	if err != nil || !got.Present || got.Reason != 0x87 || of.ReceiveMaximum != 20 || *of.ServerKeepAlive != 33 || *of.MaximumQoS != 1 || !of.NoRetain ||
		of.AssignedID != "given" || of.ReasonString != "why" || of.ServerReference != "there" || of.MaximumPacket != 1000 || len(of.User) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, version := range []byte{V311, V5} {
		b.Reset()
		p := packets.Packet{ProtocolVersion: version, FixedHeader: packets.FixedHeader{Type: packets.Suback}, PacketID: 7, ReasonCodes: []byte{0, 2, 0x87}}
		if err := p.SubackEncode(&b); err != nil {
			t.Fatal(err)
		}
		if got, err := NewReader(&b, version, 1000).Next(); err != nil || got.ID != 7 || !bytes.Equal(got.Codes, []byte{0, 2, 0x87}) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// A message that is too large is passed over, and what is behind it is read.
func TestPassesOver(t *testing.T) {
	large := AppendMessage(nil, V5, &Message{Topic: "a", QoS: 1, Payload: make([]byte, 5000)}, 3, false)
	r := NewReader(bytes.NewReader(append(large, AppendMessage(nil, V5, &Message{Topic: "b", Payload: []byte("x")}, 0, false)...)), V5, 100)
	p, err := r.Next()
	if err != nil || p.Passed == 0 || p.Topic != "a" || p.ID != 3 || p.Payload != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = r.Next(); err != nil || p.Topic != "b" || string(p.Payload) != "x" {
		t.Errorf("%+v, %v", p, err)
	}
	if cap(r.buf) > 100 {
		t.Errorf("%d bytes were taken", cap(r.buf))
	}
}

// Whatever a broker writes, reading ends, takes no more memory than it may, and
// gives no message that could not be one.
func FuzzReader(f *testing.F) {
	for _, version := range []byte{V311, V5} {
		f.Add(version == V5, AppendMessage(nil, version, &Message{Topic: "a/b", QoS: 1, Payload: []byte("x"), Properties: Properties{ContentType: "t", User: []User{{"a", "b"}}}}, 7, true))
		f.Add(version == V5, AppendAck(nil, version, PubRel, 7, 0x92))
	}
	f.Add(true, []byte{0x20, 9, 0, 0, 6, 33, 0, 1, 33, 0, 1})
	f.Add(true, []byte{0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a', 0})
	f.Add(false, []byte{0x90, 3, 0, 1, 0x80, 0xd0, 0, 0xe0, 0})
	f.Fuzz(func(t *testing.T, five bool, src []byte) {
		version := byte(V311)
		if five {
			version = V5
		}
		r := NewReader(bytes.NewReader(src), version, 512)
		for range len(src) + 1 {
			p, err := r.Next()
			if cap(r.buf) > 512 || len(p.Payload) > 512 || len(p.Properties.User) > maxUsers {
				t.Fatalf("%d bytes were taken", cap(r.buf))
			}
			if err != nil {
				return
			}
			if p.Type == Publish && (p.Topic == "" || p.QoS > 2 || p.QoS > 0 && p.ID == 0) {
				t.Fatalf("%+v", p)
			}
		}
		t.Fatal("it does not end")
	})
}
