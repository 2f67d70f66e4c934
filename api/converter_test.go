package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// TestSecretsOfAConverterAreInNoAnswer, and what is read can be sent back.
func TestSecretsOfAConverterAreInNoAnswer(t *testing.T) {
	r := newRig(t)
	manifest, err := os.ReadFile("../testdata/guests/poison/manifest.json")
	r.must(err)
	hidden := strings.Replace(string(manifest), `"type": "string"`, `"type": "string", "x-secret": true`, 1)
	src, err := wasmbin.WithSection(guest(t, "poison"), abi.ManifestSection, []byte(hidden))
	r.must(err)
	var m client.Module
	r.push(src).ok(http.StatusCreated, &m)

	var c client.Connector
	call := func(method, path, body string, into any) {
		t.Helper()
		p := r.call(method, path, body)
		if p.status >= http.StatusBadRequest {
			t.Errorf("%s %s: %d %s", method, path, p.status, p.body)
		}
		if text := unmasked(string(p.body)); text != "" || strings.Contains(string(p.body), "$secret") {
			t.Errorf("%s %s shows %s", method, path, p.body)
		}
		if into != nil {
			p.ok(p.status, into)
		}
	}
	call(http.MethodPost, "/api/connectors", fmt.Sprintf(`{"name":"c","module":%q,"converter":{"module":%q,"config":{"prefix":%q}}}`,
		r.upload("echo").Digest, m.Digest, password), &c)
	call(http.MethodGet, "/api/connectors", "", nil)
	call(http.MethodGet, "/api/connectors/c", "", &c)
	converter, err := json.Marshal(c.Converter)
	r.must(err)
	if !strings.Contains(string(converter), `"prefix":{"set":true,`) {
		t.Errorf("shown: %s", converter)
	}
	call(http.MethodPatch, "/api/connectors/c", `{"converter":`+string(converter)+`}`, nil)
	call(http.MethodPut, "/api/connectors/c", fmt.Sprintf(`{"name":"c","module":%q,"converter":%s}`, c.Module, converter), nil)
	call(http.MethodPost, "/api/connectors/c/test", "", nil)
	call(http.MethodGet, "/api/export", "", nil)
	call(http.MethodPost, "/api/apply?dry_run=true", fmt.Sprintf(`{"documents":[{"kind":"connector","name":"c","module":%q,"converter":%s}]}`,
		c.Module, converter), nil)
	call(http.MethodGet, "/api/audit", "", nil)
}
