package main

import (
	"testing"

	"github.com/snaprail/snaprail/runtime/capability"
)

// TestEveryGroupSaysItsForms: what `grants forms` shows as an example can be
// granted, and no group that needs a grant is missing.
func TestEveryGroupSaysItsForms(t *testing.T) {
	for _, g := range offer().Groups() {
		forms := capability.FormsOf(g)
		if contained := capability.IsContained(g); contained == (len(forms) > 0) {
			t.Errorf("%s: %d forms, needs no grant: %t", g.Name(), len(forms), contained)
		}
		for _, f := range forms {
			if f.What == "" || (f.Example == "") != (f.Resource == "") {
				t.Errorf("%s: %+v", g.Name(), f)
			}
			if m, own := g.(capability.Matcher); own && f.Example != "" {
				if err := m.CheckPattern(f.Example); err != nil {
					t.Errorf("%s %s cannot be granted: %v", g.Name(), f.Example, err)
				}
			}
		}
	}
	for name, want := range map[string]string{"mqtt": "broker:host:port topic:filter cidr:network", "clock": "RESOURCE"} {
		g, _ := offer().Group(name)
		if text := capability.FormsText(g); text != want {
			t.Errorf("%s in a command: %s, want %s", name, text, want)
		}
	}
}
