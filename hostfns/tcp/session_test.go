package tcp

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestConnectionIsMadeAnew(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), r.args())
	c := r.accept()
	send(t, c, "a\nb\nhal")
	expect(t, s, `"a\n" "b\n"`)
	_ = c.Close()
	expect(t, s, `gap:unfinished_frame down`)
	c = r.accept()
	expect(t, s, `up`)
	if err := write(t.Context(), s, "on\n"); err != nil || receive(t, c, 3) != "on\n" {
		t.Error(err)
	}
	if got := s.Condition(); !got.Up || got.Opens != 2 || got.Dropped != 1 || got.Counts["dropped_unfinished_frame"] != 1 {
		t.Errorf("condition %+v", got)
	}
	send(t, c, "c\n")
	expect(t, s, `"c\n"`)
}

// A peer that accepts and hangs up is not asked again and again at full speed.
func TestPeerThatHangsUp(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), r.args(func(a *abi.TCPOpen) { a.RetryMS, a.MaxRetryMS = 20, 60_000 }))
	began := time.Now()
	for range 5 {
		_ = r.accept().Close()
	}
	if took := time.Since(began); took < 20*time.Millisecond+40*time.Millisecond+80*time.Millisecond {
		t.Errorf("five connections in %v", took)
	}
	if got := taken(t, s, 1); told(got) != "down" {
		t.Errorf("got %s", told(got))
	}
}

func TestAwayPeerIsSaidSo(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), r.args())
	c := r.accept()
	_ = r.listener.Close()
	_ = c.Close()
	expect(t, s, `down`)
	err := write(t.Context(), s, "on\n")
	if f := fault.Of(err); !fault.Is(err, fault.ResourceUnavailable) || f.RetryAfter == 0 || !strings.Contains(f.Text, r.address()) {
		t.Errorf("got %v", err)
	}
	_, err = group().Open(t.Context(), capability.Scope{Grants: r.grants()}, r.args(func(a *abi.TCPOpen) { a.OpenTimeoutMS = 50 }).Append(nil))
	if !fault.Is(err, fault.ResourceUnavailable) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("open: %v", err)
	}
}

func TestBackground(t *testing.T) {
	r := listening(t)
	address := r.address()
	_ = r.listener.Close()
	s := r.opened(group(), r.args(func(a *abi.TCPOpen) { a.Background = true }))
	eventually(t, "it says why", func() bool { return strings.Contains(s.Condition().Reason, "refused") })
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip("the port is taken:", err)
	}
	r.listener = l
	defer func() { _ = l.Close() }()
	c := r.accept()
	send(t, c, "a\n")
	expect(t, s, `up "a\n"`)
}

func TestTransactions(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), r.args(pull))
	c := r.accept()
	if _, err := transact(t.Context(), s, "first\n", 30); !fault.Is(err, fault.Timeout) {
		t.Fatalf("no answer: %v", err)
	}
	send(t, c, "late\n")
	eventually(t, "the late answer waits", func() bool { return s.Condition().Buffered == 1 })
	receive(t, c, len("first\n"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if receive(t, c, len("second\n")) == "second\n" {
			_, _ = io.WriteString(c, "answer\nmore\n")
		}
	}()
	if got, err := transact(t.Context(), s, "second\n", 0); got != "answer\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	<-done
	if got, err := read(t.Context(), s, abi.TCPRead{}); got != "more\n" || err != nil {
		t.Errorf("what came behind: %q, %v", got, err)
	}
	if got := s.Condition(); got.Dropped != 1 || got.Counts["dropped_stale"] != 1 {
		t.Errorf("the late answer was not counted: %+v", got)
	}
	go func() { _ = c.Close() }()
	if _, err := transact(t.Context(), s, "third\n", 0); !fault.Is(err, fault.ResourceUnavailable) {
		t.Errorf("a connection that broke: %v", err)
	}
}

// A guest that waits for an answer takes no events; those that come before it find
// room.
func TestAnswerBehindManyEvents(t *testing.T) {
	r := listening(t)
	s := r.opened(New(Config{Egress: egress.New(egress.Config{}), Events: 8}), r.args())
	c := r.accept()
	send(t, c, strings.Repeat("event\n", 9)) // the last one has no room
	eventually(t, "the buffer is full", func() bool { return s.Condition().Buffered == 8 })
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = receive(t, c, len("ask\n"))
		_, _ = io.WriteString(c, "answer\n")
	}()
	if got, err := transact(t.Context(), s, "ask\n", 5000); err != nil || got != "answer\n" {
		t.Errorf("got %q, %v", got, err)
	}
	<-done
	if got := s.Condition(); got.Buffered != 9 || got.Dropped != 0 {
		t.Errorf("the events: %+v", got)
	}
}

func TestReads(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), r.args(raw, pull, func(a *abi.TCPOpen) { a.BufferBytes = 4096 }))
	c := r.accept()
	until := func(limit uint32) abi.TCPRead { return abi.TCPRead{Until: []byte("\r\n"), Max: limit, TimeoutMS: 5000} }
	send(t, c, "one\r")
	if _, err := read(t.Context(), s, abi.TCPRead{Until: []byte("\r\n"), TimeoutMS: 30}); !fault.Is(err, fault.Timeout) {
		t.Errorf("half a delimiter: %v", err)
	}
	send(t, c, "\ntwo\r\nthree")
	for _, want := range []string{"one\r\n", "two\r\n"} {
		if got, err := read(t.Context(), s, until(0)); got != want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if _, err := read(t.Context(), s, until(3)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("no delimiter in three bytes: %v", err)
	}
	if got, err := read(t.Context(), s, abi.TCPRead{Max: 4}); got != "thre" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := read(t.Context(), s, abi.TCPRead{}); got != "e" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	// A peer that sends more than there is room for is held up, and nothing is lost.
	long := strings.Repeat("0123456789abcde\n", 1<<14)
	go func() { _, _ = io.WriteString(c, long) }()
	var all strings.Builder
	for all.Len() < len(long) {
		got, err := read(t.Context(), s, abi.TCPRead{Max: 5000, TimeoutMS: 5000})
		if err != nil {
			t.Fatalf("after %d bytes: %v", all.Len(), err)
		}
		all.WriteString(got)
	}
	if all.String() != long {
		t.Error("something else came")
	}
	send(t, c, "rest")
	eventually(t, "it waits", func() bool { return s.Condition().Buffered > 0 })
	_ = c.Close()
	eventually(t, "the connection is lost", func() bool { return !s.Condition().Up || s.Condition().Opens > 1 })
	if got, err := read(t.Context(), s, abi.TCPRead{}); got != "rest" || err != nil {
		t.Errorf("what came before the loss: %q, %v", got, err)
	}
}

func TestSilentPeer(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), r.args(func(a *abi.TCPOpen) { a.IdleTimeoutMS = 60 }))
	r.accept()
	got := taken(t, s, 2)
	if told(got) != "down up" || !strings.Contains(got[0].Err.Error(), "idle_timeout_ms") {
		t.Errorf("got %s: %v", told(got), got[0].Err)
	}
}

func TestSilenceEndsAFrame(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), r.args(func(a *abi.TCPOpen) { a.Framing = &abi.Framing{Kind: abi.FramingGap, GapUS: 20_000} }))
	c := r.accept()
	send(t, c, "abc")
	expect(t, s, `"abc"`)
	send(t, c, "def")
	_ = c.Close()
	expect(t, s, `"def" down`)
}

func TestSLIP(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), r.args(func(a *abi.TCPOpen) { a.Framing = &abi.Framing{Kind: abi.FramingSLIP} }))
	c := r.accept()
	if err := write(t.Context(), s, "a\xc0"); err != nil || receive(t, c, 5) != "\xc0a\xdb\xdc\xc0" {
		t.Error(err)
	}
	send(t, c, "\xc0b\xdbx\xc0c\xc0")
	expect(t, s, `gap:frame_broken "c"`)
}

func TestOutOfStep(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), r.args(func(a *abi.TCPOpen) { a.Framing = &abi.Framing{Kind: abi.FramingLength, LengthSize: 4} }))
	c := r.accept()
	send(t, c, "\x00\x00\x00\x01a\xff\xff\xff\xffzzzz")
	expect(t, s, `"\x00\x00\x00\x01a" gap:out_of_step down`)
	send(t, r.accept(), "\x00\x00\x00\x01b")
	expect(t, s, `up "\x00\x00\x00\x01b"`)
}

// A write that a peer does not take ends in time, and so does the connection: who
// knows what the peer has read of it.
func TestPeerThatDoesNotRead(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), r.args(func(a *abi.TCPOpen) { a.WriteTimeoutMS = 100 }))
	c := r.accept()
	var err error
	for range 64 {
		if err = write(t.Context(), s, strings.Repeat("x", 1<<20)); err != nil {
			break
		}
	}
	if !fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), "of 1048576 bytes were sent") {
		t.Fatalf("got %v", err)
	}
	expect(t, s, `down up`)
	_ = c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := write(ctx, s, "x"); !fault.Is(err, fault.Canceled) {
		t.Errorf("cancelled before it began: %v", err)
	}
	if got := s.Condition(); got.Opens != 2 {
		t.Errorf("a write that sent nothing ended the connection: %+v", got)
	}
}

// Nothing is reached that no grant names: not by a name, and not this server.
func TestGuard(t *testing.T) {
	r := listening(t)
	out := egress.New(egress.Config{})
	g := New(Config{Egress: out})
	open := func(address string, grants ...string) error {
		scope := capability.Scope{Grants: r.grants()}
		scope.Grants[0].Resources = append([]string{address}, grants...)
		end, err := g.Open(t.Context(), scope, (&abi.TCPOpen{Address: address, OpenTimeoutMS: 50}).Append(nil))
		if err == nil {
			closeSession(t, end)
		}
		return err
	}
	_, port, err := net.SplitHostPort(r.address())
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{r.address(), "localhost:" + port, "169.254.169.254:80"} {
		if err := open(address); !fault.Is(err, fault.EgressForbidden) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if f := fault.Of(open(r.address())); !strings.Contains(f.Hint, "`snaprail grants add CONNECTOR tcp cidr:127.0.0.1/32`") {
		t.Errorf("without its network: %v", f.Hint)
	}
	if err := open("169.254.169.254:80", "cidr:169.254.0.0/16"); !fault.Is(err, fault.EgressForbidden) {
		t.Errorf("a metadata service: %v", err)
	}
	if err := open(r.address(), "cidr:127.0.0.1/32"); err != nil {
		t.Errorf("granted: %v", err)
	}
	out.Listening(r.listener.Addr())
	if err := open(r.address(), "cidr:127.0.0.1/32"); !fault.Is(err, fault.EgressForbidden) || !strings.Contains(err.Error(), "this server itself") {
		t.Errorf("this server: %v", err)
	}
}

func TestSettings(t *testing.T) {
	for _, bad := range []*abi.TCPOpen{
		{},
		{Address: "plc1"},
		{Address: "plc1:502", BufferBytes: 1},
		{Address: "plc1:502", BufferBytes: 1 << 40},
		{Address: "plc1:502", Framing: &abi.Framing{Kind: 9}},
		{Address: "plc1:502", Framing: &abi.Framing{MaxFrame: 1 << 20}},
		{Address: "plc1:502", TLS: &abi.HTTPTLS{Key: "k"}},
	} {
		if _, err := group().Target(bad.Append(nil)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
