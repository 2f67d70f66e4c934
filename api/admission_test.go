package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// importing is a connector with these imports, whose manifest names these
// groups.
func importing(t *testing.T, groups []string, imports ...w.Import) []byte {
	t.Helper()
	m := abi.Manifest{
		Category: "telemetry", ProviderType: "importing", DisplayName: "Importing", Version: "1.0.0",
		ABI: abi.Version{Major: abi.Major, Minor: abi.Minor}, Kind: abi.KindConnector, Mode: abi.ModeEvent,
	}
	of := fnv.New64a() // each is a type of its own
	fmt.Fprint(of, groups, imports)
	m.ProviderType += fmt.Sprintf("_%x", of.Sum64())
	for _, g := range groups {
		m.Capabilities = append(m.Capabilities, abi.Capability{Group: g, Optional: true, Reason: "Needs it."})
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	entry := func(name string) w.Function {
		return w.Function{Export: name, Params: "ii", Results: "I", Body: w.I64(0)}
	}
	return w.Module{
		Pages: 1, Imports: imports,
		Functions: []w.Function{{Export: abi.ExportAlloc, Params: "i", Results: "i", Body: w.I32(0x8000)}, entry(abi.EntryOpen), entry(abi.EntryOnEvents)},
		Custom:    []w.Custom{{Name: abi.ManifestSection, Body: raw}},
	}.Bytes()
}

func ours(module, name string) w.Import {
	return w.Import{Module: module, Name: name, Params: "iiii", Results: "I"}
}

func (r *rig) push(src []byte, edits ...func(*http.Request)) reply {
	r.t.Helper()
	edits = append([]func(*http.Request){header("Content-Type", "application/wasm")}, edits...)
	return r.do(r.request(http.MethodPost, "/api/modules", bytes.NewReader(src), edits...))
}

// TestAbuse14RefusedImports: an import that does not exist, is misspelt, has
// another type or was not declared is refused at upload, by name, and all of a
// module's at once.
func TestAbuse14RefusedImports(t *testing.T) {
	r := newRig(t)
	const wasi = "wasi_snapshot_preview1"
	for name, c := range map[string]struct {
		imported w.Import
		want     fault.Kind
	}{
		"not declared":         {ours("snaprail:file", "open"), fault.ImportUndeclared},
		"misspelt function":    {ours("snaprail:serial", "opne"), fault.ImportUnknown},
		"misspelt group":       {ours("snaprail:seriall", "open"), fault.ImportUnknown},
		"another case":         {ours("snaprail:serial", "Open"), fault.ImportUnknown},
		"no group":             {ours("snaprail:", "open"), fault.ImportUnknown},
		"no prefix":            {ours("serial", "open"), fault.ImportUnknown},
		"environment":          {ours("env", "exec"), fault.ImportUnknown},
		"no module":            {ours("", "open"), fault.WasmInvalid},
		"unknown core":         {ours("snaprail:core", "reboot"), fault.ImportUnknown},
		"unknown WASI":         {w.Import{Module: wasi, Name: "proc_exec", Params: "ii", Results: "i"}, fault.ImportUnknown},
		"other WASI":           {w.Import{Module: "wasi_unstable", Name: "fd_write", Params: "iiii", Results: "i"}, fault.ImportUnknown},
		"WASI of another type": {w.Import{Module: wasi, Name: "path_open", Params: "i", Results: "i"}, fault.ImportUnknown},
		"another type":         {w.Import{Module: "snaprail:serial", Name: "open", Params: "i"}, fault.ImportUnknown},
	} {
		p := r.push(importing(t, []string{"serial"}, c.imported)).problem(c.want)
		if !strings.Contains(p.Detail, c.imported.Name) || !strings.Contains(p.Detail, c.imported.Module) {
			t.Errorf("%s: %q does not name the import", name, p.Detail)
		}
		if t.Failed() {
			t.Fatalf("at %q", name)
		}
	}
	p := r.push(importing(t, []string{"serial"}, ours("snaprail:serial", "opne"), ours("snaprail:serial", "open"), ours("snaprail:file", "open"), ours("env", "exec"))).problem(fault.ImportUnknown)
	for _, refused := range []string{"snaprail:serial.opne", "env.exec", "snaprail:file.open"} {
		if !strings.Contains(p.Detail, refused) {
			t.Errorf("%q does not list %s", p.Detail, refused)
		}
	}
	if strings.Contains(p.Detail, "snaprail:serial.open ") {
		t.Errorf("%q lists what is fine", p.Detail)
	}
	if list := r.call(http.MethodGet, "/api/modules", ""); string(list.body) != `{"items":[]}`+"\n" {
		t.Errorf("left behind: %s", list.body)
	}
}

// TestAbuse14WASIStubs: what ordinary programs import is linked, to answers that
// reach nothing, and the module's page says so.
func TestAbuse14WASIStubs(t *testing.T) {
	r := newRig(t)
	const wasi = "wasi_snapshot_preview1"
	var m client.Module
	r.push(importing(t, nil,
		w.Import{Module: wasi, Name: "path_open", Params: "iiiiiIIii", Results: "i"},
		w.Import{Module: wasi, Name: "sock_send", Params: "iiiii", Results: "i"},
		w.Import{Module: wasi, Name: "fd_read", Params: "iiii", Results: "i"},
		w.Import{Module: wasi, Name: "random_get", Params: "ii", Results: "i"},
	)).ok(http.StatusCreated, &m)
	r.call(http.MethodGet, "/api/modules/"+m.Digest, "").ok(http.StatusOK, &m)
	if want := "Its WASI calls for files and sockets are answered with an error, and reach nothing: fd_read, path_open, sock_send."; !slices.Contains(m.Cannot, want) {
		t.Errorf("%q lacks %q", m.Cannot, want)
	}
	if want := "Can draw random numbers, through WASI and without a grant"; !slices.Contains(m.Can, want) {
		t.Errorf("%q lacks %q", m.Can, want)
	}
}

// TestAbuse19AnnouncedDigest: an upload that says what it is, is that or
// nothing; a refusal is in the audit trail.
func TestAbuse19AnnouncedDigest(t *testing.T) {
	r := newRig(t)
	src := importing(t, nil)
	sum := sha256.Sum256(src)
	hexed, based := hex.EncodeToString(sum[:]), "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":"
	other := sha256.Sum256([]byte("other"))
	otherHex, otherBase := hex.EncodeToString(other[:]), "sha-256=:"+base64.StdEncoding.EncodeToString(other[:])+":"
	query := func(digest string) func(*http.Request) {
		return func(req *http.Request) { req.URL.RawQuery = "sha256=" + digest }
	}
	digest := func(field string) func(*http.Request) { return header("Content-Digest", field) }
	altered := bytes.Clone(src)
	altered[len(altered)-2] ^= 1 // of the last function's body or of a name: a module still, perhaps
	for name, c := range map[string]struct {
		src   []byte
		edits []func(*http.Request)
		want  fault.Kind
	}{
		"another by query":    {src, []func(*http.Request){query(otherHex)}, fault.BodyInvalid},
		"another by header":   {src, []func(*http.Request){digest(otherBase)}, fault.BodyInvalid},
		"one byte altered":    {altered, []func(*http.Request){query(hexed)}, fault.BodyInvalid},
		"cut off":             {src[:len(src)-1], []func(*http.Request){digest(based)}, fault.BodyInvalid},
		"two that differ":     {src, []func(*http.Request){query(hexed), digest(otherBase)}, fault.BodyInvalid},
		"not base64":          {src, []func(*http.Request){digest("sha-256=:!:")}, fault.BodyInvalid},
		"not a byte sequence": {src, []func(*http.Request){digest("sha-256=" + hexed)}, fault.BodyInvalid},
		"too short":           {src, []func(*http.Request){digest("sha-256=:AAAA:")}, fault.BodyInvalid},
		"not hex":             {src, []func(*http.Request){query("abc")}, fault.Invalid},
	} {
		if r.push(c.src, c.edits...).problem(c.want); t.Failed() {
			t.Fatalf("at %q", name)
		}
	}
	if list := r.call(http.MethodGet, "/api/modules", ""); string(list.body) != `{"items":[]}`+"\n" {
		t.Fatalf("left behind: %s", list.body)
	}
	for name, edits := range map[string][]func(*http.Request){
		"query": {query(hexed)}, "upper case": {query(strings.ToUpper(hexed))}, "header": {digest(based)},
		"both": {query(hexed), digest("sha-512=:AAAA:, " + based)}, "another algorithm alone": {digest("sha-512=:AAAA:")},
	} {
		if p := r.push(src, edits...); p.status != http.StatusCreated && p.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, p.status, p.body)
		}
	}
	r.until("the refusals in the trail", func() bool {
		var list client.List[client.Event]
		r.call(http.MethodGet, "/api/audit?action=module.upload", "").ok(http.StatusOK, &list)
		n := uint64(0)
		for _, e := range list.Items {
			if e.Outcome == "refused" && e.Code == "body_invalid" && e.Who.Name == "test" && strings.Contains(e.Detail, "was announced") {
				n += e.Count
			}
		}
		return n == 4
	})
}

func TestAbuse19AnnouncedDigestOfAForm(t *testing.T) {
	r := newRig(t)
	src := importing(t, nil)
	sum := sha256.Sum256(src)
	other := sha256.Sum256([]byte("other"))
	form := func(partDigest string) (*bytes.Buffer, string) {
		var b bytes.Buffer
		f := multipart.NewWriter(&b)
		h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="module"`}}
		if partDigest != "" {
			h.Set("Content-Digest", partDigest)
		}
		part, err := f.CreatePart(h)
		r.must(err)
		_, err = part.Write(src)
		r.must(err)
		r.must(f.Close())
		return &b, f.FormDataContentType()
	}
	send := func(query, partDigest string, edits ...func(*http.Request)) reply {
		body, kind := form(partDigest)
		return r.do(r.request(http.MethodPost, "/api/modules"+query, body, append(edits, header("Content-Type", kind))...))
	}
	based := func(sum [32]byte) string { return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":" }
	send("?sha256="+hex.EncodeToString(other[:]), "").problem(fault.BodyInvalid)
	send("", based(other)).problem(fault.BodyInvalid)
	send("", "", header("Content-Digest", based(sum))).problem(fault.BodyInvalid)
	send("?sha256="+hex.EncodeToString(sum[:]), based(sum)).ok(http.StatusCreated, nil)
}

func TestWhoWasNotLetInIsNoted(t *testing.T) {
	r := newRig(t)
	for range 20 {
		r.call(http.MethodGet, "/api/connectors", "", header("Authorization", "Bearer snr_nonsense")).problem(fault.Unauthenticated)
	}
	r.call(http.MethodGet, "/api/audit?trail=server", "", header("Authorization", "Bearer "+r.other)).problem(fault.RoleRequired)
	r.until("the refusals in the trail", func() bool {
		p := r.call(http.MethodGet, "/api/audit?trail=server&action=login", "")
		var list client.List[client.Event]
		p.ok(http.StatusOK, &list)
		if bytes.Contains(p.body, []byte("nonsense")) {
			t.Fatalf("the trail holds what was sent as a token: %s", p.body)
		}
		n := uint64(0)
		for _, e := range list.Items {
			if e.Who.Kind == "nobody" && e.Who.ID == "127.0.0.1" && e.Outcome == "refused" && e.Code == "unauthenticated" {
				n += e.Count
			}
		}
		return n == 20
	})
}

// TestAuditIsReadByPages: newest first, and no event is lost or told twice.
func TestAuditIsReadByPages(t *testing.T) {
	r := newRig(t)
	began := time.Now().Add(-time.Minute)
	c := r.tailed("meter", 1)
	for range 7 {
		r.call(http.MethodPost, "/api/connectors/"+c.ID+"/deactivate", "").ok(http.StatusOK, nil)
	}
	var sequences []uint64
	for after := ""; ; {
		var list client.List[client.Event]
		r.call(http.MethodGet, "/api/audit?limit=3&connector=meter&since="+began.UTC().Format(time.RFC3339)+"&after="+after, "").ok(http.StatusOK, &list)
		for _, e := range list.Items {
			sequences = append(sequences, e.Sequence)
			if e.Connector != c.ID || e.Name != "meter" || e.Who.Kind != "token" || e.Who.Name != "test" {
				t.Errorf("%+v", e)
			}
		}
		if after = list.Next; after == "" {
			break
		}
	}
	if len(sequences) != 9 || !slices.IsSortedFunc(sequences, func(a, b uint64) int { return int(b) - int(a) }) || len(slices.Compact(slices.Clone(sequences))) != 9 {
		t.Errorf("sequences %v", sequences)
	}
	r.call(http.MethodGet, "/api/audit?after=x", "").problem(fault.Invalid)
	r.call(http.MethodGet, "/api/audit?trail=mine", "").problem(fault.Invalid)
	r.call(http.MethodGet, "/api/audit?since=yesterday", "").problem(fault.Invalid)
}

// TestDifferenceOfTwoModules, and who may not ask for it.
func TestDifferenceOfTwoModules(t *testing.T) {
	r := newRig(t)
	var plain, wider client.Module
	r.push(importing(t, nil)).ok(http.StatusCreated, &plain)
	r.push(importing(t, []string{"serial", "log"})).ok(http.StatusCreated, &wider)
	var d client.Difference
	at := "/api/modules/" + wider.Digest + "/difference?from="
	r.call(http.MethodGet, at+plain.Digest[:12], "").ok(http.StatusOK, &d)
	if !d.Consent || len(d.More) != 1 || !strings.Contains(d.More[0], "serial") || d.From != plain.Digest || d.To != wider.Digest {
		t.Errorf("%+v", d)
	}
	r.call(http.MethodGet, "/api/modules/"+plain.Digest+"/difference?from="+wider.Digest, "").ok(http.StatusOK, &d)
	if d.Consent || len(d.More) != 0 || len(d.Fewer) != 2 {
		t.Errorf("%+v", d)
	}
	r.call(http.MethodGet, at, "").problem(fault.Invalid)
	r.call(http.MethodGet, at+plain.Digest, "", header("Authorization", "Bearer "+r.other)).problem(fault.NotFound)
	var m client.Module
	r.call(http.MethodGet, "/api/modules/"+wider.Digest, "").ok(http.StatusOK, &m)
	if len(m.Needs) != 1 || m.Needs[0].Grant.Group != "serial" || !m.Needs[0].Optional || m.Anatomy == nil || m.Anatomy.MemoryStart != 64<<10 || len(m.Anatomy.Bounds) == 0 {
		t.Errorf("%+v %+v", m.Needs, m.Anatomy)
	}
}
