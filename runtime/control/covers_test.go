package control

import (
	"testing"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
)

// web is the group http as far as its patterns go.
type web struct{ capability.Group }

func (web) Matches(pattern, resource string) bool { return egress.Matches(pattern, resource) }
func (web) CheckPattern(pattern string) error     { return egress.CheckPattern(pattern) }

// A tenant that may grant one part of the web grants no other by another
// spelling.
func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		group        capability.Group
		wide, narrow string
		want         bool
	}{
		{nil, "/dev/ttyUSB*", "/dev/ttyUSB0", true},
		{nil, "/dev/ttyUSB*", "/dev/ttyUSB1*", true},
		{nil, "/dev/ttyUSB*", "/dev/tty*", false},
		{nil, "/dev/*", "/dev/shm/*", false},
		{nil, "/dev/tty?", "/dev/tty?1", false},
		{nil, "*", "/any", true},
		{web{}, "*", "https://any.example/*", true},
		{web{}, "https://a.example/v1/*", "https://a.example/v1/x/*", true},
		{web{}, "https://a.example/v1/*", "https://a.example/v1/../*", false},
		{web{}, "https://a.example/v1/*", "https://a.example/v1/%2e%2e/*", false},
		{web{}, "https://a.example*", "https://a.example.evil.example/x/*", false},
		{web{}, "https://a.example/*", "https://a.example@evil.example/*", false},
		{web{}, "https://*.example/*", "https://*.example/v1/*", true},
		{web{}, "https://*.example/*", "https://*/v1/*", false},
		{web{}, "cidr:10.0.0.0/8", "cidr:10.1.0.0/16", true},
		{web{}, "cidr:10.1.0.0/16", "cidr:10.0.0.0/8", false},
		{web{}, "https://*/*", "cidr:10.0.0.0/8", false},
	} {
		if got := covers(tt.wide, tt.narrow, tt.group); got != tt.want {
			t.Errorf("%q and %q: %v", tt.wide, tt.narrow, got)
		}
	}
}
