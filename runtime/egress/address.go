package egress

import "net/netip"

// reach is who may reach an address.
type reach int

const (
	never   reach = iota
	private       // who is granted its network
	public        // who is granted the host
)

// network is a range of addresses with a reach of its own.
type network struct {
	prefix netip.Prefix
	reach  reach
	what   string // it is
}

// networks are the ranges that are not simply public; the first that holds an
// address decides. Beyond them, IPv4 is public and IPv6 is in 2000::/3.
func networks() []network {
	var all []network
	for _, row := range []struct {
		reach reach
		what  string
		in    []string
	}{
		{never, "a metadata service of a cloud", []string{
			"169.254.169.254/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
			"fd00:ec2::/32", "fd20:ce::254/128", "fe80::a9fe:a9fe/128",
		}},
		{never, "link-local, where metadata services are", []string{"169.254.0.0/16"}},
		{never, "an address of no host", []string{"0.0.0.0/8", "::/128", "100::/64"}},
		{never, "multicast", []string{"224.0.0.0/4", "ff00::/8"}},
		{never, "broadcast or reserved", []string{"240.0.0.0/4", "192.0.0.0/24"}},
		{private, "loopback", []string{"127.0.0.0/8", "::1/128"}},
		{private, "a private network", []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}},
		{private, "a carrier's shared network", []string{"100.64.0.0/10"}},
		{private, "a network for tests or examples", []string{
			"198.18.0.0/15", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20",
		}},
		{private, "unique-local", []string{"fc00::/7"}},
		{private, "link-local", []string{"fe80::/10"}},
		{never, "an IPv4 address in another form", []string{
			"::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "192.88.99.0/24",
		}},
		{never, "reserved", []string{"2001::/23", "fec0::/10"}},
	} {
		for _, in := range row.in {
			all = append(all, network{netip.MustParsePrefix(in), row.reach, row.what})
		}
	}
	return all
}

// reachOf is the reach of an address without a zone, and what it is.
func (e *Egress) reachOf(a netip.Addr) (reach, string) {
	a = a.Unmap()
	translated, tunnelled := carries(a)
	if translated || tunnelled {
		b := a.As16()
		inner := netip.AddrFrom4([4]byte(b[12:]))
		if r, what := e.reachOf(inner); r != public {
			return never, inner.String() + " in another form, " + what
		}
	}
	if translated {
		return public, "" // as a network without IPv4 has all of the old internet
	}
	for _, n := range e.networks {
		if n.prefix.Contains(a) {
			return n.reach, n.what
		}
	}
	if a.Is6() && a.As16()[0]>>5 != 1 {
		return never, "reserved"
	}
	return public, ""
}

// carries reports whether a gateway makes an IPv4 address of the last four bytes:
// by the prefix of RFC 6052, or by the interface of an ISATAP tunnel.
func carries(a netip.Addr) (translated, tunnelled bool) {
	if !a.Is6() {
		return false, false
	}
	b := a.As16()
	return [12]byte(b[:12]) == [12]byte{0, 0x64, 0xff, 0x9b},
		b[8]&^2 == 0 && [3]byte(b[9:12]) == [3]byte{0, 0x5e, 0xfe}
}
