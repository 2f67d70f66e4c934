package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// caller makes the connections of one session.
type caller struct {
	set            *settings
	login          login
	out            *egress.Revocable
	answer         time.Duration // that a broker has for each step
	receiveMaximum int
	refusal        byte // why the broker has not let it in the last time; 0: it has, or has not said
}

// introduction is what a connection begins with.
type introduction struct {
	will  *abi.MQTTMessage
	delay uint32
	first bool   // of the session
	trial bool   // as another client, for which nothing is kept
	as    string // of that one, its client id
}

// connect makes a connection: it dials, speaks TLS, and is let in.
func (c *caller) connect(ctx context.Context, intro introduction) (*link, *wire.Reader, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*c.answer)
	defer cancel()
	conn, err := c.open(ctx)
	if err != nil {
		return nil, nil, c.explain(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	l, r, err := c.greet(conn, intro)
	if err != nil {
		_ = conn.Close() // it is of no use
		return nil, nil, c.explain(ctx, err)
	}
	if !stop() {
		_ = conn.Close() // too late: its deadline has passed
		return nil, nil, c.explain(ctx, context.Cause(ctx))
	}
	_ = conn.SetDeadline(time.Time{})
	return l, r, nil
}

func (c *caller) open(ctx context.Context) (net.Conn, error) {
	conn, err := c.out.DialContext(ctx, "tcp", c.set.address)
	if err != nil {
		return nil, err
	}
	conn = quick(conn)
	if c.login.tls == nil {
		return conn, nil
	}
	secure := tls.Client(conn, c.login.tls.Clone())
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// greet sends the CONNECT, and reads the CONNACK.
func (c *caller) greet(conn net.Conn, intro introduction) (*link, *wire.Reader, error) {
	a := &c.set.args
	h := wire.Hello{
		ClientID: a.ClientID, Username: c.login.username, Password: []byte(c.login.password), CleanStart: c.set.clean(intro.first),
		KeepAlive:     uint16(c.set.keepAlive.Seconds()),
		SessionExpiry: uint32(min(a.SessionExpiryS, 1<<32-1)),
		MaximumPacket: maxPacket, ReceiveMaximum: uint16(c.receiveMaximum), //nolint:gosec // bounded
		WillDelay: intro.delay,
	}
	if intro.trial {
		h.ClientID, h.CleanStart, h.SessionExpiry = intro.as, true, 0
	}
	if intro.will != nil {
		h.Will = messageOf(intro.will)
	}
	c.refusal = 0
	if _, err := conn.Write(wire.AppendHello(nil, c.set.version, &h)); err != nil {
		return nil, nil, lost(conn, err)
	}
	r := wire.NewReader(conn, c.set.version, maxPacket)
	p, err := r.Next()
	switch {
	case err != nil:
		return nil, nil, greeted(conn, err)
	case p.Type == wire.Disconnect:
		return nil, nil, refused(p.Reason, &p.Properties)
	case p.Type != wire.ConnAck:
		return nil, nil, fault.New(fault.ConfigInvalid, "the broker wants to see more than a user name and a password").
			WithHint("Authentication in several steps is not supported: let the broker take a password or a certificate.")
	}
	if reason := code5(&p, c.set.version); reason != 0 {
		c.refusal = reason
		return nil, nil, refused(reason, &p.Properties)
	}
	return c.newLink(conn, &p, intro.will), r, nil
}

// greeted is the error of a peer that does not answer a CONNECT with a CONNACK.
func greeted(conn net.Conn, err error) error {
	f := fault.Of(lost(conn, err))
	if f.Kind == fault.ResourceUnavailable {
		return f.WithHint("Check that this port is that of an MQTT broker, whether it speaks TLS (mqtts://), and that it knows this version of MQTT: some brokers end a connection without a word.")
	}
	return f
}

func (c *caller) newLink(conn net.Conn, p *wire.Packet, will *abi.MQTTMessage) *link {
	l := &link{
		conn: conn, version: c.set.version, hello: *p, will: will, began: time.Now(), window: oldWindow, maxQoS: 2, keepAlive: c.set.keepAlive,
		subAck: make(chan []byte, 1), wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	l.heard.Store(time.Now().UnixNano())
	if l.version != wire.V5 {
		return l
	}
	l.window = maxWindow
	of := &p.Properties
	if of.ReceiveMaximum > 0 {
		l.window = min(l.window, int(of.ReceiveMaximum))
	}
	if of.MaximumQoS != nil {
		l.maxQoS = min(2, *of.MaximumQoS)
	}
	if of.ServerKeepAlive != nil && *of.ServerKeepAlive > 0 {
		l.keepAlive = time.Duration(*of.ServerKeepAlive) * time.Second
	}
	l.maxPacket = int(of.MaximumPacket)
	return l
}

// explain names the broker in an error, and keeps the secrets out of it.
func (c *caller) explain(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault.Wrap(fault.Canceled, ctx.Err(), "%s", c.set.resource())
	}
	named := egress.At(c.set.resource(), c.set.address, err)
	if c.login.mask == nil {
		return named
	}
	return c.login.mask.Fault(named)
}
