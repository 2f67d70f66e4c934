package mqtt

import (
	"bytes"
	"context"
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

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

const patience = 40 * time.Second

// rig is a broker in this process, with a client of its own.
type rig struct {
	t      *testing.T
	at     string
	server *broker.Server
	tune   []func(*broker.Server)

	mu   sync.Mutex
	seen []packets.Packet // what was published
}

func mochi(t *testing.T, tune ...func(*broker.Server)) *rig {
	t.Helper()
	r := &rig{t: t, at: "127.0.0.1:0", tune: tune}
	r.up()
	t.Cleanup(r.down)
	return r
}

// up starts a broker that knows nothing.
func (r *rig) up() {
	r.t.Helper()
	var c net.ListenConfig
	l, err := c.Listen(r.t.Context(), "tcp", r.at)
	if err != nil {
		r.t.Fatal(err)
	}
	r.at = l.Addr().String()
	r.server = broker.New(&broker.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	if err := r.server.AddHook(new(gate), &gate{rig: r}); err != nil {
		r.t.Fatal(err)
	}
	for _, f := range r.tune {
		f(r.server)
	}
	if err := r.server.AddListener(listeners.NewNet("t", l)); err != nil {
		r.t.Fatal(err)
	}
	if err := r.server.Serve(); err != nil {
		r.t.Fatal(err)
	}
	for _, filter := range []string{"#", "$own/#"} {
		if err := r.server.Subscribe(filter, 1, func(_ *broker.Client, _ packets.Subscription, p packets.Packet) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.seen = append(r.seen, p)
		}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) down() {
	if err := r.server.Close(); err != nil {
		r.t.Error(err)
	}
}

// gate lets everybody in but a user who is called nobody, and everybody do
// everything but with the topic forbidden.
type gate struct {
	broker.HookBase
	rig *rig
}

func (g *gate) Init(config any) error {
	g.rig = config.(*gate).rig
	return nil
}

func (g *gate) Provides(b byte) bool {
	return slices.Contains([]byte{broker.OnConnectAuthenticate, broker.OnACLCheck}, b)
}

func (g *gate) OnConnectAuthenticate(_ *broker.Client, p packets.Packet) bool {
	return string(p.Connect.Username) != "nobody" && (string(p.Connect.Username) != "somebody" || string(p.Connect.Password) == "sesame")
}

func (g *gate) OnACLCheck(_ *broker.Client, topic string, _ bool) bool {
	return !strings.HasPrefix(topic, "forbidden")
}

// published is what was published for topics that a filter lets through, as
// topic=payload.
func (r *rig) published(filter string) (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.seen {
		if matches(filter, p.TopicName) {
			list = append(list, p.TopicName+"="+string(p.Payload))
		}
	}
	return list
}

// send publishes with the broker's own client.
func (r *rig) send(topic, payload string, qos byte, retain ...bool) {
	r.t.Helper()
	if err := r.server.Publish(topic, []byte(payload), len(retain) > 0, qos); err != nil {
		r.t.Fatal(err)
	}
}

// cut ends a client's connection without a word.
func (r *rig) cut(id string) {
	r.t.Helper()
	c, ok := r.server.Clients.Get(id)
	if !ok {
		r.t.Fatalf("no client %s", id)
	}
	_ = c.Net.Conn.Close() // Stop would have the broker take it for a goodbye, if it is about to read
}

// cutAll ends all connections of clients that are there.
func (r *rig) cutAll() {
	r.t.Helper()
	for _, c := range r.server.Clients.GetAll() {
		if !c.Net.Inline && !c.Closed() {
			_ = c.Net.Conn.Close()
		}
	}
}

func grants(at string, rights ...spec.Right) []spec.Grant {
	if len(rights) == 0 {
		rights = []spec.Right{spec.Read, spec.Write}
	}
	return []spec.Grant{{Group: Name, Resources: []string{"broker:" + at, "topic:#", "topic:$share/g/#", "cidr:127.0.0.0/8"}, Rights: rights}}
}

// pace is that of tests.
func testPace() pace {
	return pace{
		probe: 100 * time.Millisecond, answer: 80 * time.Millisecond, retry: 100 * time.Millisecond, again: 100 * time.Millisecond,
		contest: 200 * time.Millisecond, steady: time.Second, stall: 300 * time.Millisecond, stuck: time.Second,
	}
}

// calm is testPace for tests in which nothing is to be noticed.
func calm() pace {
	p := testPace()
	p.probe, p.answer, p.stuck = 5*time.Second, 4*time.Second, time.Minute
	return p
}

func group(change ...func(*Config)) *Group {
	cfg := Config{Egress: egress.New(egress.Config{}), pace: calm()}
	for _, f := range change {
		f(&cfg)
	}
	return New(cfg)
}

func paced(p pace) func(*Config) { return func(c *Config) { c.pace = p } }

// args are those of a session with a name, which survives.
func args(at string, change ...func(*abi.MQTTOpen)) *abi.MQTTOpen {
	a := &abi.MQTTOpen{
		URL: "mqtt://" + at, ClientID: "rail", SessionExpiryS: 600, OpenTimeoutMS: 3000,
		Subscriptions: []abi.MQTTSubscription{{Filter: "in/#", QoS: 2}},
	}
	for _, f := range change {
		f(a)
	}
	return a
}

func v311(a *abi.MQTTOpen) { a.Version = 4 }

func named(id string) func(*abi.MQTTOpen) { return func(a *abi.MQTTOpen) { a.ClientID = id } }

func scope(at string) capability.Scope {
	return capability.Scope{Grants: grants(at), Owner: "con_test", Log: slog.New(slog.DiscardHandler)}
}

// client is an open session as an actor has it.
type client struct {
	*session
	t *testing.T
}

func open(t *testing.T, g *Group, s capability.Scope, a *abi.MQTTOpen) client {
	t.Helper()
	c, err := tryOpen(t, g, s, a)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return c
}

func tryOpen(t *testing.T, g *Group, s capability.Scope, a *abi.MQTTOpen) (client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	end, err := g.Open(ctx, s, a.Append(nil))
	if err != nil {
		return client{}, err
	}
	c := client{session: end.(*session), t: t}
	t.Cleanup(c.close)
	return c, nil
}

func (c client) close() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), patience)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		c.t.Error(err)
	}
}

// next are the next n events, as data:topic=payload, up, down or gap:name.
func (c client) next(n int) []string {
	c.t.Helper()
	var all []capability.Event
	for end := time.After(patience); len(all) < n; {
		select {
		case <-c.Ready():
			all = c.Take(all, n-len(all), 1<<20)
		case <-end:
			c.t.Fatalf("%d events came, want %d: %v", len(all), n, c.shown(all))
		}
	}
	return c.shown(all)
}

func (c client) shown(all []capability.Event) (list []string) {
	c.t.Helper()
	for _, e := range all {
		switch e.Type {
		case abi.EventData:
			var m abi.MQTTReceived
			if err := m.Decode(bytes.Clone(e.Data)); err != nil {
				c.t.Fatal(err)
			}
			list = append(list, m.Messages[0].Topic+"="+string(m.Messages[0].Payload))
		case abi.EventUp:
			list = append(list, "up")
		case abi.EventDown:
			list = append(list, "down")
		default:
			list = append(list, "gap:"+e.Name)
		}
	}
	return list
}

func (c client) want(events ...string) {
	c.t.Helper()
	if got := c.next(len(events)); !slices.Equal(got, events) {
		c.t.Fatalf("got %v, want %v", got, events)
	}
}

// none expects that nothing is to be taken.
func (c client) none() {
	c.t.Helper()
	if got := c.Take(nil, 10, 1<<20); len(got) > 0 {
		c.t.Errorf("came too: %v", c.shown(got))
	}
}

func (c client) publish(q abi.MQTTPublish) ([]abi.MQTTResult, error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	q.Handle = 1
	reply, err := c.Call(ctx, "publish", q.Append(nil), nil)
	if err != nil {
		return nil, err
	}
	var p abi.MQTTPublished
	return p.Results, p.Decode(reply)
}

// mustPublish publishes payloads to out.
func (c client) mustPublish(qos uint32, payloads ...string) {
	c.t.Helper()
	var q abi.MQTTPublish
	for _, p := range payloads {
		q.Messages = append(q.Messages, abi.MQTTMessage{Topic: "out", Payload: []byte(p), QoS: qos})
	}
	results, err := c.publish(q)
	if err != nil || slices.ContainsFunc(results, func(r abi.MQTTResult) bool { return r.Code != "" }) {
		c.t.Fatalf("publish: %+v, %v", results, err)
	}
}

func (c client) infoNow() (i abi.MQTTInfo) {
	c.t.Helper()
	reply, err := c.Call(c.t.Context(), "info", abi.Handle{Handle: 1}.Append(nil), nil)
	if err == nil {
		err = i.Decode(bytes.Clone(reply))
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return i
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !cond(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func wantKind(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: %v, want %v", what, err, kind)
	}
}
