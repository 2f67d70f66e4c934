package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// problem is an error body (RFC 9457) as a client that knows nothing sees it.
type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Hint   string `json:"hint"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

// refused sends a request that must be refused with this code, a hint and a
// text that names what is wrong.
func (n *node) refused(method, path string, body []byte, code, text string) problem {
	n.t.Helper()
	kind := "application/json"
	if path == "/api/modules" {
		kind = "application/wasm"
	}
	status, header, raw := n.send(method, path, kind, n.token, body)
	var p problem
	if err := json.Unmarshal(raw, &p); err != nil || !strings.HasPrefix(header.Get("Content-Type"), "application/problem+json") {
		n.t.Fatalf("%s %s: %d %s, want problem+json", method, path, status, raw)
	}
	if p.Status != status || p.Code != code || p.Hint == "" || !strings.Contains(p.Detail, text) {
		n.t.Errorf("%s %s: %d %s\nwant the code %s, a hint, and %q in the detail", method, path, status, raw, code, text)
	}
	return p
}

func (n *node) send(method, path, kind, token string, body []byte) (int, http.Header, []byte) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, n.url+path, bytes.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, raw
}

// Every bad upload is refused with a code of its own and leaves nothing behind.
func TestBadModulesAreRefusedAndLeaveNothing(t *testing.T) {
	n := newNode(t)
	for name, c := range map[string]struct {
		wasm       []byte
		code, text string
	}{
		"empty":          {nil, "not_wasm", ""},
		"text":           {[]byte("#!/bin/sh\necho no"), "not_wasm", ""},
		"component":      {[]byte("\x00asm\x0d\x00\x01\x00"), "wasm_component", "component"},
		"cut off":        {guestBytes(t, "textframe")[:100_000], "wasm_malformed", ""},
		"no manifest":    {stripped(t, "textframe"), "manifest_missing", abi.ManifestSection},
		"bad manifest":   {manifested(t, "textframe", func(m map[string]any) { m["version"] = "one"; delete(m, "kind") }), "manifest_invalid", "version"},
		"no handler":     {manifested(t, "textframe", func(m map[string]any) { m["kind"], m["mode"] = "connector", "poll" }), "entry_point_missing", "poll"},
		"no export":      {manifested(t, "textframe", func(m map[string]any) { m["entry_points"] = []string{"op_fly"} }), "entry_point_missing", "op_fly"},
		"undeclared":     {manifested(t, "serialline", func(m map[string]any) { m["capabilities"] = []any{} }), "import_undeclared", "serial"},
		"unknown import": {unknownImport(t), "import_unknown", "snaprail:laser"},
		"newer contract": {manifested(t, "textframe", func(m map[string]any) { m["abi"] = map[string]int{"major": 1, "minor": 99} }), "abi_unsupported", "99"},
	} {
		t.Run(name, func(t *testing.T) {
			inner := *n
			inner.t = t
			inner.refused(http.MethodPost, "/api/modules", c.wasm, c.code, c.text)
		})
	}
	list, err := n.api.Modules(t.Context())
	if err != nil || len(list) != 0 {
		t.Errorf("modules after all refusals: %v, %v", list, err)
	}
	for _, dir := range []string{"incoming", "sha256"} {
		left, err := filepath.Glob(filepath.Join(n.dir, "modules", dir, "*"))
		if err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// manifested is a shipped module with a changed manifest.
func manifested(t *testing.T, name string, change func(map[string]any)) []byte {
	t.Helper()
	wasm := guestBytes(t, name)
	raw, _, err := wasmbin.Section(wasm, abi.ManifestSection)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	change(m)
	if raw, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if wasm, err = wasmbin.WithSection(wasm, abi.ManifestSection, raw); err != nil {
		t.Fatal(err)
	}
	return wasm
}

// stripped is a shipped module whose manifest is under another name.
func stripped(t *testing.T, name string) []byte {
	t.Helper()
	wasm := guestBytes(t, name)
	i := bytes.LastIndex(wasm, []byte(abi.ManifestSection))
	if i < 0 {
		t.Fatal("no manifest")
	}
	copy(wasm[i:], "snapless.manifest")
	return wasm
}

// unknownImport is a shipped module in which a group is called by another name.
func unknownImport(t *testing.T) []byte {
	t.Helper()
	return bytes.ReplaceAll(guestBytes(t, "serialline"), []byte("snaprail:serial"), []byte("snaprail:laser1"))
}

func TestBadConnectorsAreRefused(t *testing.T) {
	n := newNode(t)
	line, frame := n.push("serialline"), n.push("textframe")
	post := func(body string) (string, string, []byte) { return http.MethodPost, "/api/connectors", []byte(body) }
	check := func(body, code, text string, pointers ...string) {
		t.Helper()
		method, path, raw := post(body)
		p := n.refused(method, path, raw, code, text)
		for _, want := range pointers {
			found := false
			for _, e := range p.Errors {
				found = found || e.Pointer == want
			}
			if !found {
				t.Errorf("no error at %s: %+v", want, p.Errors)
			}
		}
	}
	check(fmt.Sprintf(`{"name":"x","module":%q,"config":{"baudrate":"fast","devices":[{"name":"a","parity":"X"}]}}`, line),
		"config_invalid", "", "/config/baudrate", "/config/devices/0/parity")
	check(fmt.Sprintf(`{"name":"x","module":%q,"config":{"devices":[{"name":"a"}],"surprise":1}}`, line), "config_invalid", "")
	check(fmt.Sprintf(`{"name":"","module":%q,"config":{"devices":[{"name":"a"}]},"grants":[{"group":"laser"}]}`, line),
		"config_invalid", "", "/name", "/grants/0/group")
	check(fmt.Sprintf(`{"name":"x","module":%q,"config":{"fields":[]}}`, frame), "config_invalid", "converter", "/module")
	check(`{"name":"x","module":"0123456789"}`, "config_invalid", "0123456789", "/module")
	if list, err := n.api.Connectors(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("connectors after all refusals: %v, %v", list, err)
	}
	status, _, raw := n.send(http.MethodGet, "/api/connectors", "", "snr_nobody_0000", nil)
	if status != http.StatusUnauthorized || !strings.Contains(string(raw), `"unauthenticated"`) {
		t.Errorf("an unknown token: %d %s", status, raw)
	}
}

func TestBadPortsAreRefused(t *testing.T) {
	port := playing(t, 20*time.Millisecond)
	n := newNode(t)
	line, frame := n.push("serialline"), n.push("textframe")
	owner := n.activate(stationConnector("owner", line, frame, port.Port, numberField()))

	second := n.create(stationConnector("second", line, frame, port.Port, numberField()))
	n.refused(http.MethodPost, "/api/connectors/"+second+"/activate", nil, "not_connected", owner.ID)

	missing := filepath.Join(t.TempDir(), "ttyUSB9")
	away := n.create(json.Marshal(map[string]any{
		"name": "away", "module": line,
		"config": map[string]any{"port": missing, "open_timeout": 0.2, "devices": []any{map[string]any{"name": "a"}}},
		"grants": []any{map[string]any{"group": "serial", "resources": []string{missing}, "rights": []string{"read", "write"}}},
	}))
	n.refused(http.MethodPost, "/api/connectors/"+away+"/activate", nil, "not_connected", missing)

	// A port that is there and not granted is as good as none.
	ungranted := n.create(json.Marshal(map[string]any{
		"name": "ungranted", "module": line,
		"config": map[string]any{"port": port.Port, "devices": []any{map[string]any{"name": "a"}}},
		"grants": []any{map[string]any{"group": "serial", "resources": []string{"/dev/ttyUSB*"}, "rights": []string{"read"}}},
	}))
	n.refused(http.MethodPost, "/api/connectors/"+ungranted+"/activate", nil, "not_connected", "no grant covers")

	// No grant for the group at all: the module is not even linked.
	none := n.create(json.RawMessage(fmt.Sprintf(`{"name":"none","module":%q,"config":{"devices":[{"name":"a"}]}}`, line)), nil)
	n.refused(http.MethodPost, "/api/connectors/"+none+"/activate", nil, "not_connected", "not granted")

	// The owner never noticed.
	before := n.state(owner.ID, lifecycle.Running)
	if len(before.Sessions) != 1 || before.Sessions[0].Opens != 1 || before.Restarts != 0 {
		t.Errorf("the owner's status: %+v", before)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("the missing port was made")
	}
}

func (n *node) create(spec json.RawMessage, err error) string {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
	c, err := n.api.CreateConnector(n.t.Context(), spec)
	if err != nil {
		n.t.Fatal(err)
	}
	return c.ID
}

// A web page whose name was made to lead to this machine gets nothing.
func TestForeignHostNamesAreRefused(t *testing.T) {
	n := newNode(t)
	for host, want := range map[string]int{"evil.example": 421, "localhost": 200, "127.0.0.1:1234": 200} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("Host %s: %d, want %d", host, resp.StatusCode, want)
		}
	}
}
