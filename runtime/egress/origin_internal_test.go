package egress

import "testing"

// TestSameOrigin: credentials go on from http to https where both are on their
// usual ports, and to nothing else that is not the very same.
func TestSameOrigin(t *testing.T) {
	for _, c := range []struct {
		schemeA, hostA, schemeB, hostB string
		same                           bool
	}{
		{"https", "h.test", "https", "h.test", true},
		{"https", "h.test", "https", "H.test", true},
		{"https", "h.test:444", "https", "h.test:444", true},
		{"https", "h.test", "https", "h.test:444", false},
		{"https", "h.test", "https", "x.h.test", false},
		{"http", "h.test", "https", "h.test", true},
		{"http", "h.test:80", "https", "h.test:443", true},
		{"http", "h.test", "https", "other.test", false},
		{"http", "h.test:8080", "https", "h.test:8080", false},
		{"http", "h.test:8080", "https", "h.test", false},
		{"http", "h.test", "https", "h.test:8443", false},
	} {
		if same := sameOrigin(c.schemeA, c.hostA, c.schemeB, c.hostB); same != c.same {
			t.Errorf("%s://%s and %s://%s: %t", c.schemeA, c.hostA, c.schemeB, c.hostB, same)
		}
	}
}
