package egress_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		pattern, resource string
		want              bool
	}{
		{"https://api.example.com/v1/*", "https://api.example.com/v1/a", true},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/a/b?c=d#e", true},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/", true},
		{"https://api.example.com/v1/*", "https://api.example.com/v1", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v10", false},
		{"https://api.example.com/v1*", "https://api.example.com/v10/x", true},
		{"https://api.example.com/v1", "https://api.example.com/v1", true},
		{"https://api.example.com/v1", "https://api.example.com/v1/", false},
		{"https://api.example.com", "https://api.example.com", true},
		{"https://api.example.com", "https://api.example.com/any/path", true},
		{"https://api.example.com/", "https://api.example.com?x", true},
		{"https://api.example.com/", "https://api.example.com", false}, // the pattern of the whole host
		{"https://api.example.com/", "https://api.example.com/x", false},
		{"https://api.example.com/*/x", "https://api.example.com/a/x", true},
		{"https://api.example.com/*/x", "https://api.example.com/a/b/x", false},
		{"https://api.example.com/*/x", "https://api.example.com/a%2Fb/x", false},
		{"https://api.example.com/*/x", "https://api.example.com/a%5cb/x", false},
		{"https://api.example.com/a*b/x", "https://api.example.com/aXb/x", true},
		{"https://api.example.com/a*b/x", "https://api.example.com/aX/x", false},
		{"https://api.example.com/a*b*c/x", "https://api.example.com/a1b2b3c/x", true},
		{"https://api.example.com/a*a/x", "https://api.example.com/a/x", false},
		// the same in other words
		{"https://api.example.com/v1/*", "HTTPS://API.Example.COM:443/v1/a", true},
		{"https://api.example.com/v1/*", "https://api.example.com./v1/a", true},
		{"https://api.example.com/v1/*", "https://api.example.com:00443/%761/a", true},
		{"https://api.example.com/v1/*", "https://api.example.com:/v2/../v1/a", true},
		{"https://API.example.com:443/%76%31/*", "https://api.example.com/v1/a", true},
		{"https://bücher.example/*", "https://xn--bcher-kva.example/a", true},
		{"https://xn--bcher-kva.example/*", "https://BÜCHER.example/a", true},
		{"https://api.example.com/ü/*", "https://api.example.com/%c3%bc/a", true},
		{"https://api.example.com/a b", "https://api.example.com/a%20b", true},
		{"https://[2001:db8::1]/*", "https://[2001:DB8:0::1]:443/a", true},
		{"https://192.0.2.1/*", "https://[::ffff:192.0.2.1]/a", true},
		// a way out
		{"https://api.example.com/v1/*", "https://api.example.com/v1/../v2/a", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/%2e%2e/v2/a", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/%2E./v2/a", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/..%2fv2", false},
		{"https://api.example.com/v1/*", `https://api.example.com/v1/..\v2`, false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/..%5cv2", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/%252e%252e/v2", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/%25252e%25252e/v2", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/%2525252525252e/v2", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/..;/v2", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/.;a=b/v2", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/%00", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/%0d%0aX:y", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1/%2500", false},
		{"https://api.example.com/v1/*", "https://api.example.com@evil.example/v1/a", false},
		{"https://api.example.com/v1/*", "https://user@api.example.com/v1/a", false},
		{"https://api.example.com/v1/*", "https://api.example.com.evil.example/v1/a", false},
		{"https://api.example.com/v1/*", "https://evilapi.example.com/v1/a", false},
		{"https://api.example.com/v1/*", `https://evil.example\@api.example.com/v1/a`, false},
		{"https://api.example.com/v1/*", "https://evil.example#@api.example.com/v1/a", false},
		{"https://api.example.com/v1/*", "https://evil.example?@api.example.com/v1/a", false},
		{"https://api.example.com/v1/*", "//api.example.com/v1/a", false},
		{"https://api.example.com/v1/*", "https:api.example.com/v1/a", false},
		{"https://api.example.com/v1/*", "https:///api.example.com/v1/a", false},
		{"https://api.example.com/v1/*", "http://api.example.com/v1/a", false},
		{"https://api.example.com/v1/*", "https://api.example.com:8443/v1/a", false},
		{"https://api.example.com/v1/*", "https://api.example.com:80/v1/a", false},
		{"https://api.example.com/v1/*", "https://api。evil。example/v1/a", false},
		{"https://api.example.com/v1/*", "https://api.example.com/V1/a", false},
		{"https://api.example.com/v1/*", "https://api.example.com/v1%2fa", false},
		// hosts and ports
		{"https://*.example.com/*", "https://a.example.com/", true},
		{"https://*.example.com/*", "https://A.EXAMPLE.com./", true},
		{"https://*.example.com/*", "https://a.b.example.com/", false},
		{"https://*.example.com/*", "https://example.com/", false},
		{"https://*.example.com/*", "https://.example.com/", false},
		{"https://*.example.com/*", "https://a.example.com.evil.example/", false},
		{"https://*.example.com/*", "https://aexample.com/", false},
		{"https://*/*", "https://any.example/", true},
		{"https://*/*", "https://192.0.2.1/", true},
		{"https://*/*", "https://any.example:444/", false},
		{"https://*:*/*", "https://any.example:444/", true},
		{"https://*:*", "https://[2001:db8::1]:444/x", true},
		{"http://plc.local:8080", "http://plc.local:8080/x", true},
		{"http://plc_1.local", "http://plc_1.local/x", true},
		{"cidr:192.168.0.0/16", "http://192.168.1.1/", false},
		{"", "https://a.example/", false},
		{"*", "https://a.example/", false},
		{"https://a.example/*", "", false},
		// patterns within patterns
		{"https://*.example.com/*", "https://a.example.com/v1/*", true},
		{"https://*.example.com/*", "https://*.example.com/v1/*/x", true},
		{"https://*.example.com/*", "https://*/v1/*", false},
		{"https://*.example.com/v1/*", "https://a.example.com/*", false},
		{"https://*.example.com/v1/*", "https://a.example.com", false},
		{"https://*.example.com/v1/*", "https://a.example.com/v1/../*", false},
		{"https://*.example.com/v1/*", "https://a.example.com/v1/*", true},
		{"https://a.example.com/v1/*/x", "https://a.example.com/v1/*", false},
		{"https://a.example.com/v1/*/x", "https://a.example.com/v1/b*/x", true},
		{"https://a.example.com/v1/b*/x", "https://a.example.com/v1/*/x", false},
		{"https://*/*", "https://*:*/*", false},
		{"https://*:*", "https://*/*", true},
		{"https://*", "http://*", false},
		{"cidr:10.0.0.0/8", "cidr:10.1.0.0/16", true},
		{"cidr:10.1.0.0/16", "cidr:10.0.0.0/8", false},
		{"cidr:10.0.0.0/8", "cidr:11.0.0.0/8", false},
		{"cidr:0.0.0.0/0", "cidr:fc00::/7", false},
		{"https://*", "cidr:10.0.0.0/8", false},
		{"cidr:10.0.0.0/8", "https://10.0.0.1/", false},
		{"cidr:10.1.0.0/16", "cidr:10.0.0.0/8", false}, // it holds the address that the wider one is written with
		{"cidr:10.0.0.0/24", "cidr:10.0.0.0/8", false},
		{"cidr:10.0.0.0/8", "cidr:10.0.0.0/24", true},
		{"cidr:10.0.0.0/24", "cidr:10.0.1.0/24", false},
	} {
		if got := egress.Matches(tt.pattern, tt.resource); got != tt.want {
			t.Errorf("%q on %q: %v", tt.pattern, tt.resource, got)
		}
	}
}

func TestCheckPattern(t *testing.T) {
	for _, good := range []string{
		"https://api.example.com", "http://h/", "HTTPS://H:8443/*", "https://*.example.com/v1/*", "https://*", "http://*:*/*",
		"http://192.168.1.5/x", "http://[fd00::1]:80/*", "cidr:10.0.0.0/8", "cidr:fd00::/8", "cidr:0.0.0.0/0", "cidr:127.0.0.1/32",
	} {
		if err := egress.CheckPattern(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, words := range map[string]string{
		"":                         "as in https://api.example.com/v1/*",
		"api.example.com":          "want https://host/path",
		"ftp://h":                  "want https://host/path",
		"*://h":                    "want https://host/path",
		"https://":                 "1 to 253",
		"https:///x":               "1 to 253",
		"https://u@h/":             "no user",
		"https://h:x/":             "no port",
		"https://h:0/":             "no port",
		"https://h:70000/":         "no port",
		"https://h/?q":             "no query",
		"https://h/#f":             "no query",
		"https://a.*.com/":         "first label",
		"https://a*.com/":          "first label",
		"https://*a.com/":          "first label",
		"https://*.*.com/":         "first label",
		"https://*.10.0.0.1/":      "no labels",
		"https://127.1/":           "four decimal numbers",
		"https://0x7f000001/":      "four decimal numbers",
		"https://h h/":             "no name of a host",
		"https://-/..%2f":          "dot segment",
		"https://h/%2500":          "control character",
		"https://[::1/":            "no IPv6 address",
		"https://[fe80::1%25e]/":   "without a zone",
		"cidr:10.0.0.1":            "want a network",
		"cidr:10.0.0.1/8":          "it is in 10.0.0.0/8",
		"cidr:::ffff:10.0.0.0/104": "written as such",
		"cidr:x":                   "want a network",
	} {
		if err := egress.CheckPattern(bad); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want words of %q", bad, err, words)
		}
	}
	long := "https://" + strings.Repeat("x", 1<<20)
	if err := egress.CheckPattern(long); err == nil || len(err.Error()) > 1<<10 {
		t.Errorf("a pattern of a mebibyte: an error of %d bytes", len(err.Error()))
	}
}

func TestRulesByRight(t *testing.T) {
	r, err := egress.NewRules([]spec.Grant{
		{Resources: []string{"https://read.example/*"}},
		{Resources: []string{"https://write.example/*"}, Rights: []spec.Right{spec.Write}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for method, right := range map[string]spec.Right{
		"": spec.Read, "GET": spec.Read, "HEAD": spec.Read, "OPTIONS": spec.Read,
		"POST": spec.Write, "PUT": spec.Write, "PATCH": spec.Write, "DELETE": spec.Write, "PROPFIND": spec.Write, "get": spec.Write,
	} {
		if got := egress.RightOf(method); got != right {
			t.Errorf("%s needs the right to %s", method, got)
		}
		for _, host := range []string{"read", "write"} {
			err := r.Check(method, &url.URL{Scheme: "https", Host: host + ".example", Path: "/"})
			if (err == nil) != (host == string(right)) || err != nil && !fault.Is(err, fault.Denied) {
				t.Errorf("%s %s: %v", method, host, err)
			}
		}
	}
	err = r.Check("POST", &url.URL{Scheme: "https", Host: "other.example", Path: "/x", RawQuery: "token=1"})
	f := fault.Of(err)
	for _, words := range []string{"POST https://other.example/x"} {
		if !strings.Contains(f.Text, words) || strings.Contains(f.Text+f.Advice(), "token") {
			t.Error(f.Text, f.Advice())
		}
	}
	if !strings.Contains(f.Advice(), `grants add CONNECTOR http "https://other.example/x" --write`) {
		t.Error(f.Advice())
	}
	if _, err := egress.Only("https://a.example", "example.com"); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "example.com") {
		t.Error(err)
	}
}

// FuzzCanonical: the canonical form is a fixed point that net/url reads as it is
// written, it has no dot segments, and a rule for its path covers what it came of.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		"https://api.example.com/v1/a?b=c", "HTTP://[::ffff:1.2.3.4]:080/%7Ea/./b/../c", "https://bücher.example./%c3%bc;x/%2F",
		"http://h/%25%32%65", "http://1.2.3.4/..", "http://h/a//b/", "http://h?x", "https://a_b:8443/[x]/*",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := egress.Canonical(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		again, err := egress.Canonical(u.String())
		if err != nil || again.String() != u.String() {
			t.Fatalf("%q became %q, and that %v, %v", text, u, again, err)
		}
		if u.User != nil || u.Fragment != "" || u.Host != strings.ToLower(u.Host) || strings.Contains(u.EscapedPath()+"/", "/../") || strings.Contains(u.EscapedPath()+"/", "/./") {
			t.Fatalf("%q became %q", text, u)
		}
		if !strings.HasPrefix(u.RequestURI(), u.EscapedPath()) || strings.ContainsAny(u.RequestURI(), " \r\n\t") {
			t.Fatalf("%q is sent as %q", text, u.RequestURI())
		}
		asked := *u
		asked.RawQuery = "x" // or it may be read as a pattern
		if pattern := u.Scheme + "://" + u.Host + u.EscapedPath(); !strings.Contains(pattern, "*") && !egress.Matches(pattern, asked.String()) {
			t.Fatalf("%q does not match its own %q", asked.String(), pattern)
		}
	})
}

// FuzzMatches: what a pattern covers has its scheme, its host's end and the
// beginning of its path.
func FuzzMatches(f *testing.F) {
	f.Add("https://*.example.com/v1/*", "https://a.example.com/v1/x")
	f.Add("https://h/a*b", "https://h/a/b")
	f.Add("http://*:*", "http://h:1/")
	f.Fuzz(func(t *testing.T, pattern, resource string) {
		if !egress.Matches(pattern, resource) || strings.HasPrefix(pattern, "cidr:") {
			return
		}
		u, err := egress.Canonical(resource)
		if err != nil {
			return // a pattern
		}
		scheme, rest, _ := strings.Cut(pattern, "://")
		_, path, _ := strings.Cut(rest, "/")
		fixed, _, _ := strings.Cut(path, "*")
		if fixed, err := egress.Canonical("http://h/" + fixed + "x"); err == nil {
			if want := strings.TrimSuffix(fixed.EscapedPath(), "x"); !strings.HasPrefix(u.EscapedPath(), want) {
				t.Fatalf("%q covers %q, which does not begin with %q", pattern, resource, want)
			}
		}
		if !strings.EqualFold(scheme, u.Scheme) {
			t.Fatalf("%q covers %q", pattern, resource)
		}
	})
}
