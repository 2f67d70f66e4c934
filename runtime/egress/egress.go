// Package egress is the only way out: a dialer and a factory of HTTP clients
// that reach what their Rules allow and nothing else. cmd makes one Egress and
// hands it on as a value; host functions, the OAuth refresher and the login by
// OpenID Connect dial through it.
//
// What counts is the address that a name has led to, looked at in the moment of
// the dial, so that no spelling of an address and no change of a name's records
// gets past. Some addresses are never reached: those of metadata services, of
// this server's own listeners, of no host or of many. Private ones (and loopback)
// are reached only by rules that name their network. No proxy is used, whatever
// the environment says.
//
// A reply is bounded before it is read: body, headers, time, redirects. Each
// redirect is held to the rules anew and loses what identifies the asker when it
// leads to another host.
package egress

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of a request that nobody has set lower.
const (
	MaxBody      = 8 << 20  // bytes of a reply's body, decoded
	MaxHeaders   = 64 << 10 // bytes of a reply's headers
	MaxRedirects = 3
	Timeout      = 30 * time.Second // of a request with its redirects and the reply's body

	// Concurrent is how many requests of all owners are under way at once.
	Concurrent = 1024

	dialTimeout = 10 * time.Second
)

// Config is what an Egress is made of. The zero value is for production.
type Config struct {
	// Resolver finds the addresses of names; nil: the system's.
	Resolver *net.Resolver
	// Roots are the authorities of TLS; nil: the system's.
	Roots *x509.CertPool
	// MaxBody and Timeout take the place of the constants; 0: those.
	MaxBody int64
	Timeout time.Duration
	// Concurrent takes the place of the constant; 0: that.
	Concurrent int
}

// Egress is the way out. It is safe for use by several goroutines.
type Egress struct {
	cfg      Config
	networks []network
	slots    chan struct{} // a token for each request under way

	mu  sync.Mutex
	own []netip.AddrPort
}

// New is an Egress that knows of no listener of its own yet.
func New(cfg Config) *Egress {
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = MaxBody
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = Timeout
	}
	if cfg.Concurrent <= 0 {
		cfg.Concurrent = Concurrent
	}
	return &Egress{cfg: cfg, networks: networks(), slots: make(chan struct{}, cfg.Concurrent)}
}

// Listening says where this server listens: nobody reaches that from now on.
func (e *Egress) Listening(at net.Addr) {
	tcp, ok := at.(*net.TCPAddr)
	if !ok {
		return // no address that can be dialled
	}
	ap := tcp.AddrPort()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.own = append(e.own, netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()))
}

// Dialer opens connections that its rules allow.
type Dialer struct {
	egress *Egress
	rules  Rules
	dialer net.Dialer
}

// Dialer is a dialer under these rules. It looks at addresses alone: whether a
// host may be asked, and for what, is its user's to check.
func (e *Egress) Dialer(r Rules) *Dialer {
	return &Dialer{egress: e, rules: r, dialer: net.Dialer{
		Timeout: dialTimeout, Resolver: e.cfg.Resolver,
		Control: func(_, address string, _ syscall.RawConn) error { return e.checkAddress(r, address) },
	}}
}

// DialContext opens a TCP connection. The error is an EgressForbidden when every
// address of the name is one that may not be reached, else the network's own.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
		return d.dialer.DialContext(ctx, network, address)
	}
	return nil, fault.New(fault.EgressForbidden, "%s to %s: connections out are TCP", network, address)
}

// checkAddress is called with each resolved address right before its dial.
func (e *Egress) checkAddress(r Rules, address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fault.New(fault.EgressForbidden, "%q is no address", address)
	}
	a := ap.Addr().WithZone("").Unmap()
	if e.isOwn(a, ap.Port()) {
		return fault.New(fault.EgressForbidden, "%s is this server itself", address).
			WithHint("No grant opens the server's own listeners; use its API from outside.")
	}
	reach, what := e.reachOf(a)
	switch {
	case reach == never:
		return fault.New(fault.EgressForbidden, "%s may never be reached: %s", a, what).
			WithHint("No grant opens this address.")
	case reach == private && !r.holds(a):
		return fault.New(fault.EgressForbidden, "%s may not be reached: %s, and no grant names its network", a, what).
			WithHint("If this is meant: %s opens this address, and a wider network all that are in it.", r.openTo(a))
	}
	return nil
}

// isOwn reports whether this server listens there.
func (e *Egress) isOwn(a netip.Addr, port uint16) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, own := range e.own {
		if own.Port() == port && (own.Addr() == a || own.Addr().IsUnspecified() && isLocal(a)) {
			return true
		}
	}
	return false
}

// isLocal reports whether an address is one of this machine's.
func isLocal(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true // it cannot be ruled out
	}
	for _, addr := range addrs {
		if n, ok := addr.(*net.IPNet); ok {
			if of, ok := netip.AddrFromSlice(n.IP); ok && of.Unmap() == a {
				return true
			}
		}
	}
	return false
}
