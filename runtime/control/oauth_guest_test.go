package control_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// newDriveRig is a rig whose connector runs the shipped googledrive, with the
// endpoints of a peer in its manifest.
func newDriveRig(t *testing.T, adjust func(*abi.OAuth)) (*oauthRig, *peertest.Drive) {
	t.Helper()
	src, err := os.ReadFile("../../connectors-wasm/dist/googledrive.wasm")
	if err != nil {
		t.Fatal("googledrive.wasm is not built: run `make wasm`")
	}
	r := &oauthRig{rig: newNode(t), peer: peertest.NewAuthServer(t)}
	r.ann = r.tenantOf(person("ann"))
	r.peer.RedirectURIs = []string{callback}
	files := &peertest.Drive{Auth: r.peer}
	server := httptest.NewServer(files)
	t.Cleanup(server.Close)
	raw, _, err := wasmbin.Section(src, abi.ManifestSection)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	o := abi.OAuth{AuthorizeURL: r.peer.AuthorizeURL(), TokenURL: r.peer.TokenURL(), Scopes: []string{"drive.file"}}
	adjust(&o)
	m["oauth"] = o
	raw, err = json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	module, _, err := r.AddModule(t.Context(), bytes.NewReader(src), raw, "")
	if err != nil {
		t.Fatal(err)
	}
	r.id = r.create(control.ConnectorInput{
		Name: "drive", Module: module.Digest,
		Params: []spec.Param{
			{Key: "client_id", Value: r.peer.ClientID},
			{Key: "client_secret", Value: r.peer.ClientSecret},
			{Key: "api_url", Value: server.URL},
			{Key: "token_uri", Value: r.peer.TokenURL()},
		},
		Grants: []spec.Grant{{Group: "http", Resources: []string{server.URL + "/*", r.peer.Issuer() + "/*", "cidr:127.0.0.0/8"}, Rights: []spec.Right{spec.Read, spec.Write}}},
	}).ID
	return r, files
}

// driven is the callback of the provider googledrive.
func (r *oauthRig) driven() control.OAuthCallback {
	cb := r.agreed()
	cb.ProviderType = "googledrive"
	return cb
}

// TestOAuthTokensReachTheGuest: the guest trades the code itself, and goes on
// working with each token that the host gets for it, the old one being no good.
func TestOAuthTokensReachTheGuest(t *testing.T) {
	r, files := newDriveRig(t, func(*abi.OAuth) {})
	r.peer.Lifetime = 2 * time.Second
	done, err := r.ann.FinishOAuth(t.Context(), r.driven())
	if err != nil || !done.Test.Success || done.Test.Message != "the drive of ann@plant.test answers" {
		t.Fatalf("%+v, %v", done.Test, err)
	}
	if o := r.stored().OAuth; o.ExpiresAt.Sub(o.Refreshed) != 2*time.Second || len(o.Scopes) != 1 {
		t.Errorf("known of the tokens: %+v", o)
	}
	if _, err := r.ann.Activate(t.Context(), r.id); err != nil {
		t.Fatal(err)
	}
	r.refreshing()
	r.until("two refreshes", func() bool { return len(refreshes(r.peer.Asked())) >= 2 })
	r.until("a call with the newest token", func() bool {
		_, err := r.ann.CallConnector(t.Context(), r.id, "put", json.RawMessage(`{"path":"a","data":"aGk="}`), 0)
		return err == nil && files.Files()["a"] == "hi"
	})
	if v := r.read(r.id); v.Runtime.Restarts != 0 {
		t.Errorf("the guest was restarted: %+v", v.Runtime)
	}
}

// TestAbuseOAuthExchangeReachesTheTokenServerAlone: whatever its connector was
// granted, and whatever its config says, a guest that trades a code asks the
// server that the manifest names.
func TestAbuseOAuthExchangeReachesTheTokenServerAlone(t *testing.T) {
	for _, named := range []string{"https://tokens.example/token", "http://127.0.0.1:9/token"} { // which is not the peer's port
		r, _ := newDriveRig(t, func(o *abi.OAuth) { o.TokenURL = named })
		_, err := r.ann.FinishOAuth(t.Context(), r.driven())
		f := wanted(t, err, fault.OAuthFailed)
		if asked := r.peer.Asked(); len(asked) > 0 {
			t.Errorf("%s: a server was asked that the manifest does not name: %v", named, asked)
		}
		if c := r.stored(); c.OAuth != nil {
			t.Errorf("%s: %s, and stored %+v", named, f.Text, c.OAuth)
		}
	}
}
