package capability_test

import (
	"testing"

	"github.com/snaprail/snaprail/runtime/capability"
)

// formed is a group of which only the forms matter.
type formed struct {
	capability.Group

	forms []capability.Form
}

func (f formed) Forms() []capability.Form { return f.forms }

// What is granted beside an address is of no use when no address is left.
func TestStandsAlone(t *testing.T) {
	g := formed{forms: []capability.Form{{Resource: "broker:host:port"}, {Resource: "topic:filter", Beside: true}, {Resource: "cidr:network", Beside: true}}}
	for resource, want := range map[string]bool{"broker:b:1883": true, "topic:a/+": false, "cidr:10.0.0.0/8": false, "topics": true} {
		if got := capability.StandsAlone(g, resource); got != want {
			t.Errorf("%s: %t", resource, got)
		}
	}
}
