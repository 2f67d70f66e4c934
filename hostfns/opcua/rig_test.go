package opcua

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/server"
	"github.com/gopcua/opcua/ua"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/spec"
)

// patience is how long a test waits for what has to happen.
const patience = 40 * time.Second

// quick is a pace for tests.
func quick() pace {
	return pace{probe: 50 * time.Millisecond, answer: 2 * time.Second, alive: 500 * time.Millisecond, retry: 100 * time.Millisecond, again: 200 * time.Millisecond}
}

// plant is a server of gopcua's with two variables, which can be stopped and
// started again on its port.
type plant struct {
	t    *testing.T
	port int
	opts []server.Option

	srv  *server.Server
	ns   *server.NodeNameSpace
	end  context.CancelFunc
	mu   sync.Mutex
	temp float64

	closing  sync.WaitGroup
	handlers map[uint16]server.Handler // in place of the server's own, from the next start on
}

// freePort is a port that nobody listens at.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { must(t, l.Close()) }()
	return l.Addr().(*net.TCPAddr).Port
}

func newPlant(t *testing.T, opts ...server.Option) *plant {
	t.Helper()
	p := &plant{t: t, port: freePort(t), opts: opts}
	if len(opts) == 0 {
		p.opts = []server.Option{
			server.EnableSecurity("None", ua.MessageSecurityModeNone), server.EnableAuthMode(ua.UserTokenTypeAnonymous),
		}
	}
	p.start()
	t.Cleanup(func() {
		p.stop()
		p.closing.Wait()
	})
	return p
}

func (p *plant) start() {
	p.t.Helper()
	p.srv = server.New(append([]server.Option{server.EndPoint("127.0.0.1", p.port)}, p.opts...)...)
	p.ns = server.NewNodeNameSpace(p.srv, "urn:plant")
	root, err := p.srv.Namespace(0)
	if err != nil {
		p.t.Fatal(err)
	}
	root.Objects().AddRef(p.ns.Objects(), 35, true)
	for name, value := range map[string]any{"speed": int32(7), "name": "press"} {
		n := p.ns.AddNewVariableStringNode(name, value)
		p.ns.Objects().AddRef(n, 47, true)
	}
	n := server.NewNode(p.id("temp"), map[ua.AttributeID]*ua.DataValue{
		ua.AttributeIDBrowseName: server.DataValueFromValue(&ua.QualifiedName{NamespaceIndex: p.ns.ID(), Name: "temp"}),
		ua.AttributeIDNodeClass:  server.DataValueFromValue(uint32(ua.NodeClassVariable)),
	}, nil, func() *ua.DataValue {
		p.mu.Lock()
		defer p.mu.Unlock()
		return &ua.DataValue{
			Value: ua.MustVariant(p.temp), EncodingMask: ua.DataValueValue | ua.DataValueSourceTimestamp,
			SourceTimestamp: time.Unix(1700000000, 123456700),
		}
	})
	p.ns.AddNode(n)
	p.ns.Objects().AddRef(n, 47, true)
	for kind, handler := range p.handlers {
		p.srv.RegisterHandler(kind, handler)
	}
	ctx, end := context.WithCancel(context.Background())
	p.end = end
	eventually(p.t, "the port is free again", func() bool { return p.srv.Start(ctx) == nil })
}

// stop closes the server. It may wait for connections long after it listens no
// more, which the test need not do.
func (p *plant) stop() {
	srv, end := p.srv, p.end
	p.closing.Go(func() {
		_ = srv.Close() // before its context: what it has not read would hold it up
		end()
	})
}

func (p *plant) id(name string) *ua.NodeID { return ua.NewStringNodeID(p.ns.ID(), name) }

// set changes the temperature.
func (p *plant) set(v float64) {
	p.mu.Lock()
	p.temp = v
	p.mu.Unlock()
	p.srv.ChangeNotification(p.id("temp"))
}

func (p *plant) endpoint() string { return "opc.tcp://127.0.0.1:" + strconv.Itoa(p.port) }

// testGroup is a group that may dial this machine.
func testGroup(pace pace) *Group {
	return New(Config{Egress: egress.New(egress.Config{}), pace: pace})
}

func grantsFor(endpoint string) []spec.Grant {
	return []spec.Grant{{Group: Name, Resources: []string{endpoint, "cidr:127.0.0.0/8"}, Rights: []spec.Right{spec.Read, spec.Write}}}
}

// opened opens a session that is closed when the test ends.
func opened(t *testing.T, g *Group, open abi.OPCUAOpen) *Session {
	t.Helper()
	s, err := tryOpen(t, g, open)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryOpen(t *testing.T, g *Group, open abi.OPCUAOpen) (*Session, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := g.Open(ctx, capability.Scope{Owner: "con_1", Grants: grantsFor(open.Endpoint)}, open.Append(nil))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { closeSession(t, s) })
	return s.(*Session), nil
}

func closeSession(t *testing.T, s capability.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// ask calls a function of a session.
func ask(t *testing.T, s *Session, function string, q interface{ Append([]byte) []byte }, p interface{ Decode([]byte) error }) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := s.Call(ctx, function, q.Append(nil), nil)
	if err != nil {
		return err
	}
	return p.Decode(out)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// subscribed asks for nodes of the plant to be watched, numbered from 1.
func subscribed(t *testing.T, s *Session, name string, nodes ...string) []abi.OPCUAStatus {
	t.Helper()
	q := abi.OPCUASubscribe{Handle: 1, Name: name, IntervalMS: 50}
	for i, node := range nodes {
		q.Items = append(q.Items, abi.OPCUAItem{ID: uint32(i + 1), Node: node})
	}
	var p abi.OPCUAStatuses
	must(t, ask(t, s, functionSubscribe, &q, &p))
	return p.Statuses
}

// next waits for events until one is what is looked for. It acknowledges them,
// and answers all of them as text.
func next(t *testing.T, s *Session, what string, found func(text string) bool) []string {
	t.Helper()
	var all []string
	for end := time.After(patience); ; {
		for _, e := range s.Take(nil, 1, 1<<20) {
			text := told(t, e)
			all = append(all, text)
			s.Ack(1)
			if found(text) {
				return all
			}
		}
		select {
		case <-s.Ready():
		case <-end:
			t.Fatalf("no %s in time, but %q; %+v", what, all, s.Condition())
		}
	}
}

func told(t *testing.T, e capability.Event) string {
	t.Helper()
	switch e.Type {
	case abi.EventUp:
		return "up"
	case abi.EventDown:
		return "down"
	case abi.EventGap:
		return "gap " + e.Name
	case abi.EventData:
		var v abi.OPCUAValues
		must(t, v.Decode(e.Data))
		var words []string
		for _, x := range v.Values {
			words = append(words, fmt.Sprintf("%s.%d=%x/%x", v.Subscription, x.Item, x.Variant, x.Status))
		}
		return strings.Join(words, " ")
	default:
		return fmt.Sprintf("type %d", e.Type)
	}
}

func is(want string) func(string) bool { return func(text string) bool { return text == want } }

func has(want string) func(string) bool {
	return func(text string) bool { return strings.Contains(text, want) }
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !cond(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}
