package extism_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/engine/extism"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func manifest(fields string) []byte {
	data := base64.StdEncoding.EncodeToString([]byte("\x00asm"))
	return []byte(strings.ReplaceAll(fields, "DATA", `"data":"`+data+`"`))
}

// The sha256 of the four bytes.
const hash = "cd5d4935a48c0672cb06407bb443bc0087aff947c6b864bac886982c73b3027f"

func TestManifestBecomesAProposal(t *testing.T) {
	u, err := extism.ReadManifest(manifest(`{
		"wasm": [{DATA, "hash": "` + strings.ToUpper(hash) + `", "name": "main"}],
		"memory": {"max_pages": 100, "max_var_bytes": 500, "max_http_response_bytes": 9},
		"config": {"vowels": "aeiou", "n": "1"}, "timeout_ms": 1500,
		"allowed_hosts": ["*.example.com", "api.test"], "allowed_paths": {"/etc": "/mnt", "ro:/data": "/data"},
		"snaprail": {"kind": "converter"}, "unknown": [1]
	}`))
	if err != nil {
		t.Fatal(err)
	}
	if string(u.Wasm) != "\x00asm" || string(u.Manifest) != `{"kind": "converter"}` {
		t.Errorf("module %q, manifest %s", u.Wasm, u.Manifest)
	}
	got, err := json.Marshal(u.Proposal)
	if err != nil {
		t.Fatal(err)
	}
	p := u.Proposal
	if string(p.Config) != `{"n":"1","vowels":"aeiou"}` || p.Limits.MemoryBytes != 200*64<<10 ||
		p.Limits.CallTimeout != spec.Duration(1500*time.Millisecond) || len(p.Grants) != 1 ||
		fmt.Sprint(p.Grants[0].Group, p.Grants[0].Resources) != "http[https://*.example.com/* https://api.test/*]" {
		t.Errorf("proposal %s", got)
	}
	for _, words := range []string{"max_var_bytes is 500", "http_request is refused", "/etc is never opened", "ro:/data is never opened"} {
		if !strings.Contains(strings.Join(p.Notes, "\n"), words) {
			t.Errorf("no note says %q: %s", words, got)
		}
	}
}

func TestPlainManifestAsksForNothing(t *testing.T) {
	u, err := extism.ReadManifest(manifest(`{"wasm": [{DATA}], "timeout_ms": 18446744073709551615}`))
	if err != nil {
		t.Fatal(err)
	}
	if u.Manifest != nil || u.Proposal.Config != nil || len(u.Proposal.Notes)+len(u.Proposal.Grants) > 0 {
		t.Errorf("%+v", u.Proposal)
	}
	if got := u.Proposal.Limits.CallTimeout; got != spec.Duration(24*time.Hour) {
		t.Errorf("an endless timeout becomes %v", time.Duration(got))
	}
}

func TestManifestIsRefused(t *testing.T) {
	for _, tt := range []struct {
		src  string
		kind fault.Kind
		want string
	}{
		{`no JSON`, fault.BodyInvalid, "cannot be read"},
		{`{"wasm": [{"data": "%%"}]}`, fault.BodyInvalid, "cannot be read"},
		{`{"wasm": [{}]}`, fault.BodyInvalid, "invalid Wasm entry"},
		{`{}`, fault.ManifestInvalid, "has 0 modules"},
		{`{"wasm": [{DATA}, {DATA}]}`, fault.ManifestInvalid, "has 2 modules"},
		{`{"wasm": [{"url": "https://example.com/x.wasm"}]}`, fault.ManifestInvalid, "by url (https://example.com/x.wasm)"},
		{`{"wasm": [{"path": "/etc/passwd"}]}`, fault.ManifestInvalid, "by path (/etc/passwd)"},
		{`{"wasm": [{DATA, "hash": "00"}]}`, fault.ManifestInvalid, "sha256 is " + hash},
	} {
		_, err := extism.ReadManifest(manifest(tt.src))
		if !fault.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.src, err)
		}
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add(manifest(`{"wasm": [{DATA, "hash": ""}], "memory": {"max_pages": 4294967295}, "config": {"a": "b"}}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		u, err := extism.ReadManifest(src)
		if err == nil && len(u.Wasm) == 0 {
			t.Error("a manifest without a module was read")
		}
	})
}
