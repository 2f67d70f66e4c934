package peertest

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// Fault is what a FaultProxy does to the bytes that pass. The zero value does
// nothing.
type Fault struct {
	// Latency is how much later bytes arrive, each way.
	Latency time.Duration
	// BytesPerSecond is how many pass, each way, of each connection.
	BytesPerSecond int
	// Silent swallows what comes, both ways, and says nothing: a connection whose
	// other end is gone looks like this (half-open).
	Silent bool
	// Stuck reads nothing any more, so that whoever writes is held up.
	Stuck bool
	// Refuse resets new connections at once.
	Refuse bool
	// ResetAfter resets a connection once so many bytes went to the client, and no
	// more.
	ResetAfter int64
}

// FaultProxy stands between a client and a server of TCP, and does to them what
// networks do. It is safe for use by several goroutines.
type FaultProxy struct {
	tb       testing.TB
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu      sync.Mutex
	fault   Fault
	changed chan struct{} // closed and replaced with fault
	pairs   []*pair
	opened  int
	closed  bool
}

// pair is one connection through the proxy.
type pair struct {
	client, server *net.TCPConn
	toClient       int64
}

// NewFaultProxy passes on to an address, until the test ends.
func NewFaultProxy(tb testing.TB, to string) *FaultProxy {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &FaultProxy{tb: tb, listener: listener, to: to, changed: make(chan struct{})}
	p.running.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// Address is where clients connect.
func (p *FaultProxy) Address() string { return p.listener.Addr().String() }

// Set changes what happens from now on, to connections that are there, too.
func (p *FaultProxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	close(p.changed)
	p.changed = make(chan struct{})
}

// To makes new connections lead elsewhere.
func (p *FaultProxy) To(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = address
}

// Opened is how many connections there were.
func (p *FaultProxy) Opened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

// Open is how many connections there are.
func (p *FaultProxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs)
}

// Cut ends all connections in an orderly way.
func (p *FaultProxy) Cut() { p.end(false) }

// Reset ends all connections with a reset.
func (p *FaultProxy) Reset() { p.end(true) }

func (p *FaultProxy) end(reset bool) {
	p.mu.Lock()
	pairs := slices.Clone(p.pairs)
	p.mu.Unlock()
	for _, x := range pairs {
		x.close(reset)
	}
}

func (x *pair) close(reset bool) {
	for _, c := range []*net.TCPConn{x.client, x.server} {
		if reset {
			_ = c.SetLinger(0) // it may be closed already
		}
		_ = c.Close()
	}
}

func (p *FaultProxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Set(Fault{})
	if err := p.listener.Close(); err != nil {
		p.tb.Error(err)
	}
	p.Reset()
	p.running.Wait()
}

func (p *FaultProxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				p.tb.Error(err)
			}
			return
		}
		client := conn.(*net.TCPConn) //nolint:forcetypeassert // a listener of TCP has no others
		p.mu.Lock()
		p.opened++
		refuse, to := p.fault.Refuse, p.to
		p.mu.Unlock()
		if refuse {
			_ = client.SetLinger(0)
			_ = client.Close()
			continue
		}
		p.running.Go(func() { p.connect(client, to) })
	}
}

func (p *FaultProxy) connect(client *net.TCPConn, to string) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(p.tb.Context(), "tcp", to)
	if err != nil {
		_ = client.SetLinger(0) // there is nothing behind it
		_ = client.Close()
		return
	}
	x := &pair{client: client, server: conn.(*net.TCPConn)} //nolint:forcetypeassert // it was dialled as one
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		x.close(true)
		return
	}
	p.pairs = append(p.pairs, x)
	p.mu.Unlock()
	var ways sync.WaitGroup
	ways.Go(func() { p.pass(x, x.client, x.server, false) })
	ways.Go(func() { p.pass(x, x.server, x.client, true) })
	ways.Wait()
	x.close(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pairs = slices.DeleteFunc(p.pairs, func(y *pair) bool { return y == x })
}

// now is the fault of this moment, and what closes when it changes.
func (p *FaultProxy) now() (Fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.changed
}

// pass carries bytes one way, until an end of it is gone. An end of the bytes alone
// is passed on, too: what goes the other way goes on.
func (p *FaultProxy) pass(x *pair, from, to *net.TCPConn, toClient bool) {
	buffer := make([]byte, 32<<10)
	for {
		f, changed := p.now()
		if f.Stuck {
			<-changed
			continue
		}
		room := buffer
		if f.BytesPerSecond > 0 {
			room = buffer[:max(1, min(len(buffer), f.BytesPerSecond/20))]
		}
		n, err := from.Read(room)
		if f, _ = p.now(); f.Silent {
			n = 0
		}
		last := toClient && f.ResetAfter > 0 && x.toClient+int64(n) >= f.ResetAfter
		if last {
			n = int(max(0, f.ResetAfter-x.toClient))
		}
		if n > 0 {
			p.delay(f, n)
			if _, err := to.Write(room[:n]); err != nil {
				x.close(true)
				return
			}
		}
		if last {
			x.close(true)
			return
		}
		if toClient {
			x.toClient += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF) && !f.Silent:
			_ = to.CloseWrite() // it may be closed
			return
		case err != nil:
			if !errors.Is(err, io.EOF) {
				x.close(true)
			}
			return
		}
	}
}

// delay takes the time that n bytes take.
func (p *FaultProxy) delay(f Fault, n int) {
	wait := f.Latency
	if f.BytesPerSecond > 0 {
		wait += time.Duration(n) * time.Second / time.Duration(f.BytesPerSecond)
	}
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	_, changed := p.now()
	select {
	case <-timer.C:
	case <-changed: // a test that ends a fault waits for nothing of it
	}
}
