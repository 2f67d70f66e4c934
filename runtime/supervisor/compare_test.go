package supervisor

import (
	"testing"

	"github.com/snaprail/snaprail/runtime/spec"
)

func TestTakesAway(t *testing.T) {
	read := spec.Grant{Group: "serial", Resources: []string{"/dev/a", "/dev/b"}}
	both := spec.Grant{Group: "serial", Resources: []string{"/dev/a", "/dev/b"}, Rights: []spec.Right{spec.Read, spec.Write}}
	bare := spec.Grant{Group: "clock"}
	split := []spec.Grant{{Group: "serial", Resources: []string{"/dev/b"}}, {Group: "serial", Resources: []string{"/dev/a"}, Rights: []spec.Right{spec.Read}}}
	for name, tt := range map[string]struct {
		old, now []spec.Grant
		want     bool
	}{
		"nothing was there":     {nil, []spec.Grant{read}, false},
		"the same":              {[]spec.Grant{read, bare}, []spec.Grant{bare, read}, false},
		"more":                  {[]spec.Grant{read}, []spec.Grant{both, bare}, false},
		"the same in two":       {[]spec.Grant{read}, split, false},
		"all":                   {[]spec.Grant{read}, nil, true},
		"a right":               {[]spec.Grant{both}, []spec.Grant{read}, true},
		"a resource":            {[]spec.Grant{read}, split[:1], true},
		"a group":               {[]spec.Grant{read, bare}, []spec.Grant{read}, true},
		"a pattern for another": {split[:1], []spec.Grant{{Group: "serial", Resources: []string{"/dev/*"}}}, true},
	} {
		if got := takesAway(tt.old, tt.now); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
