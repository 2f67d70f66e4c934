package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// party is a connector that gets its tokens from a server of its own.
type party struct {
	peer     *peertest.AuthServer
	id       string
	provider string
}

// party makes one.
func (w *world) party() party {
	w.t.Helper()
	w.n++
	p := party{peer: peertest.NewAuthServer(w.t), provider: fmt.Sprintf("drive_%d", w.n)}
	p.peer.RedirectURIs = []string{w.http.URL + callbackPath + p.provider}
	var m client.Module
	w.do(w.request(http.MethodPost, "/api/modules", bytes.NewReader(oauthModule(w, p)), header("Content-Type", "application/wasm"))).
		ok(http.StatusCreated, &m)
	var c client.Connector
	w.post("/api/connectors", fmt.Sprintf(`{"name":%q,"module":%q,"grants":[{"group":"http","resources":["cidr:127.0.0.0/8"]}],
		"params":[{"key":"client_id","value":%q},{"key":"client_secret","value":%q,"value_type":"secret"}]}`,
		w.name(), m.Digest, p.peer.ClientID, p.peer.ClientSecret), &c)
	p.id = w.mark(c.ID)
	return p
}

// oauthModule is a module that leaves OAuth to the host.
func oauthModule(w *world, p party) []byte {
	raw, err := json.Marshal(abi.Manifest{
		Category: "telemetry", ProviderType: p.provider, DisplayName: "Drive", Version: "1.0.0",
		ABI: abi.Version{Major: abi.Major}, Kind: abi.KindConnector, Mode: abi.ModeEvent,
		OAuth: &abi.OAuth{AuthorizeURL: p.peer.AuthorizeURL(), TokenURL: p.peer.TokenURL(), Issuer: p.peer.Issuer()},
	})
	w.must(err)
	entry := func(name string) wasmtest.Function {
		return wasmtest.Function{Export: name, Params: "ii", Results: "I", Body: wasmtest.I64(0)}
	}
	return wasmtest.Module{
		Pages: 1,
		Functions: []wasmtest.Function{
			{Export: abi.ExportAlloc, Params: "i", Results: "i", Body: wasmtest.I32(0x8000)}, entry(abi.EntryOpen), entry(abi.EntryOnEvents),
		},
		Custom: []wasmtest.Custom{{Name: abi.ManifestSection, Body: raw}},
	}.Bytes()
}

// begun begins to connect by plant's administrator, and answers what the browser
// comes back with.
func (w *world) begun(p party, edits ...func(*http.Request)) *url.URL {
	w.t.Helper()
	var s client.OAuthStart
	w.call(http.MethodPost, "/api/connectors/"+p.id+"/oauth/start", "", edits...).ok(http.StatusOK, &s)
	return p.peer.Browse(s.AuthorizeURL, true)
}

func oauthRows() map[string]row {
	return map[string]row{
		"start-connector-oauth": {
			role: identity.Admin,
			call: func(w *world) call { return call{path: []string{w.party().id}, want: http.StatusOK} },
			more: []func(*world) call{
				func(w *world) call {
					return call{path: []string{w.party().id}, body: `{"redirect_uri":"http://127.0.0.1:4711/"}`, want: http.StatusOK}
				},
				func(w *world) call {
					return call{path: []string{w.party().id}, body: `{"redirect_uri":"https://evil.example/"}`, want: http.StatusUnprocessableEntity}
				},
				func(w *world) call { return call{path: []string{w.connector().ID}, want: http.StatusNotImplemented} },
			},
		},
		"finish-connector-oauth": {
			role: identity.Admin,
			call: func(w *world) call {
				p := w.party()
				return call{path: []string{p.provider}, query: w.begun(p).RawQuery, want: http.StatusOK}
			},
			more: []func(*world) call{
				func(w *world) call {
					p := w.party()
					return call{path: []string{p.provider}, query: "code=x&state=" + p.id + ":x", want: http.StatusBadRequest}
				},
				func(w *world) call {
					p := w.party()
					q := w.begun(p).Query()
					q.Set("code", "x")
					return call{path: []string{p.provider}, query: q.Encode(), want: http.StatusBadGateway}
				},
			},
		},
	}
}
