package control_test

import (
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestAbuseOAuthTokenServersAreGrantable: a module reaches no token server that
// its tenant may not grant, neither by the host nor by a guest, and its name is
// not even asked for.
func TestAbuseOAuthTokenServersAreGrantable(t *testing.T) {
	both := []spec.Right{spec.Read, spec.Write}
	only := func(resources ...string) spec.Ceiling {
		return spec.Ceiling{Grantable: []spec.Grant{{Group: "http", Resources: resources, Rights: both}}}
	}
	byHost := newOAuthRig(t)
	byGuest, _ := newDriveRig(t, func(*abi.OAuth) {})
	for name, c := range map[string]struct {
		*oauthRig
		back func() control.OAuthCallback
	}{
		"by the host": {byHost, byHost.agreed}, "by the guest": {byGuest, byGuest.driven},
	} {
		back := c.back()
		c.ceiling(only("https://api.corp.example/*"))
		_, err := c.ann.StartOAuth(t.Context(), c.id, control.OAuthInput{Callback: callback})
		wantFault(t, err, fault.NotGrantable)
		_, err = c.ann.FinishOAuth(t.Context(), back)
		wantFault(t, err, fault.NotGrantable)
		if n := len(c.peer.Asked()); n != 0 {
			t.Errorf("%s: the token server was asked %d times", name, n)
		}
	}
	byHost.ceiling(only("https://api.corp.example/*", byHost.peer.Issuer()+"/*"))
	if _, err := byHost.ann.FinishOAuth(t.Context(), byHost.agreed()); err != nil {
		t.Errorf("a token server on the list: %v", err)
	}
}
