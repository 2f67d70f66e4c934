package supervisor

import (
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// A deployment writes to no URL that an interlock covers, whatever wider grant is
// beside it, and is led to none by a redirect.
func TestRequestUnderAnInterlock(t *testing.T) {
	both := []spec.Right{spec.Read, spec.Write}
	lock := &spec.Interlock{Tags: []spec.TagRule{{Tag: "*"}}}
	grants := []spec.Grant{
		{Group: "http", Resources: []string{"http://plc/*", "cidr:10.0.0.0/8"}, Rights: both},
		{Group: "http", Resources: []string{"http://plc/*/set"}, Rights: both, Interlock: lock},
		{Group: "serial", Resources: []string{"/dev/*"}, Rights: both, Interlock: lock},
	}
	for _, tt := range []struct {
		method, url string
		refused     bool
		led         bool // through redirects
	}{
		{"PUT", "http://plc/a/set", true, false},
		{"put", "HTTP://PLC:80/a/%73et?x=1", true, false},
		{"POST", "http://plc/a*/set", true, false},
		{"DELETE", "http://plc/a/../b/set", true, false},
		{"PUT", "http://plc/views/a", false, false},
		{"GET", "http://plc/a/set", false, true},
		{"", "http://plc/a/set", false, true},
	} {
		q, err := unlocked(grants, &abi.HTTPRequest{Method: tt.method, URL: tt.url})
		if (err != nil) != tt.refused || err == nil && (q.Redirects == nil) != tt.led {
			t.Errorf("%s %s: %+v, %v", tt.method, tt.url, q, err)
		}
		if tt.refused && !fault.Is(err, fault.Interlocked) {
			t.Errorf("%s %s: %v", tt.method, tt.url, err)
		}
	}
	if q, err := unlocked(grants[:1], &abi.HTTPRequest{Method: "PUT", URL: "http://plc/a/set"}); err != nil || q.Redirects != nil {
		t.Errorf("without an interlock: %+v, %v", q, err)
	}
}
