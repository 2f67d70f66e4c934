package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// pattern is one resource of a grant, read:
//
//	https://api.example.com/v1/*      this host, paths that begin so
//	https://*.example.com:8443        one label more, all paths
//	http://192.168.1.5/devices/*/now  a star inside of a path is one segment
//	http://*:*/*                      any host, any port
//	cidr:192.168.1.0/24               a network of private addresses
type pattern struct {
	network netip.Prefix // of cidr:, and nothing else is set

	scheme string
	host   string // canonical; with wild, what follows the first label; with any, nothing
	wild   bool
	any    bool
	port   uint16 // 0: any
	path   string // canonical, but for the stars
}

const cidrPrefix = "cidr:"

// CheckPattern says what is wrong with a resource of a grant; nil: nothing.
func CheckPattern(text string) error {
	_, err := parsePattern(text)
	return err
}

func parsePattern(text string) (pattern, error) {
	if rest, ok := strings.CutPrefix(text, cidrPrefix); ok {
		return parseNetwork(rest)
	}
	scheme, rest, ok := strings.Cut(text, "://")
	p := pattern{scheme: strings.ToLower(scheme)}
	if !ok || p.scheme != "http" && p.scheme != "https" {
		return p, errors.New("want https://host/path, http://host/path or cidr:network, as in https://api.example.com/v1/*")
	}
	if strings.ContainsAny(rest, "?#") {
		return p, errors.New("a pattern has no query and no fragment: grants end at the path")
	}
	authority, path, hasPath := strings.Cut(rest, "/")
	if err := p.readAuthority(authority); err != nil {
		return p, err
	}
	if !hasPath {
		p.path = "/*"
		return p, nil
	}
	canonical, err := canonicalPath("/" + path)
	p.path = canonical
	return p, err
}

func parseNetwork(text string) (pattern, error) {
	n, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return pattern{}, errors.New("want a network, as in cidr:192.168.1.0/24")
	case n.Addr().Is4In6() || n.Addr().Zone() != "":
		return pattern{}, errors.New("an IPv4 network is written as such, and a network has no zone")
	case n.Masked() != n:
		return pattern{}, fmt.Errorf("%s has bits behind its prefix: it is in %s", text, n.Masked())
	}
	return pattern{network: n}, nil
}

// readAuthority reads host and port.
func (p *pattern) readAuthority(authority string) error {
	if strings.Contains(authority, "@") {
		return errors.New("a pattern has no user")
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.Contains(authority[i:], "]") {
		host, port = authority[:i], authority[i+1:]
	}
	var err error
	if port != "*" {
		if p.port, err = portOf(p.scheme, port); err != nil {
			return err
		}
	}
	if host == "*" {
		p.any = true
		return nil
	}
	host, p.wild = strings.CutPrefix(host, "*.")
	if strings.Contains(host, "*") {
		return errors.New("a star takes the place of the whole host or of its first label, as in *.example.com")
	}
	if p.host, err = canonicalHost(host); err != nil {
		return err
	}
	if _, err := netip.ParseAddr(p.host); err == nil && p.wild {
		return errors.New("an address has no labels for a star to take the place of")
	}
	return nil
}

// target is what patterns are matched against.
type target struct {
	scheme, host, path string
	port               uint16
}

func (p pattern) matches(t target) bool {
	return !p.network.IsValid() && p.scheme == t.scheme && (p.port == 0 || p.port == t.port) &&
		p.matchesHost(t.host) && matchPath(p.path, t.path)
}

func (p pattern) matchesHost(host string) bool {
	if p.any {
		return true
	}
	if p.wild {
		label, rest, ok := strings.Cut(host, ".")
		return ok && label != "" && rest == p.host
	}
	return host == p.host
}

// matchPath matches a canonical path. A star at the end is any rest; another is
// any text inside of one segment.
func matchPath(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	open := strings.HasSuffix(pattern, "*")
	if len(have) < len(want) || !open && len(have) != len(want) {
		return false
	}
	for i, w := range want {
		last := open && i == len(want)-1
		// A slash that is spelled as %2F is one to some servers: it is no text
		// inside of a segment.
		if strings.Contains(w, "*") && !last && hasHiddenSlash(have[i]) || !glob(w, have[i]) {
			return false
		}
	}
	return true
}

func hasHiddenSlash(segment string) bool {
	return strings.Contains(segment, "%2F") || strings.Contains(segment, "%5C")
}

// glob matches a text; a star is any run of characters.
func glob(pattern, text string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	for ok {
		part, more, another := strings.Cut(rest, "*")
		if !another {
			return strings.HasSuffix(text, part)
		}
		_, text, ok = strings.Cut(text, part) // the first is as good as any
		rest = more
	}
	return false
}

// Matches reports whether a pattern covers a resource: a URL, or another pattern
// of which it covers all.
func Matches(text, resource string) bool {
	outer, err := parsePattern(text)
	if err != nil {
		return false
	}
	inner, err := parsePattern(resource)
	if err != nil {
		u, err := Canonical(resource)
		return err == nil && outer.matches(targetOf(u))
	}
	if outer.network.IsValid() || inner.network.IsValid() {
		return outer.network.IsValid() && inner.network.IsValid() &&
			outer.network.Bits() <= inner.network.Bits() && outer.network.Contains(inner.network.Addr())
	}
	return outer.covers(inner)
}

// covers reports whether p matches all that inner does.
func (p pattern) covers(inner pattern) bool {
	host := inner.host
	if inner.wild {
		host = "*." + host
	}
	return p.scheme == inner.scheme && (p.port == 0 || p.port == inner.port) &&
		(p.any || !inner.any && p.matchesHost(host)) && matchPath(p.path, inner.path)
}
