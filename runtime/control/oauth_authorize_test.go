package control_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestAbuseOAuthAddressesOfGuests: nor does a module that makes the address up
// send anybody but to a web page, and only with the state of who has begun.
func TestAbuseOAuthAddressesOfGuests(t *testing.T) {
	r := newNode(t)
	for name, answer := range map[string]string{
		"no state":        `{"url":"https://auth.example/authorize?client_id=x"}`,
		"another state":   `{"url":"https://auth.example/authorize?state=con_x:AAAAAAAAAAAAAAAAAAAAAAAAAA"}`,
		"a script":        `{"url":"javascript:alert(1)"}`,
		"no TLS":          `{"url":"http://auth.example/authorize"}`,
		"nothing":         `{}`,
		"no JSON":         `https://auth.example/`,
		"somebody's name": `{"url":"https://user:word@auth.example/"}`,
	} {
		body, data := answering([]byte(answer), false)
		v := r.create(control.ConnectorInput{Name: name, Module: r.ofType(abi.Manifest{
			Category: "telemetry", ProviderType: "p" + strconv.Itoa(len(answer)), Version: "1.0.0", EntryPoints: []string{abi.EntryOAuthAuthorizeURL},
		}, map[string][]byte{abi.EntryOAuthAuthorizeURL: body}, data), Config: json.RawMessage(`{}`)})
		s, err := r.StartOAuth(t.Context(), v.ID, control.OAuthInput{Callback: callback})
		if !fault.Is(err, fault.Guest) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

// TestMisfitsOfASecretTellNothingOfIt: not its length, nor what it should be.
func TestMisfitsOfASecretTellNothingOfIt(t *testing.T) {
	r := newRig(t)
	const schema = `{"type":"object","properties":{"pin":{"type":"string","writeOnly":true,"minLength":17},"port":{"type":"integer"}}}`
	_, err := r.CreateConnector(t.Context(), control.ConnectorInput{
		Name: "c", Module: r.tiny(abi.KindConnector, "con", schema), Config: json.RawMessage(`{"pin":"geheim-1","port":1}`),
	})
	f := wanted(t, err, fault.ConfigInvalid)
	if len(f.Fields) != 1 || f.Fields[0].Pointer != "/config/pin" || f.Fields[0].Detail != "is a secret, and not what the schema wants" {
		t.Errorf("%s: %+v", f.Text, f.Fields)
	}
}
