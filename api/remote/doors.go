package remote

import (
	"net"
	"net/http"
	"sync"
)

// doors are where strangers stand until they have said whose they are: so many
// in all, and so many of one address, so that nobody can fill them alone.
type doors struct {
	mu  sync.Mutex
	all int
	of  map[string]int // by address
}

func (d *doors) enter(address string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all >= strangers || d.of[address] >= strangersOf {
		return false
	}
	d.all++
	d.of[address]++
	return true
}

func (d *doors) leave(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.of[address]--; d.of[address] == 0 {
		delete(d.of, address)
	}
}

// addressOf is whom a request counts for: its address, without the port.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
