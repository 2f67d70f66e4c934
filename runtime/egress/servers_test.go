package egress_test

import (
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/egress"
)

// shelves are servers with one name on them each.
func shelves() egress.Servers {
	return egress.Servers{
		Prefix: "shelf://", Port: "80", Form: "shelf://host:port/name",
		Rest: func(text string) (string, error) {
			if len(text) < 2 || strings.ContainsAny(text[1:], "/ ") {
				return "", errors.New("want one name")
			}
			return strings.ToLower(text), nil
		},
		CheckRest: func(pattern string) error {
			if strings.Contains(pattern[1:], "/") {
				return errors.New("want one name")
			}
			return nil
		},
	}
}

func TestServers(t *testing.T) {
	s := shelves()
	for resource, want := range map[string]string{
		"shelf://A.example/Name": "shelf://a.example:80/name", "shelf://[::1]/a": "shelf://[::1]:80/a", "shelf://a:0081/b": "shelf://a:81/b",
		"shelf://a": "", "a:80/b": "", "shelf:///a": "", "shelf://u@a/b": "", "shelf://a:/b": "", "shelf://a?b/c": "", "SHELF://a/b": "", "": "",
	} {
		if got, err := s.Canonical(resource); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", resource, got, err, want)
		}
	}
	for pattern, ok := range map[string]bool{
		"shelf://a:80/b": true, "shelf://*.x:*/b*": true, `shelf://\[::1\]:80/b`: true, "cidr:10.0.0.0/8": true, "shelf://*:80/b": true,
		"shelf://a/b": false, "shelf://a:80/B": false, "shelf://A:80/b": false, "shelf://[::1]:80/b": false, "shelf://*:80/B": false, "shelf://*:80": false,
		"shelf://a:80/*/b": false, "shelf://a:80/[": false, "SHELF://a:80/b": false, "shelf:///b": false, "cidr:10.0.0.1/8": false, "": false,
	} {
		if err := s.CheckPattern(pattern); (err == nil) != ok {
			t.Errorf("%q: %v", pattern, err)
		}
	}
	for _, tt := range []struct {
		pattern, resource string
		want              bool
	}{
		{"shelf://a:80/b", "shelf://A/B", true},
		{"shelf://a:80/b", "shelf://a:81/b", false},
		{"shelf://a:80/*", "shelf://a:80/b", true},
		{"shelf://a:80/b*", "shelf://a:80/c", false},
		{"shelf://*:*/b", "shelf://a:80/b", true},
		{"shelf://*:80/*", "shelf://*:80/b", true},
		{"shelf://*:80/*", "shelf://a:80/b*", false},
		{"shelf://*:*/b", "shelf://*:80/b", false},
		{`shelf://\[::1\]:80/b`, "shelf://[::1]/b", true},
		{"shelf://a:80/B", "shelf://a:80/B", false}, // no pattern, however equal
		{"shelf://[::1]:80/b", "shelf://[::1]:80/b", false},
		{"cidr:10.0.0.0/8", "cidr:10.1.0.0/16", true},
		{"cidr:10.0.0.0/8", "shelf://10.0.0.1:80/b", false},
	} {
		if got := s.Matches(tt.pattern, tt.resource); got != tt.want {
			t.Errorf("%q covers %q: %v", tt.pattern, tt.resource, got)
		}
	}
	bare := egress.Servers{Prefix: "host:", Form: "host:name:port"}
	for pattern, ok := range map[string]bool{"host:a:1": true, "host:*:1": true, "host:a:1/b": false, "host:a:1/*": false, "host:a": false} {
		if err := bare.CheckPattern(pattern); (err == nil) != ok {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

// FuzzServers: what is covered is a pattern's, and a pattern covers the one spelling
// of what it covers.
func FuzzServers(f *testing.F) {
	f.Add("shelf://*:80/b*", "shelf://A/Bc")
	f.Add(`shelf://\[::1\]:80/b`, "shelf://[::1]/b")
	f.Fuzz(func(t *testing.T, pattern, resource string) {
		s := shelves()
		if !s.Matches(pattern, resource) {
			return
		}
		if err := s.CheckPattern(pattern); !egress.IsNetwork(pattern) && err != nil {
			t.Fatalf("%q, which %v, covers %q", pattern, err, resource)
		}
		if strings.ContainsAny(resource, `*?\`) || egress.IsNetwork(resource) {
			return
		}
		canonical, err := s.Canonical(resource)
		if err != nil {
			return // a pattern with a class
		}
		if ok, err := path.Match(pattern, canonical); !ok || err != nil {
			t.Fatalf("%q covers %q, and not %q", pattern, resource, canonical)
		}
	})
}
