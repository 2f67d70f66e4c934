package egress_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestEndpoint(t *testing.T) {
	for text, want := range map[string]string{
		"PLC1.Plant:502": "plc1.plant:502", "bücher.example:80": "xn--bcher-kva.example:80", "192.168.1.5:80": "192.168.1.5:80",
		"[::1]:502": "[::1]:502", "[::ffff:10.0.0.1]:1": "10.0.0.1:1", "plc1.:443": "plc1:443", "a:00502": "a:502",
		"plc1": "", "plc1:": "", ":502": "", "plc1:0": "", "plc1:65536": "", "u@plc1:1": "", "plc1:1/x": "", "0x7f.1:1": "", "127.1:1": "", "": "", "[::1%eth0]:1": "",
	} {
		if got, err := egress.Endpoint(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestEndpointPatterns(t *testing.T) {
	for pattern, ok := range map[string]bool{
		"plc1:502": true, "*.plant:502": true, "plc[12]:502": true, "[ab]:502": true, "plc1:*": true, "*:*": true, `\[::1\]:502`: true, "cidr:10.0.0.0/8": true,
		"plc1": false, "PLC1:502": false, "10.1:502": false, "http://plc1:502": false, "cidr:10.0.0.1/8": false, "[a-:1": false, "plc1:": false, "[::1]": false, "a:0502": false, "[::1]:502": false,
	} {
		if err := egress.CheckEndpoint(pattern); (err == nil) != ok {
			t.Errorf("%q: %v", pattern, err)
		}
	}
	for _, tt := range []struct {
		pattern, resource string
		want              bool
	}{
		{"plc1:502", "plc1:502", true},
		{"*.plant:502", "plc1.plant:502", true},
		{"*.plant:502", "plc1.plant:503", false},
		{"plc1:*", "plc1:9", true},
		{"plc1:*", "plc1:*", true},
		{"*:*", "plc1:*", false},
		{`\[::1\]:502`, "[::1]:502", true},
		{`\[::1\]:502`, `\[::1\]:502`, true},
		{"[::1]:502", "1:502", false},
		{"cidr:10.0.0.0/8", "cidr:10.1.0.0/16", true},
		{"cidr:10.1.0.0/16", "cidr:10.0.0.0/8", false},
		{"cidr:10.0.0.0/8", "10.0.0.1:1", false},
		{"*", "plc1", false},
		{"plc[12]:502", "plc2:502", true},
		{"plc[12]:502", "plc3:502", false},
	} {
		if got := egress.EndpointMatches(tt.pattern, tt.resource); got != tt.want {
			t.Errorf("%q covers %q: %v", tt.pattern, tt.resource, got)
		}
	}
}

// One datagram reaches one host, which the rules name.
func TestDialUDP(t *testing.T) {
	peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	rules := func(resources ...string) egress.Rules {
		r, err := egress.NetworkRules("udp", []spec.Grant{{Resources: append(resources, "plc1:502")}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	e := egress.New(egress.Config{})
	for _, tt := range []struct {
		rules egress.Rules
		to    string
		ok    bool
		hint  string
	}{
		{rules("cidr:127.0.0.0/8"), peer.LocalAddr().String(), true, ""},
		{rules(), peer.LocalAddr().String(), false, "`snaprail grants add CONNECTOR udp cidr:127.0.0.1/32` opens this address"},
		{rules("cidr:127.0.0.0/8"), "127.255.255.255:9", false, "grant it by itself: `snaprail grants add CONNECTOR udp cidr:127.255.255.255/32`"},
		{rules("cidr:127.0.0.0/8", "cidr:127.255.255.255/32"), "127.255.255.255:9", true, ""},
		{rules("cidr:0.0.0.0/0"), "224.0.0.1:9", false, "No grant opens"},
		{rules("cidr:0.0.0.0/0"), "255.255.255.255:9", false, "No grant opens"},
		{rules("cidr:0.0.0.0/0"), "169.254.169.254:53", false, "No grant opens"},
	} {
		conn, err := e.Dialer(tt.rules).DialUDP(t.Context(), tt.to)
		if err == nil {
			defer func() { _ = conn.Close() }()
		}
		f := fault.Of(egress.Explain(err))
		if (err == nil) != tt.ok || err != nil && (f.Kind != fault.EgressForbidden || !strings.Contains(f.Hint, tt.hint)) {
			t.Errorf("%s: %v, %v", tt.to, err, f)
		}
		if tt.ok && tt.to == peer.LocalAddr().String() {
			exchange(t, peer, conn)
		}
	}
}

func exchange(t *testing.T, peer net.PacketConn, conn net.Conn) {
	t.Helper()
	if _, err := conn.Write([]byte("ask")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 9)
	if err := peer.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := peer.ReadFrom(buf); err != nil || string(buf[:n]) != "ask" {
		t.Fatalf("the peer got %q, %v", buf[:n], err)
	}
}
