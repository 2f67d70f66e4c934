package api

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

func wasm() func(*http.Request) { return header("Content-Type", "application/wasm") }

func TestModuleLife(t *testing.T) {
	r := newRig(t)
	src := guest(t, "filetail")
	first := r.do(r.request("POST", "/api/modules", bytes.NewReader(src), wasm()))
	var m client.Module
	first.ok(http.StatusCreated, &m)
	if first.header.Get("Location") != "/api/modules/"+m.Digest || m.Size != int64(len(src)) || m.Manifest.ProviderType != "filetail" {
		t.Errorf("%v %+v", first.header, m)
	}
	r.do(r.request("POST", "/api/modules", bytes.NewReader(src), header("Content-Type", "application/octet-stream"))).ok(http.StatusOK, nil)

	var shown client.Module
	r.call("GET", "/api/modules/"+m.Digest[:8], "").ok(http.StatusOK, &shown)
	can := strings.Join(shown.Can, "\n")
	if !strings.Contains(can, "(snaprail:file open)") || !strings.Contains(can, "Reads the file in its config.") || len(shown.Cannot) == 0 || len(shown.Capabilities) != 1 {
		t.Errorf("%+v", shown)
	}
	c := r.tailed("uses", 1)
	if got := r.call("DELETE", "/api/modules/"+m.Digest, "", header("If-Match", "*")).problem(fault.ModuleInUse); !strings.Contains(got.Detail, c.ID) {
		t.Error(got.Detail)
	}
	r.call("DELETE", "/api/connectors/uses", "").ok(http.StatusNoContent, nil)
	r.call("DELETE", "/api/modules/"+m.Digest, "", header("If-Match", "*")).ok(http.StatusNoContent, nil)
	r.call("GET", "/api/modules/"+m.Digest, "").problem(fault.NotFound)
}

func TestModulesArePaged(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"filetail", "echo", "ticker"} {
		r.upload(name)
	}
	var seen []string
	after := ""
	for range 4 {
		var page client.List[client.Module]
		r.call("GET", "/api/modules?limit=1&after="+after, "").ok(http.StatusOK, &page)
		for _, m := range page.Items {
			seen = append(seen, m.Digest)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(seen) != 3 || seen[0] >= seen[1] || seen[1] >= seen[2] {
		t.Error(seen)
	}
}

// form is a multipart body; parts are name, content, name, content.
func form(t *testing.T, parts ...string) (*bytes.Buffer, func(*http.Request)) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i < len(parts); i += 2 {
		p, err := w.CreateFormFile(parts[i], parts[i]+".bin")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write([]byte(parts[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &body, header("Content-Type", w.FormDataContentType())
}

func TestUploadForms(t *testing.T) {
	r := newRig(t)
	src := guest(t, "filetail")
	manifest, found, err := wasmbin.Section(src, abi.ManifestSection)
	if err != nil || !found {
		t.Fatal(err)
	}
	bare := stripped(t, src)
	for name, parts := range map[string][]string{
		"manifest first": {"manifest", string(manifest), "module", bare},
		"module first":   {"module", bare, "manifest", string(manifest)},
		"others between": {"x", "y", "module", bare, "z", "", "manifest", string(manifest)},
		"packed":         {"module", string(src)},
	} {
		body, kind := form(t, parts...)
		var m client.Module
		p := r.do(r.request("POST", "/api/modules", body, kind))
		p.ok(http.StatusCreated, &m)
		if m.Manifest.ProviderType != "filetail" {
			t.Errorf("%s: %+v", name, m)
		}
		r.call("DELETE", "/api/modules/"+m.Digest, "", header("If-Match", "*")).ok(http.StatusNoContent, nil)
	}
}

func TestUploadsThatAreRefusedLeaveNothing(t *testing.T) {
	const most = 6 << 20
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	r := newRig(t, func(c *Config) { c.MaxModule = most })
	src := guest(t, "filetail")
	bare := stripped(t, src)
	many := []string{}
	for range 11 {
		many = append(many, "x", "y")
	}
	big := "\x00asm\x01\x00\x00\x00" + strings.Repeat("\x00", most)
	for name, c := range map[string]struct {
		parts []string
		want  fault.Kind
	}{
		"no manifest":          {[]string{"module", bare}, fault.ManifestMissing},
		"wrong manifest":       {[]string{"module", bare, "manifest", "{}"}, fault.ManifestInvalid},
		"no module":            {[]string{"manifest", "{}"}, fault.BodyInvalid},
		"too many parts":       {append(many, "module", bare), fault.BodyInvalid},
		"large manifest":       {[]string{"manifest", strings.Repeat(" ", abi.MaxManifest+1)}, fault.TooLarge},
		"large module":         {[]string{"module", big}, fault.ModuleTooLarge},
		"large, with manifest": {[]string{"manifest", "{}", "module", big}, fault.ModuleTooLarge},
	} {
		body, kind := form(t, c.parts...)
		p := r.do(r.request("POST", "/api/modules", body, kind))
		if p.problem(c.want); t.Failed() {
			t.Fatalf("%s: %s", name, p.body)
		}
	}
	body, kind := form(t, "module", bare)
	body.Truncate(body.Len() / 2)
	r.do(r.request("POST", "/api/modules", body, kind)).problem(fault.BodyInvalid)

	r.do(r.request("POST", "/api/modules", &endless{left: most + 200<<10}, wasm())).problem(fault.ModuleTooLarge)

	component := "\x00asm\x0d\x00\x01\x00"
	r.call("POST", "/api/modules", component, wasm()).problem(fault.WasmComponent)

	var page client.List[client.Module]
	r.call("GET", "/api/modules", "").ok(http.StatusOK, &page)
	if len(page.Items) != 0 {
		t.Errorf("modules are left: %+v", page.Items)
	}
	for _, dir := range []string{tmp, filepath.Join(r.dir, "modules", "incoming")} {
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s: %v %v", dir, left, err)
		}
	}
}

// TestHugeUploadsAreNotRead: what is refused costs no more than the bound and
// what is read on so that the answer arrives.
func TestHugeUploadsAreNotRead(t *testing.T) {
	const most, huge = 1 << 20, 1 << 30
	r := newRig(t, func(c *Config) { c.MaxModule = most })
	for length, bound := range map[int64]int64{-1: most + 64<<10 + lingerBytes, huge: lingerBytes} {
		body := &endless{left: huge}
		q := r.request("POST", "/api/modules", body, wasm())
		q.ContentLength = length
		w := httptest.NewRecorder()
		r.api.ServeHTTP(w, q)
		if read := huge - body.left; w.Code != http.StatusRequestEntityTooLarge || read > bound {
			t.Errorf("length %d: status %d after %d bytes", length, w.Code, read)
		}
	}
}

func TestUploadsAtOnceAreBounded(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Uploads = 1 })
	leave, err := r.api.uploads.enter("plant")
	r.must(err)
	p := r.do(r.request("POST", "/api/modules", strings.NewReader("x"), wasm()))
	if got := p.problem(fault.Exhausted); p.header.Get("Retry-After") != "5" || got.RetryAfterMS != 5000 {
		t.Errorf("%v %+v", p.header, got)
	}
	r.do(r.request("POST", "/api/modules", strings.NewReader("x"), wasm(), header("Authorization", "Bearer "+r.other))).problem(fault.NotWasm)
	leave()
	leave()
	r.do(r.request("POST", "/api/modules", strings.NewReader("x"), wasm())).problem(fault.NotWasm)
	if n := r.api.uploads.count(); n != 0 {
		t.Errorf("%d uploads are counted after all have ended", n)
	}
}

// TestExtismUploadsAtOnceAreBounded: these are in memory as a whole, so that the
// server takes few in at once, whosever they are, and holds none that waits.
func TestExtismUploadsAtOnceAreBounded(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	r := newRig(t)
	r.api.extism.patience = time.Millisecond
	var leave []func()
	for range extismAtOnce {
		one, err := r.api.extism.take(t.Context())
		r.must(err)
		leave = append(leave, one)
	}
	upload := func(with ...func(*http.Request)) reply {
		return r.do(r.request("POST", "/api/modules", strings.NewReader(`{"wasm": []}`), append(with, header("Content-Type", "application/json"))...))
	}
	p := upload()
	if got := p.problem(fault.Exhausted); p.header.Get("Retry-After") != "5" || got.RetryAfterMS != 5000 {
		t.Errorf("%v %+v", p.header, got)
	}
	upload(header("Authorization", "Bearer "+r.other)).problem(fault.Exhausted)
	r.do(r.request("POST", "/api/modules", strings.NewReader("x"), wasm())).problem(fault.NotWasm)

	leave[0]()
	for range extismAtOnce + 1 {
		upload().problem(fault.ManifestInvalid)
	}
	leave[1]()
	if n := len(r.api.extism.taken); n != 0 {
		t.Errorf("%d turns are taken after all have ended", n)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("files are left: %v %v", left, err)
	}
}

// TestSlowExtismUploadsTakeNoTurn: else two clients could stop all others.
func TestSlowExtismUploadsTakeNoTurn(t *testing.T) {
	r := newRig(t)
	from, to := io.Pipe()
	q, w := r.request("POST", "/api/modules", from, header("Content-Type", "application/json")), httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.api.ServeHTTP(w, q)
	}()
	_, err := io.WriteString(to, `{"wasm": [`) // returns when the server has read it
	r.must(err)
	if n := len(r.api.extism.taken); n != 0 {
		t.Errorf("%d turns are taken by a client that has not sent all", n)
	}
	r.must(to.Close())
	<-done
	if w.Code != http.StatusBadRequest {
		t.Errorf("half of a manifest: status %d", w.Code)
	}
}

func TestLargeExtismUploadsAreRefused(t *testing.T) {
	r := newRig(t)
	r.do(r.request("POST", "/api/modules", &endless{left: maxExtism + 1}, header("Content-Type", "application/json"))).problem(fault.ModuleTooLarge)
}

// stripped is a module without its manifest.
func stripped(t *testing.T, src []byte) string {
	t.Helper()
	info, err := wasmbin.Read(src)
	if err != nil {
		t.Fatal(err)
	}
	last := info.Custom[len(info.Custom)-1]
	if last.Name != abi.ManifestSection || last.End != len(src) {
		t.Fatalf("the manifest is not the last section: %+v", last)
	}
	packed, err := wasmbin.WithSection(src, abi.ManifestSection, nil)
	if err != nil {
		t.Fatal(err)
	}
	empty := 2 + 1 + len(abi.ManifestSection) // id, size, length of the name, name
	return string(packed[:len(packed)-empty])
}
