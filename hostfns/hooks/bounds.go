package hooks

import (
	"net/netip"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// retrySoon is what is advised to somebody who came when there was no room.
const retrySoon = time.Second

// bounds is what all connectors share: places for bodies that are under way, for
// requests that wait, and bytes. Nobody may take all of them.
type bounds struct {
	cfg Config

	mu      sync.Mutex
	bodies  int
	clients map[netip.Prefix]int // bodies, by address
	waiting int
	tenants map[capability.Purse]int // requests that wait; a purse is its tenant's
	bytes   int64
	names   int64 // bytes of what is remembered
	kept    map[capability.Purse]int64
}

func newBounds(cfg Config) *bounds {
	return &bounds{cfg: cfg, clients: map[netip.Prefix]int{}, tenants: map[capability.Purse]int{}, kept: map[capability.Purse]int64{}}
}

// enter takes a place for a body; leave gives it back.
func (b *bounds) enter(client netip.Addr) (leave func(), err error) {
	// This machine and its neighbours may be proxies, behind which everybody is.
	outside := isPublic(client)
	at := networkOf(client)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bodies >= b.cfg.Bodies || outside && b.clients[at] >= max(1, b.cfg.Bodies/clientShare) {
		return nil, fault.New(fault.HookUnavailable, "too many requests are under way").WithRetryAfter(retrySoon)
	}
	b.bodies++
	if outside {
		b.clients[at]++
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.bodies--
		if !outside {
			return
		}
		if b.clients[at]--; b.clients[at] == 0 {
			delete(b.clients, at)
		}
	}, nil
}

// wait takes a place for a request of this tenant that waits.
func (b *bounds) wait(p capability.Purse) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting >= b.cfg.Waiting || p != nil && b.tenants[p] >= max(1, b.cfg.Waiting/tenantShare) {
		return false
	}
	b.waiting++
	if p != nil {
		b.tenants[p]++
	}
	return true
}

func (b *bounds) done(p capability.Purse) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
	if p == nil {
		return
	}
	if b.tenants[p]--; b.tenants[p] == 0 {
		delete(b.tenants, p)
	}
}

// hold takes room for n bytes, of the tenant's too; n < 0 gives it back.
func (b *bounds) hold(p capability.Purse, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > 0 && b.bytes+n > b.cfg.Bytes {
		return false
	}
	if p != nil && p.Hold(n) != nil {
		return false
	}
	b.bytes += n
	return true
}

// keep takes room for n bytes of what is remembered; n < 0 gives it back. It is none
// of the room for requests: what is over holds up nobody.
func (b *bounds) keep(p capability.Purse, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > 0 && (b.names+n > b.cfg.Names || p != nil && b.kept[p]+n > b.cfg.Names/tenantShare) {
		return false
	}
	b.names += n
	if p == nil {
		return true
	}
	if b.kept[p] += n; b.kept[p] == 0 {
		delete(b.kept, p)
	}
	return true
}

// isPublic reports whether an address is neither this machine nor a private one.
func isPublic(a netip.Addr) bool { return place(a) == "public" }

// place is where an address is.
func place(a netip.Addr) string {
	a = a.Unmap()
	switch {
	case a.IsLoopback():
		return "loopback"
	case a.IsPrivate() || a.IsLinkLocalUnicast():
		return "private"
	}
	return "public"
}

// networkOf counts the addresses of one client as one: of IPv6, a network of 64 bits.
func networkOf(a netip.Addr) netip.Prefix {
	bits := 64
	if a = a.Unmap(); a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits) // the zero one stands for what is no address
	return p
}
