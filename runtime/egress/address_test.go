package egress_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// everywhere are patterns that leave the addresses alone to decide.
func everywhere() []string { return []string{"http://*:*/*", "https://*:*/*"} }

// trap is a server on all of this machine's addresses that must not be reached.
type trap struct {
	port  string
	conns atomic.Int32
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	tr := &trap{}
	_, tr.port, _ = net.SplitHostPort(ln.Addr().String())
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	_ = s.Listener.Close()
	s.Listener = ln
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			tr.conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return tr
}

// spellings are hosts, as they stand in a URL, that mean an address that may not
// be reached without a grant for its network, to some resolver or other.
func spellings() []string {
	return []string{
		// this machine
		"127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "127.000.000.001", "0177.0.0.1", "0177.0.0.01", "0x7f.0.0.1",
		"0x7f000001", "2130706433", "017700000001", "0x7F.1", "127.0.0.1.", "127.0.0.0x1", "0", "0.0.0.0", "00.0.0.0",
		"localhost", "LOCALHOST", "localhost.", "LocalHost.", "loopback.test", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::0001]",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[::127.0.0.1]", "[::7f00:1]",
		"[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:7f00:0001::1]",
		"[2001:0:7f00:1::]", "[2001:0000:4136:e378:8000:63bf:80ff:fffe]", "[::ffff:0:127.0.0.1]", "[fe80::5efe:7f00:1]",
		"[2600::5efe:127.0.0.1]", "１２７.０.０.１", "127。0。0。1", "①②⑦.⓪.⓪.①", "ⓛocalhost", "%31%32%37.0.0.1",
		"%E2%91%A0%E2%91%A1%E2%91%A6.0.0.1", "[::1%25lo]", "[::ffff:127.0.0.1%25lo]",
		// metadata services
		"169.254.169.254", "169.254.170.2", "0xa9.0xfe.0xa9.0xfe", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376",
		"169.254.43518", "169.16689662", "169.254.169.254.", "[::ffff:a9fe:a9fe]", "[::ffff:169.254.169.254]", "[::a9fe:a9fe]",
		"[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[2001::5601:5601]", "[fd00:ec2::254]", "[fd00:0ec2:0::254]", "[fd20:ce::254]",
		"[fe80::a9fe:a9fe]", "100.100.100.200", "168.63.129.16", "192.0.0.192", "metadata.test", "metadata6.test", "１６９。２５４。１６９。２５４",
		// private, shared, none, many
		"10.0.0.1", "10.1", "0xa000001", "172.16.0.1", "172.31.255.255", "192.168.1.1", "192.168.257", "3232235777", "100.64.0.1",
		"[fc00::1]", "[fdff::1]", "[fe80::1]", "[fec0::1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "[::10.0.0.1]", "[::ffff:10.0.0.1]",
		"224.0.0.1", "239.255.255.255", "255.255.255.255", "240.0.0.1", "[ff02::1]", "[ff0e::1]", "198.18.0.1", "192.88.99.1", "[100::1]",
		"[3fff::1]", "[4000::1]", "[2001:2::1]",
	}
}

// Abuse case 35: no spelling of an address gets past, by name or by number, by
// either scheme, and nothing is connected to.
func TestAbuse35ForbiddenAddresses(t *testing.T) {
	dns := newNames(t)
	dns.set("loopback.test", "127.0.0.1", "::1")
	dns.set("metadata.test", "169.254.169.254")
	dns.set("metadata6.test", "fd00:ec2::254", "::ffff:169.254.169.254")
	for _, host := range []string{"127.1", "0", "2130706433", "0x7f000001", "017700000001", "0177.0.0.1", "127.0.0.1"} {
		dns.set(host, "127.0.0.1") // as the C library reads them
	}
	tr := newTrap(t)
	e := egress.New(egress.Config{Resolver: dns.resolver()})
	c := client(t, e, everywhere()...)
	hosts := spellings()
	if len(hosts) < 60 {
		t.Fatalf("%d spellings", len(hosts))
	}
	for _, host := range hosts {
		for _, scheme := range []string{"http", "https"} {
			url := scheme + "://" + host + ":" + tr.port + "/latest/meta-data/"
			_, err := get(t, c, url)
			if !fault.Is(err, fault.EgressForbidden) && !fault.Is(err, fault.Invalid) {
				// One that url.Parse refuses is no request at all.
				if _, parsed := egress.Canonical(url); parsed == nil {
					t.Errorf("%s: %v", url, err)
				}
			}
		}
	}
	if n := tr.conns.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
	// The trap does work.
	if _, err := get(t, client(t, e, append(everywhere(), local)...), "http://127.0.0.1:"+tr.port); err != nil || tr.conns.Load() != 1 {
		t.Errorf("with a grant: %v", err)
	}
}

// What may never be reached is not opened by a grant of everything.
func TestAbuse35NeverGrantable(t *testing.T) {
	tr := newTrap(t)
	e := egress.New(egress.Config{})
	all := append(everywhere(), "cidr:0.0.0.0/0", "cidr:::/0")
	dial := e.Dialer(only(t, all...))
	for _, addr := range []string{
		"169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b:1::1",
		"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fe80::a9fe:a9fe", "fe80::a9fe:a9fe%lo", "100.100.100.200", "168.63.129.16", "192.0.0.192",
		"0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "255.255.255.255", "ff02::1", "2002:7f00:1::", "2001::1", "::127.0.0.1", "::ffff:0:127.0.0.1",
		"fec0::1", "fe80::5efe:7f00:1", "2600::200:5efe:7f00:1", "4000::1",
	} {
		conn, err := dial.DialContext(t.Context(), "tcp", net.JoinHostPort(addr, tr.port))
		if !fault.Is(err, fault.EgressForbidden) {
			t.Errorf("%s: %v", addr, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	for _, network := range []string{"udp", "unix", "ip4:icmp", ""} {
		if _, err := dial.DialContext(t.Context(), network, "127.0.0.1:"+tr.port); !fault.Is(err, fault.EgressForbidden) {
			t.Errorf("%s: %v", network, err)
		}
	}
	if n := tr.conns.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
	// What is asked for by its network is reached.
	conn, err := dial.DialContext(t.Context(), "tcp", "127.0.0.1:"+tr.port)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// This server's own listeners are not reached by any address that leads there,
// nor by a grant.
func TestAbuse35OwnListeners(t *testing.T) {
	tr, other := newTrap(t), newTrap(t)
	e := egress.New(egress.Config{})
	port := netip.MustParseAddrPort("127.0.0.1:" + tr.port).Port()
	e.Listening(&net.TCPAddr{IP: net.IPv6zero, Port: int(port)})
	e.Listening(&net.UnixAddr{Name: "/run/x"})
	dial := e.Dialer(only(t, append(everywhere(), "cidr:0.0.0.0/0", "cidr:::/0")...))
	hosts := []string{"127.0.0.1", "127.1.2.3", "::1", "localhost"}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		hosts = append(hosts, a.(*net.IPNet).IP.String())
	}
	for _, host := range hosts {
		if conn, err := dial.DialContext(t.Context(), "tcp", net.JoinHostPort(host, tr.port)); !fault.Is(err, fault.EgressForbidden) {
			t.Errorf("%s: %v", host, err)
			if err == nil {
				_ = conn.Close()
			}
		}
	}
	if n := tr.conns.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
	conn, err := dial.DialContext(t.Context(), "tcp", "127.0.0.1:"+other.port)
	if err != nil {
		t.Fatalf("another port: %v", err)
	}
	_ = conn.Close()
	// A listener on one address is not one on its neighbour.
	e = egress.New(egress.Config{})
	e.Listening(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 9), Port: int(port)})
	dial = e.Dialer(only(t, local))
	if conn, err = dial.DialContext(t.Context(), "tcp", "127.0.0.1:"+tr.port); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	for _, host := range []string{"127.0.0.9", "::ffff:127.0.0.9"} {
		if conn, err := dial.DialContext(t.Context(), "tcp", net.JoinHostPort(host, tr.port)); !fault.Is(err, fault.EgressForbidden) {
			t.Errorf("%s: %v", host, err)
			if err == nil {
				_ = conn.Close()
			}
		}
	}
}

// Abuse case 37: what a name leads to is looked at when it is dialled, each time.
func TestAbuse37Rebinding(t *testing.T) {
	tr := newTrap(t)
	dns := newNames(t)
	e := egress.New(egress.Config{Resolver: dns.resolver()})
	c := client(t, e, "http://rebind.test:*/*", "cidr:127.0.0.2/32") // the one that is "public"
	url := "http://rebind.test:" + tr.port
	reached := func(want int32) {
		t.Helper()
		c.CloseIdleConnections()
		if n := tr.conns.Load(); n != want {
			t.Errorf("%d connections, want %d", n, want)
		}
	}
	dns.set("rebind.test", "127.0.0.2")
	if _, err := get(t, c, url); err != nil {
		t.Fatal(err)
	}
	reached(1)
	for i, answers := range [][]string{
		{"127.0.0.1"},
		{"127.0.0.1", "127.0.0.3"},
		{"::1"},
		{"127.0.0.1", "::1"},
		{"::ffff:127.0.0.1"},
		{"169.254.169.254"},
		{"10.0.0.1"},
		{"a.test"},
		{"0.0.0.0"},
		{"::"},
	} {
		dns.set("rebind.test", answers...)
		dns.set("a.test", "b.test") // a chain of names
		dns.set("b.test", "127.0.0.1")
		if _, err := get(t, c, url); !fault.Is(err, fault.EgressForbidden) {
			t.Errorf("%d: %v: %v", i, answers, err)
		}
	}
	reached(1)
	dns.set("rebind.test", "127.0.0.1", "127.0.0.2", "::1") // the good one of several
	if _, err := get(t, c, url); err != nil {
		t.Error(err)
	}
	reached(2)
	if _, err := get(t, c, strings.Replace(url, "rebind", "other", 1)); !fault.Is(err, fault.Denied) {
		t.Errorf("a host that is not granted: %v", err)
	}
	for _, asked := range dns.asked {
		if strings.HasPrefix(asked, "other.test") {
			t.Error("a host that is not granted was resolved")
		}
	}
	if _, err := get(t, client(t, e, everywhere()...), "http://missing.test"); !fault.Is(err, fault.ResourceUnavailable) || !strings.Contains(err.Error(), "missing.test") {
		t.Errorf("a name that is not there: %v", err)
	}
}

// No proxy is used, whatever the environment says.
func TestNoProxy(t *testing.T) {
	tr := newTrap(t)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, "http://127.0.0.1:"+tr.port)
	}
	dns := newNames(t)
	dns.set("public.test", "127.0.0.1")
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "direct") })
	url := strings.Replace(s.URL, "127.0.0.1", "public.test", 1)
	got, err := get(t, client(t, egress.New(egress.Config{Resolver: dns.resolver()}), url, local), url)
	if err != nil || got != "direct" || tr.conns.Load() != 0 {
		t.Errorf("%q, %v, and %d connections to the proxy", got, err, tr.conns.Load())
	}
}
