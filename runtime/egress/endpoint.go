package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

var errEndpoint = errors.New("want host:port, as in plc1:502, with stars as you like, or cidr:network")

// Endpoint is the host:port of a grant's resource in its one spelling: lower case,
// punycode, addresses as netip writes them.
func Endpoint(text string) (string, error) {
	if text == "" || len(text) > maxHost || strings.ContainsAny(text, "/@?# ") {
		return "", errEndpoint
	}
	u, err := url.Parse("http://" + text)
	if err != nil || u.User != nil || u.Hostname() == "" || u.Port() == "" {
		return "", errEndpoint
	}
	canonical, err := Canonical("http://" + u.Host + "/")
	if err != nil {
		return "", err
	}
	port, err := portOf("http", u.Port())
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(canonical.Hostname(), strconv.Itoa(int(port))), nil
}

// CheckEndpoint says what is wrong with a resource of a grant that is host:port with
// stars, or a network of private addresses; nil: nothing. Brackets are a class of
// characters, as in all patterns: those of an IPv6 address are escaped.
func CheckEndpoint(pattern string) error {
	if strings.HasPrefix(pattern, cidrPrefix) {
		return CheckPattern(pattern)
	}
	colon := strings.LastIndexByte(pattern, ':')
	switch _, err := path.Match(pattern, ""); {
	case err != nil, len(pattern) > maxHost, strings.Contains(pattern, "/"):
		return errEndpoint
	case colon <= 0 || colon == len(pattern)-1 || strings.HasSuffix(pattern, `]`):
		return errors.New("names no port: write it out, as in plc1:502, or a star for any")
	case pattern != strings.ToLower(pattern):
		return errors.New("hosts are written in lower case")
	case strings.ContainsAny(pattern, "*?"), hasClass(pattern):
		return nil
	}
	canonical, err := Endpoint(strings.NewReplacer(`\[`, "[", `\]`, "]").Replace(pattern))
	if err != nil {
		return err
	}
	if escaped := strings.NewReplacer("[", `\[`, "]", `\]`).Replace(canonical); escaped != pattern {
		return errors.New("write it as " + escaped)
	}
	return nil
}

// hasClass reports whether a pattern has a class of characters, as in plc[12]:502. An
// IPv6 address is none, though it would be one by its brackets.
func hasClass(pattern string) bool {
	bare := strings.NewReplacer(`\[`, "", `\]`, "").Replace(pattern)
	open, end := strings.IndexByte(bare, '['), strings.IndexByte(bare, ']')
	return open >= 0 && end > open && (open > 0 || net.ParseIP(bare[1:end]) == nil)
}

// EndpointMatches reports whether a pattern covers a host:port, or all that another
// pattern does. It says no when it cannot tell.
func EndpointMatches(pattern, resource string) bool {
	if strings.HasPrefix(pattern, cidrPrefix) || strings.HasPrefix(resource, cidrPrefix) {
		return Matches(pattern, resource)
	}
	if pattern == resource {
		return CheckEndpoint(pattern) == nil
	}
	if strings.ContainsAny(resource, `*?\`) {
		return false
	}
	canonical, err := Endpoint(resource)
	if err != nil {
		return false
	}
	ok, err := path.Match(pattern, canonical)
	return ok && err == nil
}

// NetworkRules are the rules of the networks that grants of a group name, whatever
// else they do: for the dialer of one whose other resources are no URLs.
func NetworkRules(group string, grants []spec.Grant) (Rules, error) {
	var all []string
	for _, g := range grants {
		for _, r := range g.Resources {
			if strings.HasPrefix(r, cidrPrefix) {
				all = append(all, r)
			}
		}
	}
	r, err := NewRules([]spec.Grant{{Resources: all}})
	r.group = group
	return r, err
}

// DialUDP makes a socket that sends to one address, which the rules allow, and
// receives from it alone. A broadcast address of a network needs a rule for it
// alone ("cidr:192.168.1.255/32"), and multicast is never reached: one datagram is
// not to become many.
func (d *Dialer) DialUDP(ctx context.Context, address string) (net.Conn, error) {
	dialer := d.dialer
	var to netip.AddrPort // the last that was tried: they are, one after the other
	dialer.Control = func(_, at string, c syscall.RawConn) error {
		if err := d.egress.checkAddress(d.rules, at); err != nil {
			return err
		}
		to, _ = netip.ParseAddrPort(at) // it was checked
		if d.rules.names(at) {
			return nil
		}
		return noBroadcast(c)
	}
	conn, err := dialer.DialContext(ctx, "udp", address)
	if errors.Is(err, syscall.EACCES) {
		return nil, fault.New(fault.EgressForbidden, "%s is a broadcast address", to.Addr()).
			WithHint("If this is meant, grant it by itself: %s.", d.rules.openTo(to.Addr()))
	}
	return conn, err
}
