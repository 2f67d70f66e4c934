package peertest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// echo answers what it is sent, line by line.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// line is a connection that is asked line by line.
type line struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, p *FaultProxy) *line {
	t.Helper()
	c, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &line{t, c, bufio.NewReader(c)}
}

func (l *line) ask(text string, within time.Duration) (string, time.Duration, error) {
	l.t.Helper()
	began := time.Now()
	if _, err := io.WriteString(l, text+"\n"); err != nil {
		return "", 0, err
	}
	if err := l.SetReadDeadline(began.Add(within)); err != nil {
		l.t.Fatal(err)
	}
	got, err := l.r.ReadString('\n')
	return strings.TrimSuffix(got, "\n"), time.Since(began), err
}

func TestFaultProxy(t *testing.T) {
	p := NewFaultProxy(t, echo(t))
	l := dial(t, p)
	if got, _, err := l.ask("a", time.Second); got != "a" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	p.Set(Fault{Latency: 30 * time.Millisecond})
	if got, took, err := l.ask("b", 5*time.Second); got != "b" || took < 60*time.Millisecond || err != nil {
		t.Errorf("%q after %v, %v", got, took, err)
	}
	p.Set(Fault{BytesPerSecond: 2000})
	if _, took, err := l.ask(strings.Repeat("x", 200), 5*time.Second); took < 100*time.Millisecond || err != nil {
		t.Errorf("200 bytes took %v, %v", took, err)
	}
	p.Set(Fault{Silent: true})
	if got, _, err := l.ask("c", 30*time.Millisecond); err == nil || got != "" {
		t.Errorf("silent: %q", got)
	}
	p.Set(Fault{})
	if got, _, err := l.ask("d", time.Second); got != "d" || err != nil {
		t.Errorf("again: %q, %v", got, err)
	}
	p.Reset()
	if _, _, err := l.ask("e", time.Second); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("reset: %v", err)
	}
	p.Set(Fault{ResetAfter: 3})
	l = dial(t, p)
	if got, _, err := l.ask("ab", time.Second); got != "ab" && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("before: %q, %v", got, err)
	}
	if _, _, err := l.ask("c", time.Second); err == nil {
		t.Error("not reset after three bytes")
	}
	p.Set(Fault{Refuse: true})
	if c, err := net.Dial("tcp", p.Address()); err == nil { // the reset may come before the dial has returned
		if _, _, err := (&line{t, c, bufio.NewReader(c)}).ask("f", time.Second); err == nil {
			t.Error("not refused")
		}
		_ = c.Close()
	}
	p.Set(Fault{})
	l = dial(t, p)
	if got, _, err := l.ask("g", time.Second); got != "g" || err != nil || p.Opened() != 4 {
		t.Errorf("%q, %v; %d open of %d", got, err, p.Open(), p.Opened())
	}
	for end := time.Now().Add(time.Minute); p.Open() != 1; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d open", p.Open())
		}
	}
	p.Cut()
	if _, _, err := l.ask("h", time.Second); err == nil {
		t.Error("not cut")
	}
}
