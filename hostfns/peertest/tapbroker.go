package peertest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Tap is one thing that a client of a TapBroker did: it connected, with its will,
// or a message of its was published, by itself or as its will.
type Tap struct {
	Client  string
	User    string // of a connection
	Connect bool
	Will    *MQTTMessage // of a connection
	Message MQTTMessage
}

// TapBroker is a broker that keeps what clients do, in order.
type TapBroker struct {
	Address string

	tb     testing.TB
	server *broker.Server
	listen net.Listener
	keep   string

	mu   sync.Mutex
	taps []Tap
}

// StartTapBroker starts a broker. What is published to a topic that begins with
// keep is acknowledged and handed on to nobody, as by a server that is no broker
// at heart; empty: there is none.
func StartTapBroker(tb testing.TB, keep string) *TapBroker {
	tb.Helper()
	b := &TapBroker{Address: "127.0.0.1:0", tb: tb, keep: keep}
	b.Start()
	tb.Cleanup(b.Stop)
	return b
}

// Start starts it again, on the address that it had. It knows nothing of before.
func (b *TapBroker) Start() {
	b.tb.Helper()
	var c net.ListenConfig
	l, err := c.Listen(b.tb.Context(), "tcp", b.Address)
	if err != nil {
		b.tb.Fatal(err)
	}
	b.Address, b.listen = l.Addr().String(), l
	b.server = broker.New(&broker.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	err = b.server.AddHook(&tapHook{server: b.server}, b)
	err = errors.Join(err, b.server.AddListener(listeners.NewNet("t", l)))
	if err := errors.Join(err, b.server.Serve()); err != nil {
		b.tb.Fatal(err)
	}
}

// Stop stops it; all connections break.
func (b *TapBroker) Stop() {
	if b.server == nil {
		return
	}
	_ = b.listen.Close() // first: a client that connects during the close is waited for, for ever
	if err := b.server.Close(); err != nil {
		b.tb.Error(err)
	}
	b.server = nil
}

// Cut breaks a client's connection without a word.
func (b *TapBroker) Cut(client string) {
	b.tb.Helper()
	c, ok := b.server.Clients.Get(client)
	if !ok {
		b.tb.Fatalf("no client %s", client)
	}
	_ = c.Net.Conn.Close() // Stop would have the broker take it for a goodbye, if it is about to read
}

// Publish publishes a message as nobody's.
func (b *TapBroker) Publish(m MQTTMessage) {
	b.tb.Helper()
	if err := b.server.Publish(m.Topic, m.Payload, m.Retain, m.QoS); err != nil {
		b.tb.Error(err)
	}
}

// Since is what clients did, from the n-th thing on.
func (b *TapBroker) Since(n int) []Tap {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.taps[n:])
}

func (b *TapBroker) add(t Tap) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taps = append(b.taps, t)
}

// tapHook tells a TapBroker, and lets everybody do everything.
type tapHook struct {
	broker.HookBase
	b      *TapBroker
	server *broker.Server
}

// forgotten waits until the broker has forgotten a session that has ended. It does
// so by the client's id, some time after it has hung up: the subscriptions of a
// client that is back before would go with those of the old one.
func (h *tapHook) forgotten(client string) {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for range 2000 {
		old, ok := h.server.Clients.Get(client)
		if !ok || !old.Closed() || old.IsTakenOver() {
			return
		}
		p := &old.Properties
		ends := p.ProtocolVersion == 5 && p.Props.SessionExpiryInterval == 0 || p.ProtocolVersion < 5 && p.Clean
		if !ends {
			return
		}
		<-poll.C
	}
}

func (h *tapHook) Init(config any) error {
	b, ok := config.(*TapBroker)
	if !ok {
		return errors.New("no broker")
	}
	h.b = b
	return nil
}

func (*tapHook) Provides(b byte) bool {
	return slices.Contains([]byte{broker.OnConnectAuthenticate, broker.OnACLCheck, broker.OnConnect, broker.OnPublish, broker.OnWillSent}, b)
}

func (*tapHook) OnConnectAuthenticate(*broker.Client, packets.Packet) bool { return true }

func (*tapHook) OnACLCheck(*broker.Client, string, bool) bool { return true }

func (h *tapHook) OnConnect(cl *broker.Client, p packets.Packet) error {
	h.forgotten(cl.ID)
	t := Tap{Client: cl.ID, User: string(p.Connect.Username), Connect: true}
	if p.Connect.WillFlag {
		t.Will = &MQTTMessage{Topic: p.Connect.WillTopic, Payload: slices.Clone(p.Connect.WillPayload), QoS: p.Connect.WillQos, Retain: p.Connect.WillRetain}
	}
	h.b.add(t)
	return nil
}

func (h *tapHook) OnPublish(cl *broker.Client, p packets.Packet) (packets.Packet, error) {
	if cl.Net.Inline {
		return p, nil
	}
	h.b.add(Tap{Client: cl.ID, Message: tapped(p)})
	if h.b.keep != "" && strings.HasPrefix(p.TopicName, h.b.keep) {
		return p, packets.CodeSuccessIgnore
	}
	return p, nil
}

func (h *tapHook) OnWillSent(cl *broker.Client, p packets.Packet) {
	h.b.add(Tap{Client: cl.ID, Message: tapped(p)})
}

func tapped(p packets.Packet) MQTTMessage {
	return MQTTMessage{Topic: p.TopicName, Payload: slices.Clone(p.Payload), QoS: p.FixedHeader.Qos, Retain: p.FixedHeader.Retain}
}

// Follow hands what clients do, from the n-th thing on, to take, until that has seen
// enough; the test fails when the context ends before. It answers where to go on.
func (b *TapBroker) Follow(ctx context.Context, n int, take func(Tap) (enough bool)) (next int) {
	b.tb.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		for _, t := range b.Since(n) {
			n++
			if take(t) {
				return n
			}
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			b.tb.Fatalf("clients did not do what was waited for: %v", context.Cause(ctx))
		}
	}
}
