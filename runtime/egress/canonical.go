package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of a URL, and of a host as it is spelled, in bytes.
const (
	maxURL  = 8 << 10
	maxHost = 1 << 10
)

// Canonical is the one spelling of an absolute http or https URL in which it is
// both matched and sent: lower case, punycode, no default port, no dot segments,
// only the escapes that have to be. The error is an Invalid.
func Canonical(text string) (*url.URL, error) {
	if len(text) > maxURL {
		return nil, fault.New(fault.Invalid, "the URL has %d bytes, and %d are allowed", len(text), maxURL)
	}
	u, err := url.Parse(text)
	if err != nil {
		if outer, ok := errors.AsType[*url.Error](err); ok {
			err = outer.Err // the text may hold what is secret
		}
		return nil, fault.Wrap(fault.Invalid, err, "the URL cannot be read")
	}
	return canonical(u)
}

func canonical(u *url.URL) (*url.URL, error) {
	out := &url.URL{Scheme: strings.ToLower(u.Scheme)}
	if out.Scheme != "http" && out.Scheme != "https" || u.Opaque != "" || u.Host == "" {
		return nil, fault.New(fault.Invalid, "the URL is not a full one").
			WithHint("Write it with scheme and host, as in https://api.example.com/v1/items.")
	}
	if u.User != nil {
		return nil, fault.New(fault.Invalid, "the URL names a user").
			WithHint("Credentials go into the request's username and password, or into a header.")
	}
	host, err := canonicalHost(u.Hostname())
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the URL's host")
	}
	port, err := portOf(out.Scheme, u.Port())
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the URL")
	}
	out.Host = hostPort(out.Scheme, host, port)
	if out.RawPath, err = canonicalPath(u.EscapedPath()); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the URL's path")
	}
	if out.Path, err = url.PathUnescape(out.RawPath); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the URL's path")
	}
	out.RawQuery = escape(u.RawQuery, isQuery)
	return out, nil
}

// targetOf is what rules look at in a canonical URL.
func targetOf(u *url.URL) target {
	port, err := portOf(u.Scheme, u.Port())
	if err != nil {
		return target{} // of no scheme, which nothing matches
	}
	return target{scheme: u.Scheme, host: u.Hostname(), port: port, path: u.EscapedPath()}
}

// defaultPort is the port of a scheme when none is named.
func defaultPort(scheme string) uint16 {
	if scheme == "https" {
		return 443
	}
	return 80
}

func portOf(scheme, text string) (uint16, error) {
	if text == "" {
		return defaultPort(scheme), nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port", fault.Clip(text, maxShown))
	}
	return uint16(n), nil
}

func hostPort(scheme, host string, port uint16) string {
	if port != defaultPort(scheme) {
		return net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// canonicalHost is a name in lower case and ASCII, or an address as netip writes
// it; an IPv4 address in an IPv6 one is itself.
func canonicalHost(host string) (string, error) {
	if len(host) > maxHost {
		return "", fmt.Errorf("a host of %d bytes", len(host))
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.Contains(host, ":") {
		a, err := netip.ParseAddr(host)
		if err != nil || a.Zone() != "" {
			return "", fmt.Errorf("%q is no IPv6 address without a zone", fault.Clip(host, maxShown))
		}
		return a.Unmap().String(), nil
	}
	name := strings.ToLower(host)
	if !isASCII(name) {
		var err error
		if name, err = idna.Lookup.ToASCII(host); err != nil {
			return "", fmt.Errorf("%q is no name of a host", fault.Clip(host, maxShown))
		}
	}
	name = strings.TrimSuffix(name, ".")
	if err := checkName(name); err != nil {
		return "", err
	}
	return name, nil
}

// checkName holds a name to the form of names. One that ends in a number is an
// address to some resolvers (decimal, octal, hexadecimal, short), so it has to be
// one in the form that all agree on.
func checkName(name string) error {
	if name == "" || len(name) > 253 {
		return fmt.Errorf("a host has 1 to 253 characters, and this one %d", len(name))
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool { return !isLabel(r) }) {
			return fmt.Errorf("%q is no name of a host", fault.Clip(name, maxShown))
		}
		last = label
	}
	if !isNumber(last) {
		return nil
	}
	if a, err := netip.ParseAddr(name); err != nil || !a.Is4() {
		return fmt.Errorf("%q is no address: write four decimal numbers, as in 192.0.2.1", fault.Clip(name, maxShown))
	}
	return nil
}

func isLabel(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

func isNumber(label string) bool {
	if strings.HasPrefix(label, "0x") {
		return true
	}
	return !strings.ContainsFunc(label, func(r rune) bool { return r < '0' || r > '9' })
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e || r < 0x21 })
}

// canonicalPath is a path with its dot segments taken out. One whose meaning
// depends on who decodes it, and how often, is refused.
func canonicalPath(escaped string) (string, error) {
	path := removeDots(unreserve(escaped))
	for plain, round := path, 0; ; round++ {
		if err := checkPlain(plain); err != nil {
			return "", err
		}
		next, err := url.PathUnescape(plain)
		if err != nil {
			next = plain // a % that escapes nothing: nobody decodes it further
		}
		if next == plain {
			return path, nil
		}
		if plain = next; round >= maxEscapes {
			return "", errors.New("is escaped too many times over")
		}
	}
}

// maxEscapes is how often a path may be escaped over again.
const maxEscapes = 3

// checkPlain refuses what a server might make a step up of, or an end.
func checkPlain(path string) error {
	for _, c := range []byte(path) {
		if c < 0x20 || c == 0x7f {
			return errors.New("holds a control character")
		}
	}
	for segment := range strings.SplitSeq(strings.ReplaceAll(path, `\`, "/"), "/") {
		name, _, _ := strings.Cut(segment, ";")
		if name == "." || name == ".." {
			return errors.New("has a hidden dot segment")
		}
	}
	return nil
}

// removeDots takes . and .. out of an absolute path, as RFC 3986, 5.2.4.
func removeDots(path string) string {
	var out []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, s := range segments {
		last := i == len(segments)-1
		if s != "." && s != ".." {
			out = append(out, s)
			continue
		}
		if s == ".." && len(out) > 0 {
			out = out[:len(out)-1]
		}
		if last {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

// unreserve writes every escape that need not be one as its character, and the
// others in upper case.
func unreserve(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			b.WriteByte(path[i])
			continue
		}
		c, err := strconv.ParseUint(path[i+1:i+3], 16, 8)
		switch {
		case err != nil:
			b.WriteByte('%')
			continue
		case isUnreserved(byte(c)):
			b.WriteByte(byte(c))
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
		i += 2
	}
	return escape(b.String(), isPath)
}

// escape escapes the bytes that may not stand for themselves. Escapes stay.
func escape(s string, may func(c byte) bool) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; may(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func isPath(c byte) bool { return isUnreserved(c) || strings.IndexByte("/%!$&'()*+,;=:@", c) >= 0 }

func isQuery(c byte) bool { return isPath(c) || strings.IndexByte("?[]\\|^`{}", c) >= 0 }
