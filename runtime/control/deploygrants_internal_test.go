package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// plainGroup has paths as resources.
type plainGroup struct{ capability.Group }

func (plainGroup) Name() string { return "serial" }

// webGroup is the group http.
type webGroup struct{ web }

func (webGroup) Name() string { return "http" }

// A connector that is deployed writes under every interlock that its parent
// writes under, and under no other one's.
func TestInterlocksOfADeployedConnector(t *testing.T) {
	strict := &spec.Interlock{Tags: []spec.TagRule{{Tag: "rate"}}, SecondPerson: true}
	loose := &spec.Interlock{Tags: []spec.TagRule{{Tag: "*"}}, Unasked: true}
	both := []spec.Right{spec.Read, spec.Write}
	grant := func(lock *spec.Interlock, group string, resources ...string) spec.Grant {
		return spec.Grant{Group: group, Resources: resources, Rights: both, Interlock: lock}
	}
	names := map[*spec.Interlock]string{nil: "free", strict: "strict", loose: "loose"}
	for name, tt := range map[string]struct {
		parent []spec.Grant
		group  string
		wanted []string
		rights string
		want   string // "-": it is refused
	}{
		"each resource has its own":  {[]spec.Grant{grant(strict, "serial", "tty0"), grant(loose, "serial", "tty1")}, "serial", []string{"tty0", "tty1"}, "read write", "strict [tty0], loose [tty1]"},
		"a wider grant washes none":  {[]spec.Grant{grant(nil, "serial", "tty*"), grant(strict, "serial", "tty0")}, "serial", []string{"tty0", "tty1"}, "read write", "free [tty1], strict [tty0]"},
		"two on one resource":        {[]spec.Grant{grant(loose, "serial", "tty*"), grant(strict, "serial", "tty0")}, "serial", []string{"tty0"}, "read write", "loose [tty0], strict [tty0]"},
		"one of two grants":          {[]spec.Grant{grant(strict, "serial", "tty0"), grant(strict, "serial", "tty*")}, "serial", []string{"tty0"}, "read write", "strict [tty0]"},
		"a pattern that is wider":    {[]spec.Grant{grant(nil, "serial", "tty*"), grant(strict, "serial", "tty0")}, "serial", []string{"tty*"}, "read write", "free [tty*], strict [tty0]"},
		"patterns that cross":        {[]spec.Grant{grant(nil, "serial", "*"), grant(strict, "serial", "tty*0")}, "serial", []string{"tty1*"}, "read write", "-"},
		"patterns that do not":       {[]spec.Grant{grant(nil, "serial", "*"), grant(strict, "serial", "usb*0")}, "serial", []string{"tty1*"}, "read write", "free [tty1*]"},
		"read alone":                 {[]spec.Grant{grant(strict, "serial", "tty0")}, "serial", []string{"tty0"}, "read", "free [tty0]"},
		"another group":              {[]spec.Grant{grant(strict, "serial", "tty0"), grant(nil, "http", "http://a/*")}, "http", []string{"http://a/x"}, "read write", "free [http://a/x]"},
		"what the parent has not":    {[]spec.Grant{grant(strict, "serial", "tty0")}, "serial", []string{"tty0", "tty1"}, "read write", "-"},
		"no resource":                {[]spec.Grant{grant(nil, "serial"), grant(strict, "serial", "tty0")}, "serial", nil, "read write", "-"},
		"no resource, no interlock":  {[]spec.Grant{grant(nil, "serial")}, "serial", nil, "read write", "free []"},
		"URLs":                       {[]spec.Grant{grant(nil, "http", "http://a/*"), grant(strict, "http", "http://a/set/*")}, "http", []string{"http://a/set/x", "http://a/views/*"}, "read write", "free [http://a/views/*], strict [http://a/set/x]"},
		"a URL of another spelling":  {[]spec.Grant{grant(nil, "http", "http://a/*"), grant(strict, "http", "http://a/set/*")}, "http", []string{"HTTP://A:80/%73et/x"}, "read write", "strict [HTTP://A:80/%73et/x]"},
		"crossing URLs":              {[]spec.Grant{grant(nil, "http", "http://a/*"), grant(strict, "http", "http://a/*/set")}, "http", []string{"http://a/x/*"}, "read write", "-"},
		"crossing URLs, as they may": {[]spec.Grant{grant(nil, "http", "http://a/*"), grant(strict, "http", "http://a/s/*/set")}, "http", []string{"http://a/%73/x/*"}, "read write", "-"},
		"a host and all of its kind": {[]spec.Grant{grant(nil, "http", "http://*/*"), grant(strict, "http", "http://*.example/set")}, "http", []string{"http://a.example"}, "read write", "-"},
	} {
		s := &site{Tenant: &Tenant{cfg: Config{Groups: capability.NewRegistry(plainGroup{}, webGroup{})}}}
		got, err := s.within(&spec.Connector{Name: "yard", Grants: tt.parent}, []abi.DeployGrant{{Group: tt.group, Resources: tt.wanted, Rights: strings.Fields(tt.rights)}})
		if tt.want == "-" {
			if !fault.Is(err, fault.Denied) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			continue
		}
		var all []string
		for _, g := range got {
			all = append(all, fmt.Sprint(names[g.Interlock], " ", g.Resources))
			if g.Unlock != (g.Interlock == nil) {
				t.Errorf("%s: %v keeps an interlock that it had before", name, g.Resources)
			}
		}
		if is := strings.Join(all, ", "); is != tt.want || err != nil {
			t.Errorf("%s: %s, not %s: %v", name, is, tt.want, err)
		}
	}
}
