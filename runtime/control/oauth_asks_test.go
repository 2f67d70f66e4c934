package control_test

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestAbuseOAuthTokenServerNeedsConsent: the one server that a module reaches
// without a grant is shown beforehand, and another one is asked about.
func TestAbuseOAuthTokenServerNeedsConsent(t *testing.T) {
	with := func(url string) spec.Module {
		return spec.Module{Digest: url, Manifest: abi.Manifest{OAuth: &abi.OAuth{TokenURL: url}}}
	}
	groups := capability.NewRegistry()
	can, _ := control.Describe(with("https://tokens.example/v1"), groups)
	if !strings.Contains(strings.Join(can, "\n"), "https://tokens.example") {
		t.Errorf("can %q", can)
	}
	for _, c := range []struct {
		from, to    string
		more, fewer int
	}{
		{"https://a.example/x", "https://a.example/y", 0, 0},
		{"https://a.example/x", "https://evil.example/x", 1, 0},
		{"", "https://evil.example/x", 1, 0},
		{"https://a.example/x", "", 0, 1},
		{"", "", 0, 0},
	} {
		d := control.Compare(with(c.from), with(c.to), groups)
		if len(d.More) != c.more || len(d.Fewer) != c.fewer {
			t.Errorf("%s to %s: more %q, fewer %q", c.from, c.to, d.More, d.Fewer)
		}
	}

	r := newOAuthRig(t)
	c := r.read(r.id)
	evil := r.oauthModuleVersion("drive", "1.0.1", &abi.OAuth{AuthorizeURL: r.peer.AuthorizeURL(), TokenURL: "https://evil.example/token"})
	_, err := r.UpdateConnector(t.Context(), r.id, control.ConnectorInput{Name: c.Name, Module: evil, Grants: c.Grants, Params: c.Params}, 0)
	wantFault(t, err, fault.ConsentRequired)
}
