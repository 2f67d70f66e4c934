package udp

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// patience is how long a test waits for what has to happen.
const patience = 40 * time.Second

// rig is a peer.
type rig struct {
	t    *testing.T
	conn net.PacketConn
	from net.Addr // who sent last
}

func listening(t *testing.T) *rig {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(3 * patience)); err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, conn: c}
}

func (r *rig) address() string { return r.conn.LocalAddr().String() }

// receive is the next datagram.
func (r *rig) receive() string {
	r.t.Helper()
	b := make([]byte, 1<<16)
	n, from, err := r.conn.ReadFrom(b)
	if err != nil {
		r.t.Fatal(err)
	}
	r.from = from
	return string(b[:n])
}

// send answers whoever sent last.
func (r *rig) send(datagrams ...string) {
	r.t.Helper()
	for _, d := range datagrams {
		if _, err := r.conn.WriteTo([]byte(d), r.from); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) grants() []spec.Grant {
	return []spec.Grant{{Group: Name, Resources: []string{r.address(), "cidr:127.0.0.0/24"}, Rights: []spec.Right{spec.Read, spec.Write}}}
}

// opened is a session that the peer has heard of.
func (r *rig) opened(g *Group, args abi.UDPOpen) *Session {
	r.t.Helper()
	args.Address = r.address()
	end, err := g.Open(r.t.Context(), capability.Scope{Grants: r.grants()}, args.Append(nil))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := end.Close(ctx); err != nil {
			r.t.Error(err)
		}
	})
	s := end.(*Session)
	if err := send(r.t.Context(), s, "hello"); err != nil || r.receive() != "hello" {
		r.t.Fatalf("hello: %v", err)
	}
	return s
}

func send(ctx context.Context, s *Session, datagrams ...string) error {
	q := abi.UDPSend{Handle: 1}
	for _, d := range datagrams {
		q.Datagrams = append(q.Datagrams, []byte(d))
	}
	_, err := s.Call(ctx, functionSend, q.Append(nil), nil)
	return err
}

func group() *Group { return New(Config{Egress: egress.New(egress.Config{})}) }

func taken(t *testing.T, s *Session, n int) string {
	t.Helper()
	var got []capability.Event
	for end := time.After(patience); len(got) < n; {
		if got = s.Take(got, n-len(got), 1<<20); len(got) == n {
			break
		}
		select {
		case <-s.Ready():
		case <-end:
			t.Fatalf("%d events, want %d: %+v", len(got), n, s.Condition())
		}
	}
	s.Ack(n)
	var words []string
	for _, e := range got {
		if e.Type == abi.EventGap {
			words = append(words, "gap:"+e.Name)
		} else {
			words = append(words, string(e.Data))
		}
	}
	return strings.Join(words, " ")
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !cond(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// greeting is the group, each of whose sessions says hello to the peer, so that that
// knows where to send to.
type greeting struct {
	*Group

	rig *rig
}

func (g greeting) Open(ctx context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	end, err := g.Group.Open(ctx, scope, args)
	if err != nil {
		return nil, err
	}
	if err := send(ctx, end.(*Session), "hello"); err != nil || g.rig.receive() != "hello" {
		g.rig.t.Errorf("hello: %v", err)
	}
	return end, nil
}

func TestContract(t *testing.T) {
	r := listening(t)
	open := abi.UDPOpen{Address: r.address(), MaxDatagram: 6}
	hostfnstest.Run(t, hostfnstest.Case{
		Group:  greeting{group(), r},
		Grants: r.grants(),
		Less:   []spec.Grant{{Group: Name, Resources: []string{r.address()}}},
		Open:   open,
		Equal:  []hostfnstest.Message{abi.UDPOpen{Address: r.address(), MaxDatagram: 6, BufferBytes: 1 << 20}},
		Others: []hostfnstest.Message{abi.UDPOpen{Address: r.address(), MaxDatagram: 100}, abi.UDPOpen{Address: r.address(), MaxDatagram: 6, BufferBytes: 5000}},
		Calls: []hostfnstest.Call{
			{Function: "send", Request: abi.UDPSend{Handle: 1}},
			{Function: "open", Request: abi.UDPOpen{Address: "plc1"}},
			{Function: "open", Request: abi.UDPOpen{Address: "plc1:47808"}},
			{Function: "open", Request: abi.UDPOpen{Address: r.address(), MaxDatagram: 70_000}},
			{Function: "open", Request: open, Reply: &abi.Handle{}},
			{Function: "send", Request: abi.UDPSend{Handle: 1, Datagrams: [][]byte{[]byte("a"), {}}}, Reply: &abi.UDPSent{}, After: func(t *testing.T) {
				t.Helper()
				if a, b := r.receive(), r.receive(); a != "a" || b != "" {
					t.Errorf("the peer got %q and %q", a, b)
				}
			}},
			{Function: "send", Request: abi.UDPSend{Handle: 1, Datagrams: [][]byte{[]byte("abcdefg")}}},
			{Function: "send", Request: abi.UDPSend{Handle: 2}},
		},
		Log: strings.ReplaceAll(`
==> udp.send(handle=1)
<== error=not_found
==> udp.open(address="plc1")
<== error=invalid
==> udp.open(address="plc1:47808")
<== error=denied
==> udp.open(address="ADDRESS",maxDatagram=70000)
<== error=invalid
==> udp.open(address="ADDRESS",maxDatagram=6)
<== handle=1
==> udp.send(handle=1,datagrams=[[97] []])
<== count=2
==> udp.send(handle=1,datagrams=[[97 98 99 100 101 102 103]])
<== error=too_large
==> udp.send(handle=2)
<== error=not_found
`, "ADDRESS", r.address()),
		Emit: func(t *testing.T, n int) {
			t.Helper()
			for range n {
				r.send("422498")
			}
		},
	})
}

// Nobody but the peer is heard.
func TestStrangersAreNotHeard(t *testing.T) {
	r, stranger := listening(t), listening(t)
	s := r.opened(group(), abi.UDPOpen{})
	stranger.from = r.from
	stranger.send("I am the peer")
	r.send("a", "b")
	if got := taken(t, s, 2); got != "a b" {
		t.Errorf("got %q", got)
	}
}

func TestBounds(t *testing.T) {
	r := listening(t)
	g := New(Config{Egress: egress.New(egress.Config{}), Events: 2, Rate: 4})
	s := r.opened(g, abi.UDPOpen{MaxDatagram: 5})
	r.send("123456")
	eventually(t, "the long one is dropped", func() bool { return s.Condition().Dropped == 1 })
	r.send("1", "2", "3")
	eventually(t, "what has no room is dropped", func() bool { return s.Condition().Dropped == 2 })
	if got := taken(t, s, 4); got != "gap:datagram_too_long 1 2 gap:overflow" {
		t.Errorf("got %q", got)
	}
	if err := send(t.Context(), s, "1", "2", "3", "4"); !fault.Is(err, fault.Exhausted) || fault.Of(err).RetryAfter <= 0 {
		t.Errorf("beyond the rate: %v", err)
	}
	if err := send(t.Context(), s, "123456"); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too long: %v", err)
	}
}

// A peer that is not there shows in the condition, and the socket goes on.
func TestPeerThatIsAway(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), abi.UDPOpen{})
	address := r.address()
	_ = r.conn.Close()
	if err := send(t.Context(), s, "anybody?"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is told", func() bool { c := s.Condition(); return !c.Up && strings.Contains(c.Reason, "refused") })
	conn, err := net.ListenPacket("udp4", address)
	if err != nil {
		t.Skip("the port is taken:", err)
	}
	defer func() { _ = conn.Close() }()
	r.conn = conn
	if err := send(t.Context(), s, "you?"); err != nil || r.receive() != "you?" {
		t.Fatal(err)
	}
	r.send("yes")
	if got := taken(t, s, 1); got != "yes" || !s.Condition().Up {
		t.Errorf("got %q, %+v", got, s.Condition())
	}
}

// Nothing is reached that no grant names, and no datagram becomes many.
func TestGuard(t *testing.T) {
	for _, tt := range []struct{ address, cidr, hint string }{
		{"127.0.0.1:9", "cidr:10.0.0.0/8", "`snaprail grants add CONNECTOR udp cidr:127.0.0.1/32`"},
		{"127.255.255.255:9", "cidr:127.0.0.0/8", "by itself: `snaprail grants add CONNECTOR udp cidr:127.255.255.255/32`"},
		{"224.0.0.251:5353", "cidr:0.0.0.0/0", "No grant opens this address."},
		{"255.255.255.255:9", "cidr:0.0.0.0/0", "No grant opens this address."},
		{"169.254.169.254:53", "cidr:0.0.0.0/0", "No grant opens this address."},
	} {
		scope := capability.Scope{Grants: []spec.Grant{{Group: Name, Resources: []string{tt.address, tt.cidr}}}}
		_, err := group().Open(t.Context(), scope, abi.UDPOpen{Address: tt.address}.Append(nil))
		if !fault.Is(err, fault.EgressForbidden) || !strings.Contains(fault.Of(err).Hint, tt.hint) {
			t.Errorf("%s: %v, %+v", tt.address, err, fault.Of(err))
		}
	}
}
