package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// The headers in which proxies say for whom they ask, each behind the last:
// whoever is nearest to us has the last word of it.
const (
	headerForwarded    = "Forwarded" // RFC 7239
	headerForwardedFor = "X-Forwarded-For"
)

// proxies are the networks whose word on where a request comes from is believed.
type proxies []netip.Prefix

// ParseProxies reads networks, such as 10.0.0.0/8, and single addresses, for
// Config.TrustedProxies. Errors are faults: Usage.
func ParseProxies(texts []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range texts {
		text = strings.TrimSpace(text)
		p, err := netip.ParsePrefix(text)
		if addr, alone := netip.ParseAddr(text); alone == nil {
			p, err = netip.PrefixFrom(addr.WithZone(""), addr.BitLen()), nil
		}
		switch {
		case err != nil || p.Addr().Is4In6():
			return nil, fault.New(fault.Usage, "%q is no network: want one such as 10.0.0.0/8, fd00::/8 or 127.0.0.1", fault.Clip(text, 80))
		case p.Bits() == 0:
			return nil, fault.New(fault.Usage, "%s is everybody, who could say to be anybody: name the addresses of the proxies alone", text)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

// has reports whether an address is a proxy's.
func (p proxies) has(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// origin is where a request comes from that a peer has sent: the peer, or
// for a proxy the last one on the way here that is none. What is further to the
// left may be anybody's invention. Where a proxy says nothing that can be
// understood, it is the proxy itself.
func (p proxies) origin(peer netip.Addr, h http.Header) netip.Addr {
	peer = peer.Unmap()
	plain, standard := h.Values(headerForwardedFor), h.Values(headerForwarded)
	switch {
	case !p.has(peer):
		return peer
	case len(standard) == 0:
		return p.walk(peer, plain, hopAddr)
	case len(plain) == 0:
		return p.walk(peer, standard, forwardedFor)
	}
	by := p.walk(peer, plain, hopAddr)
	if by != p.walk(peer, standard, forwardedFor) {
		// The proxy has written one of them and let the other through, which is its
		// client's invention, and there is no telling which.
		return peer
	}
	return by
}

// walk goes from hop to hop, the nearest first, for as long as they are proxies.
func (p proxies) walk(at netip.Addr, lines []string, read func(hop string) (netip.Addr, bool)) netip.Addr {
	list, more := strings.Join(lines, ","), true
	for more && p.has(at) {
		var hop string
		list, hop, more = cutLast(list)
		next, ok := read(hop)
		if !ok {
			break
		}
		at = next
	}
	return at
}

// cutLast cuts a list before its last element; a comma within quotes cuts
// nothing. It goes from the right, since what a stranger has written on the left
// may have a quote too few.
func cutLast(list string) (before, last string, more bool) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"':
			quoted = !quoted
		case list[i] == ',' && !quoted:
			return list[:i], list[i+1:], true
		}
	}
	return "", list, false
}

// forwardedFor is the address that an element of a Forwarded header is for, if it
// says so, once.
func forwardedFor(element string) (addr netip.Addr, ok bool) {
	node, found := "", false
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "for") {
			continue
		}
		if found {
			return addr, false
		}
		node, found = strings.TrimSpace(value), true
	}
	if inner, quoted := strings.CutPrefix(node, `"`); quoted {
		node = strings.TrimSuffix(inner, `"`)
	}
	return hopAddr(node)
}

// hopAddr is the address of a hop, with a port or without one.
func hopAddr(hop string) (netip.Addr, bool) {
	hop = strings.TrimSpace(hop)
	addr, err := netip.ParseAddr(hop)
	if err != nil {
		if inner, ok := strings.CutPrefix(hop, "["); ok && strings.HasSuffix(inner, "]") {
			addr, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		} else {
			var at netip.AddrPort
			at, err = netip.ParseAddrPort(hop)
			addr = at.Addr()
		}
	}
	return addr.Unmap().WithZone(""), err == nil
}

// IsProxy reports whether an address is that of a trusted proxy, whose
// connections are not those of one client.
func (s *Server) IsProxy(addr netip.Addr) bool { return s.proxies.has(addr) }

// keyBrought is set of a request that a trusted proxy has brought.
const keyBrought = "brought"

// unproxied makes the RemoteAddr of a request that a trusted proxy has brought its
// client's, for all that comes after.
func (s *Server) unproxied(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		at, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !s.proxies.has(at.Addr()) {
			return next(c)
		}
		c.Set(keyBrought, true)
		if origin := s.proxies.origin(at.Addr(), r.Header); origin != at.Addr().Unmap() {
			r = r.WithContext(r.Context()) // a copy: the request is the server's
			r.RemoteAddr = netip.AddrPortFrom(origin, 0).String()
			c.SetRequest(r)
		}
		return next(c)
	}
}

// crowded bounds the requests under way of one client that come by proxies, as
// connections are bounded of those that come by themselves.
func (s *Server) crowded(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Get(keyBrought) == nil {
			return next(c)
		}
		client := identity.ClientOf(remote(c))
		if !s.crowd.enter(client) {
			return fault.New(fault.Exhausted, "%d requests of your address are under way already", s.crowd.most).WithRetryAfter(retryGate)
		}
		defer s.crowd.leave(client)
		return next(c)
	}
}

// crowd counts the requests under way of each client that come by proxies, whose
// connections are everybody's. Use by several goroutines is safe.
type crowd struct {
	most int

	mu sync.Mutex
	of map[netip.Prefix]int
}

func newCrowd() *crowd { return &crowd{most: maxAddrConns, of: map[netip.Prefix]int{}} }

func (c *crowd) enter(client netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[client] >= c.most {
		return false
	}
	c.of[client]++
	return true
}

func (c *crowd) leave(client netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[client]--; c.of[client] == 0 {
		delete(c.of, client)
	}
}
