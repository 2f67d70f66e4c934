package api

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/store"
)

func trusted(t *testing.T, texts ...string) proxies {
	t.Helper()
	list, err := ParseProxies(texts)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestOriginOfProxiedRequests: the headers of trusted proxies are read from the
// right to the first address that is none of them, and nobody else's are.
func TestOriginOfProxiedRequests(t *testing.T) {
	p := trusted(t, "10.0.0.0/8", " 127.0.0.1", "::1", "fd00::/8")
	type headers = map[string][]string
	plain := func(lines ...string) headers { return headers{headerForwardedFor: lines} }
	standard := func(lines ...string) headers { return headers{headerForwarded: lines} }
	for name, tt := range map[string]struct {
		peer    string
		headers headers
		want    string
	}{
		"no proxy":                      {"203.0.113.9", nil, "203.0.113.9"},
		"a stranger who says so":        {"203.0.113.9", plain("198.51.100.1"), "203.0.113.9"},
		"a stranger who is one of ours": {"203.0.113.9", plain("10.0.0.1"), "203.0.113.9"},
		"a stranger, in the standard":   {"203.0.113.9", standard("for=198.51.100.1"), "203.0.113.9"},
		"a proxy that says nothing":     {"10.0.0.1", nil, "10.0.0.1"},
		"a proxy with an empty word":    {"10.0.0.1", plain(""), "10.0.0.1"},
		"one hop":                       {"10.0.0.1", plain("198.51.100.1"), "198.51.100.1"},
		"what the client said before":   {"10.0.0.1", plain("127.0.0.1, 10.9.9.9, 198.51.100.7,198.51.100.1"), "198.51.100.1"},
		"what it said in another line":  {"10.0.0.1", plain("203.0.113.1", "198.51.100.1"), "198.51.100.1"},
		"several hops":                  {"10.0.0.1", plain("203.0.113.1, 198.51.100.1, fd00::7, 10.0.0.2"), "198.51.100.1"},
		"hops that are all ours":        {"10.0.0.1", plain("10.0.0.3, 10.0.0.2"), "10.0.0.3"},
		"a port":                        {"10.0.0.1", plain("198.51.100.1:4711"), "198.51.100.1"},
		"IPv6":                          {"::1", plain("2001:db8::7"), "2001:db8::7"},
		"IPv6 in brackets":              {"fd00::1", plain("[2001:db8::7]"), "2001:db8::7"},
		"IPv6 with a port":              {"fd00::1", plain("[2001:db8::7]:4711"), "2001:db8::7"},
		"IPv6 with a zone":              {"fd00::1", plain("fe80::7%eth0"), "fe80::7"},
		"IPv4 as IPv6":                  {"::ffff:10.0.0.1", plain("::ffff:198.51.100.1, ::ffff:10.0.0.2"), "198.51.100.1"},
		"garbage":                       {"10.0.0.1", plain("unknown"), "10.0.0.1"},
		"garbage behind a client":       {"10.0.0.1", plain("198.51.100.1, <script>"), "10.0.0.1"},
		"garbage behind a hop":          {"10.0.0.1", plain("198.51.100.1, 256.1.1.1, 10.0.0.2"), "10.0.0.2"},
		"garbage before the client":     {"10.0.0.1", plain(`", \\, 198.51.100.1`), "198.51.100.1"},
		"only commas":                   {"10.0.0.1", plain(",,,"), "10.0.0.1"},
		"standard":                      {"10.0.0.1", standard("for=198.51.100.1"), "198.51.100.1"},
		"standard, with more":           {"10.0.0.1", standard(`for=203.0.113.1;proto=http, by=10.0.0.1; For="198.51.100.1:80" ;host="a,b"`), "198.51.100.1"},
		"standard, IPv6":                {"10.0.0.1", standard(`for="[2001:db8::7]:4711", for=10.0.0.2`), "2001:db8::7"},
		"standard, hidden":              {"10.0.0.1", standard("for=_gazonk"), "10.0.0.1"},
		"standard, for nobody":          {"10.0.0.1", standard("proto=https"), "10.0.0.1"},
		"standard, for two":             {"10.0.0.1", standard("for=198.51.100.1;for=198.51.100.2"), "10.0.0.1"},
		"standard, a quote too few":     {"10.0.0.1", standard(`for="203.0.113.1, for=198.51.100.1`), "198.51.100.1"},
		"both, which agree":             {"10.0.0.1", headers{headerForwardedFor: {"198.51.100.1"}, headerForwarded: {"for=198.51.100.1"}}, "198.51.100.1"},
		"both, of which one is spoofed": {"10.0.0.1", headers{headerForwardedFor: {"198.51.100.1"}, headerForwarded: {"for=203.0.113.1"}}, "10.0.0.1"},
	} {
		if got := p.origin(netip.MustParseAddr(tt.peer), tt.headers); got.String() != tt.want {
			t.Errorf("%s: %v, want %s", name, got, tt.want)
		}
	}
	if got := proxies(nil).origin(netip.MustParseAddr("127.0.0.1"), plain("198.51.100.1")); got.String() != "127.0.0.1" {
		t.Errorf("without any trusted proxy: %v", got)
	}
}

func FuzzOriginOfProxiedRequests(f *testing.F) {
	f.Add(`198.51.100.1, 10.0.0.2`, `for="[2001:db8::7]:4711"`)
	p := proxies{netip.MustParsePrefix("10.0.0.0/8")}
	peer := netip.MustParseAddr("10.0.0.1")
	f.Fuzz(func(t *testing.T, plain, standard string) {
		// Whatever a client sends ahead, its proxy's word is the one that counts.
		for _, h := range []http.Header{
			{headerForwardedFor: {plain, "198.51.100.1"}},
			{headerForwardedFor: {plain + ",198.51.100.1"}},
			{headerForwarded: {standard, "for=198.51.100.1"}},
			{headerForwarded: {standard + ",for=198.51.100.1"}},
		} {
			if got := p.origin(peer, h); got.String() != "198.51.100.1" {
				t.Errorf("%q: %v", h, got)
			}
		}
		both := http.Header{headerForwardedFor: {plain, "198.51.100.1"}, headerForwarded: {standard}}
		if got := p.origin(peer, both); got.String() != "198.51.100.1" && got != peer {
			t.Errorf("%q: %v", both, got)
		}
	})
}

func TestNetworksOfProxies(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.3/8": "10.0.0.0/8", "10.1.2.3": "10.1.2.3/32", "2001:db8::1/32": "2001:db8::/32", "::1": "::1/128",
	} {
		if got := trusted(t, text); got[0].String() != want {
			t.Errorf("%s: %v, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "proxy.example.com", "10.0.0.0/33", "0.0.0.0/0", "::/0", "::ffff:10.0.0.0/104", "10.0.0.0/8 11.0.0.0/8"} {
		if got, err := ParseProxies([]string{"10.0.0.1", text}); !fault.Is(err, fault.Usage) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// knock sends a wrong token as if from a peer, and answers what the server took
// for its address in the access log.
func (r *rig) knock(t *testing.T, peer string, header ...string) string {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/modules", nil)
	req.RemoteAddr = peer
	req.Header.Set("Authorization", "Bearer wrong")
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	before := len(r.log.String())
	w := httptest.NewRecorder()
	r.api.ServeHTTP(w, req)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("answered %d: %s", w.Code, w.Body)
	}
	_, line, _ := strings.Cut(r.log.String()[before:], " remote=")
	remote, _, _ := strings.Cut(line, "\n")
	return strings.Trim(remote, `"`)
}

// TestProxiesAreBelievedWhenTheyAreTrusted, and only then: in the log and the audit
// trail, and by all that counts by address.
func TestProxiesAreBelievedWhenTheyAreTrusted(t *testing.T) {
	r := newRig(t, func(c *Config) { c.TrustedProxies = trusted(t, "10.0.0.0/8") })
	for _, tt := range []struct{ peer, says, want string }{
		{"10.0.0.1:4711", "203.0.113.5, 198.51.100.1", "198.51.100.1:0"},
		{"10.0.0.1:4711", "2001:db8::7", "[2001:db8::7]:0"},
		{"10.0.0.1:4711", "nonsense", "10.0.0.1:4711"},
		{"203.0.113.9:4711", "198.51.100.1", "203.0.113.9:4711"},
	} {
		if got := r.knock(t, tt.peer, headerForwardedFor, tt.says); got != tt.want {
			t.Errorf("%s says %q: it comes from %s, want %s", tt.peer, tt.says, got, tt.want)
		}
	}
	r.check(r.api.cfg.Audit.Close(t.Context()))
	events, _, err := listTrail(t.Context(), r)
	r.must(err)
	from := map[string]bool{}
	for _, e := range events {
		if e.Who.Kind == identity.ByNobody {
			from[e.Who.ID] = true
		}
	}
	for _, want := range []string{"198.51.100.1", "2001:db8::7", "10.0.0.1", "203.0.113.9"} {
		if !from[want] {
			t.Errorf("the trail has %v, want %s", from, want)
		}
	}
}

// TestProxiedClientsAreBoundedOneByOne: the connections of a proxy are not counted
// as one client's, and the requests that it brings are, for each.
func TestProxiedClientsAreBoundedOneByOne(t *testing.T) {
	b := newBounded(nil, slog.New(slog.DiscardHandler))
	b.most, b.perClient = 3, 1
	proxy := identity.ClientOf(netip.MustParseAddr("10.0.0.1"))
	for n, want := range []bool{true, true, true, false} {
		if got := b.enter(proxy, true); got != want {
			t.Errorf("connection %d of a proxy: %v", n+1, got)
		}
	}
	b.leave(proxy)
	other := identity.ClientOf(netip.MustParseAddr("198.51.100.1"))
	if !b.enter(other, false) {
		t.Error("no place for one more")
	}
	b.leave(proxy)
	if b.enter(other, false) {
		t.Error("a second connection of a client that may have one")
	}

	r := newRig(t, func(c *Config) { c.TrustedProxies = trusted(t, "10.0.0.0/8") })
	r.api.crowd.most = 1
	client := netip.MustParseAddr("2001:db8::1")
	if !r.api.crowd.enter(identity.ClientOf(client)) {
		t.Fatal("the first is not let in")
	}
	ask := func(peer, client string) int {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil)
		req.RemoteAddr = peer
		req.Header.Set(headerForwardedFor, client)
		w := httptest.NewRecorder()
		r.api.ServeHTTP(w, req)
		return w.Code
	}
	if got := ask("10.0.0.1:1", "2001:db8::2"); got != fault.Exhausted.Info().Status { // of the same /64
		t.Errorf("one more of the same client: %d", got)
	}
	if got := ask("10.0.0.1:1", "2001:db8:0:1::1"); got != http.StatusOK {
		t.Errorf("another client: %d", got)
	}
	if got := ask("[2001:db8::3]:1", "2001:db8::1"); got != http.StatusOK {
		t.Errorf("a client that comes by itself: %d", got)
	}
	r.api.crowd.leave(identity.ClientOf(client))
	if got := ask("10.0.0.1:1", "2001:db8::2"); got != http.StatusOK || len(r.api.crowd.of) != 0 {
		t.Errorf("when the other has gone: %d, %v", got, r.api.crowd.of)
	}
}

// TestAListenerKnowsTheProxies: more connections of a trusted proxy are let in than
// of one client.
func TestAListenerKnowsTheProxies(t *testing.T) {
	s := &Server{proxies: trusted(t, "127.0.0.0/8")}
	var asks interface{ IsProxy(netip.Addr) bool } = s // as Serve asks for it
	if !asks.IsProxy(netip.MustParseAddr("::ffff:127.0.0.1")) || asks.IsProxy(netip.MustParseAddr("::1")) {
		t.Error("it does not know its proxies")
	}
}

// TestNoMetricsByATrustedProxy: what a proxy brings does not come from this machine.
func TestNoMetricsByATrustedProxy(t *testing.T) {
	for name, tt := range map[string]struct {
		trusted []string
		header  string
		want    int
	}{
		"nobody between":    {nil, "", http.StatusOK},
		"a proxy":           {[]string{"127.0.0.1"}, "", http.StatusUnauthorized},
		"that says it does": {[]string{"127.0.0.1"}, "127.0.0.2", http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.TrustedProxies = trusted(t, tt.trusted...) })
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
			req.RemoteAddr = net.JoinHostPort("127.0.0.1", "4711")
			if tt.header != "" {
				req.Header.Set(headerForwardedFor, tt.header)
			}
			w := httptest.NewRecorder()
			r.api.ServeHTTP(w, req)
			if w.Code != tt.want {
				t.Errorf("answered %d, want %d", w.Code, tt.want)
			}
		})
	}
}

func listTrail(ctx context.Context, r *rig) (events []identity.Event, next uint64, err error) {
	err = r.store.System().View(ctx, func(v store.Reader) error {
		events, next, err = identity.List(v, identity.Query{Limit: 100})
		return err
	})
	return events, next, err
}
