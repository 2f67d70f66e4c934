// Package probe holds TCP ports open for as long as what they stand for is
// well: whoever asks learns it by whether a connection comes about. Nothing is
// sent or read.
//
// The supervisor drives it and cmd makes it; it imports the fault table alone.
// Its invariant: a port that is not shown is closed, not merely silent.
package probe

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/snaprail/snaprail/runtime/fault"
)

// MaxPorts bounds the ports of one process.
const MaxPorts = 64

// Config is what Probes are made of.
type Config struct {
	// Listen opens a TCP port, on the address of whoever hands it on: to listen
	// is for the program, and not for a room of the runtime.
	Listen func(ctx context.Context, port int) (net.Listener, error)
	Log    *slog.Logger // nil: none
}

// Status is what is known of one port now.
type Status struct {
	Port int  `json:"port"`
	Open bool `json:"open"`
	// Fixed says that the operator has named it where the server was started.
	Fixed bool `json:"fixed,omitempty"`
	// Error says why it is not open although it should be.
	Error string `json:"error,omitempty"`
}

// Probes are the ports of one process. A nil one has none. It is safe for use
// by several goroutines.
type Probes struct {
	cfg Config

	mu     sync.Mutex
	ports  map[string]*port
	closed bool
}

// port is one that has been given to somebody.
type port struct {
	number int
	fixed  bool
	ln     net.Listener // nil: closed
	ended  chan struct{}
	err    error
}

// New makes probes without a port.
func New(cfg Config) *Probes {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Probes{cfg: cfg, ports: map[string]*port{}}
}

// Fix is Assign for as long as the process lives: no Assign gives the key
// another port.
func (p *Probes) Fix(ctx context.Context, key string, number int) error {
	if err := p.Assign(ctx, key, number); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if is := p.ports[key]; is != nil {
		is.fixed = true
	}
	return nil
}

// Assign gives a key its port; 0 takes it away. The port is tried out at once:
// fault.Exists when something else has it, and the key keeps what it had.
// fault.WrongState: it has another one that is fixed.
func (p *Probes) Assign(ctx context.Context, key string, number int) error {
	if p == nil {
		return fault.New(fault.Unsupported, "this server has no TCP probes")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	had := p.ports[key]
	switch {
	case had != nil && had.fixed && had.number != number:
		return fault.New(fault.WrongState, "the port %d was named where the server was started", had.number).
			WithHint("Start the server with another --tcp-probe, or without one.")
	case p.closed:
		return fault.New(fault.ShuttingDown, "the server is stopping")
	case number == 0:
		had.close()
		delete(p.ports, key)
		return nil
	case had != nil && had.number == number:
		return nil
	case had == nil && len(p.ports) >= MaxPorts:
		return fault.New(fault.Exhausted, "%d ports are probed already, and more are not possible", MaxPorts)
	}
	for other, is := range p.ports {
		if is.number == number {
			return taken(number).WithHint("Name another port: this one answers for %s.", other)
		}
	}
	ln, err := p.listen(ctx, number)
	if err != nil {
		return err
	}
	_ = ln.Close() // it was free, and is opened when there is something to show
	had.close()
	p.ports[key] = &port{number: number}
	return nil
}

func taken(number int) *fault.Fault {
	return fault.New(fault.Exists, "the port %d is in use", number).
		WithHint("Stop what uses the port, or name another.")
}

func (p *Probes) listen(ctx context.Context, number int) (net.Listener, error) {
	ln, err := p.cfg.Listen(ctx, number)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, taken(number)
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, err, "the port %d cannot be probed", number)
	}
	return ln, nil
}

// Show opens the key's port, or closes it. It reports whether the port is now as
// it should be: one that another process took meanwhile is tried again with
// the next call.
func (p *Probes) Show(ctx context.Context, key string, well bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	is := p.ports[key]
	switch {
	case is == nil:
		return true
	case !well || p.closed:
		is.close()
		return true
	case is.ln != nil:
		return true
	}
	ln, err := p.listen(ctx, is.number)
	if err != nil {
		if is.err == nil {
			p.cfg.Log.Error("a TCP probe cannot be opened", "probe", key, "port", is.number, "error", err)
		}
		is.err = err
		return false
	}
	is.ln, is.ended, is.err = ln, make(chan struct{}), nil
	go answer(ln, is.ended)
	return true
}

// answer takes connections, which is all that is asked for. It ends with its
// listener.
func answer(ln net.Listener, ended chan<- struct{}) {
	defer close(ended)
	for {
		c, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err == nil:
			_ = c.Close()
		}
	}
}

// close closes the port and waits until nobody answers there.
func (is *port) close() {
	if is == nil {
		return
	}
	is.err = nil
	if is.ln == nil {
		return
	}
	_ = is.ln.Close()
	<-is.ended
	is.ln = nil
}

// Keys lists who has a port, in order.
func (p *Probes) Keys() []string {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	keys := make([]string, 0, len(p.ports))
	for key := range p.ports {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Any reports whether a key that begins so has a port.
func (p *Probes) Any(prefix string) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for key := range p.ports {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// Status is the key's port; nil: it has none.
func (p *Probes) Status(key string) *Status {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	is := p.ports[key]
	if is == nil {
		return nil
	}
	s := &Status{Port: is.number, Open: is.ln != nil, Fixed: is.fixed}
	if is.err != nil {
		s.Error = is.err.Error()
	}
	return s
}

// Close closes all ports, for good.
func (p *Probes) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, is := range p.ports {
		is.close()
	}
}
