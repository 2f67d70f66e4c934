package remote

import (
	"net/http"
	"net/netip"
	"sync"

	"github.com/snaprail/snaprail/runtime/identity"
)

// doors are where strangers stand until they have said whose they are: so many
// in all, and so many of one client, so that nobody can fill them alone.
type doors struct {
	mu  sync.Mutex
	all int
	of  map[netip.Prefix]int // by client
}

func (d *doors) enter(client netip.Prefix) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all >= strangers || d.of[client] >= strangersOf {
		return false
	}
	d.all++
	d.of[client]++
	return true
}

func (d *doors) leave(client netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.of[client]--; d.of[client] == 0 {
		delete(d.of, client)
	}
}

// clientOf is whom a request counts for.
func clientOf(r *http.Request) netip.Prefix {
	at, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero one stands for all that have none
	return identity.ClientOf(at.Addr())
}
