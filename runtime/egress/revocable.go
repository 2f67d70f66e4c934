package egress

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Revocable is a dialer whose rules change while its connections live: one that
// leads where the new rules do not is closed at once, and what is read from it or
// written to it then fails with the reason. It is safe for use by several goroutines.
type Revocable struct {
	egress *Egress

	mu     sync.Mutex // guards what follows
	dialer *Dialer
	also   func(address string) error
	open   map[*revocable]struct{}
}

// Revocable is a dialer under these rules, until others take their place.
func (e *Egress) Revocable(r Rules) *Revocable {
	return &Revocable{egress: e, dialer: e.Dialer(r), open: map[*revocable]struct{}{}}
}

// DialContext is that of Dialer, under the rules of now.
func (v *Revocable) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	v.mu.Lock()
	d := v.dialer
	v.mu.Unlock()
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &revocable{Conn: conn, of: v, address: address}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.check(c); err != nil { // the rules have changed meanwhile
		return nil, errors.Join(err, conn.Close())
	}
	v.open[c] = struct{}{}
	return c, nil
}

// Change puts other rules in the place of those that are, and closes the
// connections that they do not allow. also, which may be nil, refuses addresses as
// they were dialled; it is kept, and called under a lock.
func (v *Revocable) Change(r Rules, also func(address string) error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dialer, v.also = v.egress.Dialer(r), also
	for c := range v.open {
		if err := v.check(c); err != nil {
			c.revoke(err)
			delete(v.open, c)
		}
	}
}

func (v *Revocable) check(c *revocable) error {
	if v.also != nil {
		if err := v.also(c.address); err != nil {
			return err
		}
	}
	return v.egress.checkAddress(v.dialer.rules, c.RemoteAddr().String())
}

// revocable is a connection that its dialer may close.
type revocable struct {
	net.Conn

	of      *Revocable
	address string // as it was dialled

	mu  sync.Mutex
	why error // it was closed; nil: it was not, or by its user
}

// NetConn is the connection itself, for its options.
func (c *revocable) NetConn() net.Conn { return c.Conn }

// Close implements net.Conn.
func (c *revocable) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite ends what is written, and goes on reading.
func (c *revocable) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Read implements net.Conn.
func (c *revocable) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.explain(err)
}

// Write implements net.Conn.
func (c *revocable) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.explain(err)
}

// SetDeadline implements net.Conn.
func (c *revocable) SetDeadline(t time.Time) error { return c.explain(c.Conn.SetDeadline(t)) }

// SetReadDeadline implements net.Conn.
func (c *revocable) SetReadDeadline(t time.Time) error {
	return c.explain(c.Conn.SetReadDeadline(t))
}

// SetWriteDeadline implements net.Conn.
func (c *revocable) SetWriteDeadline(t time.Time) error {
	return c.explain(c.Conn.SetWriteDeadline(t))
}

func (c *revocable) revoke(why error) {
	c.mu.Lock()
	c.why = why
	c.mu.Unlock()
	_ = c.Conn.Close() // its user learns why
}

func (c *revocable) explain(err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != nil {
		return c.why
	}
	return err
}
