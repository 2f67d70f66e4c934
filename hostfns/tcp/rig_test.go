package tcp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/spec"
)

// patience is how long a test waits for what has to happen.
const patience = 40 * time.Second

// rig is a peer, which the test plays on the connections that it accepts.
type rig struct {
	t        *testing.T
	listener net.Listener

	mu    sync.Mutex
	conns map[net.Conn]bool // that serve has
}

func listening(t *testing.T) *rig {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &rig{t: t, listener: l, conns: map[net.Conn]bool{}}
}

func (r *rig) address() string { return r.listener.Addr().String() }

// accept is the next connection, closed when the test ends.
func (r *rig) accept() net.Conn {
	r.t.Helper()
	if err := r.listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	c, err := r.listener.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// serve answers each line with what answer says, on all connections until the test
// ends.
func (r *rig) serve(answer func(line string) string) {
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := r.listener.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns[c] = true
			r.mu.Unlock()
			running.Go(func() { r.converse(c, answer) })
		}
	})
	r.t.Cleanup(func() {
		_ = r.listener.Close()
		running.Wait()
	})
}

func (r *rig) converse(c net.Conn, answer func(line string) string) {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, c)
		_ = c.Close()
	}()
	for lines := bufio.NewScanner(c); lines.Scan(); {
		if _, err := io.WriteString(c, answer(lines.Text())); err != nil {
			return
		}
	}
}

// tell sends a text on the one connection that serve has, once those before it have
// been seen to end and it has been accepted: when nothing has changed for a while.
func (r *rig) tell(text string) {
	r.t.Helper()
	var last net.Conn
	since := time.Now()
	eventually(r.t, "there is one connection", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for c := range r.conns {
			if len(r.conns) > 1 || c != last {
				last, since = c, time.Now()
			}
		}
		return len(r.conns) == 1 && time.Since(since) > 50*time.Millisecond
	})
	send(r.t, last, text)
}

func (r *rig) grants(rights ...spec.Right) []spec.Grant {
	if len(rights) == 0 {
		rights = []spec.Right{spec.Read, spec.Write}
	}
	return []spec.Grant{{Group: Name, Resources: []string{r.address(), "cidr:127.0.0.0/8"}, Rights: rights}}
}

// args are lines, with short waits.
func (r *rig) args(change ...func(*abi.TCPOpen)) *abi.TCPOpen {
	a := &abi.TCPOpen{Address: r.address(), OpenTimeoutMS: 2000, RetryMS: 10, MaxRetryMS: 50, Framing: &abi.Framing{Kind: abi.FramingDelimiter, Delimiter: []byte("\n")}}
	for _, f := range change {
		f(a)
	}
	return a
}

func pull(a *abi.TCPOpen) { a.Pull = true }

func raw(a *abi.TCPOpen) { a.Framing = nil }

func group() *Group { return New(Config{Egress: egress.New(egress.Config{})}) }

// opened opens a session that is closed when the test ends.
func (r *rig) opened(g *Group, args *abi.TCPOpen) *Session {
	r.t.Helper()
	end, err := g.Open(r.t.Context(), capability.Scope{Grants: r.grants(), Owner: "con_1"}, args.Append(nil))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { closeSession(r.t, end) })
	return end.(*Session)
}

func closeSession(t *testing.T, end capability.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := end.Close(ctx); err != nil {
		t.Error(err)
	}
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// receive reads n bytes.
func receive(t *testing.T, c net.Conn, n int) string {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// taken waits for n events. It does not acknowledge them.
func taken(t *testing.T, s *Session, n int) (got []capability.Event) {
	t.Helper()
	for end := time.After(patience); ; {
		if got = s.Take(got, n-len(got), 1<<20); len(got) == n {
			return got
		}
		select {
		case <-s.Ready():
		case <-end:
			t.Fatalf("%d events (%s), want %d; condition %+v", len(got), told(got), n, s.Condition())
		}
	}
}

// told writes events as text: frames quoted, the others by name.
func told(events []capability.Event) string {
	words := make([]string, len(events))
	for i, e := range events {
		switch e.Type {
		case abi.EventData:
			words[i] = fmt.Sprintf("%q", e.Data)
		case abi.EventUp:
			words[i] = "up"
		case abi.EventDown:
			words[i] = "down"
		case abi.EventGap:
			words[i] = "gap:" + e.Name
		default:
			words[i] = fmt.Sprintf("type %d", e.Type)
		}
	}
	return strings.Join(words, " ")
}

func expect(t *testing.T, s *Session, want string) {
	t.Helper()
	got := taken(t, s, len(strings.Fields(want)))
	if told(got) != want {
		t.Fatalf("got  %s\nwant %s", told(got), want)
	}
	s.Ack(len(got))
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

func write(ctx context.Context, s *Session, data string) error {
	_, err := s.Call(ctx, functionWrite, abi.TCPWrite{Handle: 1, Data: []byte(data)}.Append(nil), nil)
	return err
}

func data(out []byte, err error) (string, error) {
	if err != nil {
		return "", err
	}
	var d abi.TCPData
	err = d.Decode(out)
	return string(d.Data), err
}

func transact(ctx context.Context, s *Session, request string, ms uint64) (string, error) {
	return data(s.Call(ctx, functionTransact, abi.TCPTransact{Handle: 1, Data: []byte(request), TimeoutMS: ms}.Append(nil), nil))
}

func read(ctx context.Context, s *Session, q abi.TCPRead) (string, error) {
	q.Handle = 1
	return data(s.Call(ctx, functionRead, q.Append(nil), nil))
}
