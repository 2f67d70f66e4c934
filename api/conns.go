package api

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/identity"
)

// The bounds of connections that are open at once: of all clients, and of one
// address (of IPv6, one network of 64 bits), so that nobody can take them all. A
// trusted proxy may: of those whom it asks for, each has so many requests.
// A connection costs a goroutine and about 20 KB.
const (
	maxConns      = 8192
	maxAddrConns  = 2048
	connsToldEach = time.Minute
)

// bounded is a listener that closes what comes beyond its bounds. It accepts on
// all the same: who waits in the system's queue could not tell why.
type bounded struct {
	net.Listener
	log             *slog.Logger
	most, perClient int
	isProxy         func(netip.Addr) bool // whose connections are not one client's; nil: nobody's

	mu      sync.Mutex
	open    int
	clients map[netip.Prefix]int
	refused uint64    // since it was told
	told    time.Time // when
}

func newBounded(ln net.Listener, log *slog.Logger) *bounded {
	return &bounded{Listener: ln, log: log, most: maxConns, perClient: maxAddrConns, clients: map[netip.Prefix]int{}}
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := clientOf(conn)
		if b.enter(client, b.isProxy != nil && b.isProxy(addrOf(conn))) {
			return &countedConn{Conn: conn, leave: sync.OnceFunc(func() { b.leave(client) })}, nil
		}
		_ = conn.Close() // there is nobody to tell
		b.tell(time.Now())
	}
}

func (b *bounded) enter(client netip.Prefix, proxy bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open >= b.most || (!proxy && b.clients[client] >= b.perClient) {
		b.refused++
		return false
	}
	b.open++
	b.clients[client]++
	return true
}

func (b *bounded) leave(client netip.Prefix) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	if b.clients[client]--; b.clients[client] == 0 {
		delete(b.clients, client)
	}
}

// tell logs how many were refused, once in a while.
func (b *bounded) tell(now time.Time) {
	b.mu.Lock()
	refused, open := b.refused, b.open
	due := now.Sub(b.told) >= connsToldEach
	if due {
		b.refused, b.told = 0, now
	}
	b.mu.Unlock()
	if due {
		b.log.Warn("connections refused: too many are open", "refused", refused, "open", open)
	}
}

func clientOf(conn net.Conn) netip.Prefix { return identity.ClientOf(addrOf(conn)) }

func addrOf(conn net.Conn) netip.Addr {
	at, _ := netip.ParseAddrPort(conn.RemoteAddr().String()) // the zero one stands for all that have none
	return at.Addr()
}

// countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
