package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// A row says how one operation of the API is called well. Two tests walk the
// rows: TestEveryOperationKeepsItsContract and TestEveryRouteKnowsItsCallers.
type row struct {
	// role is the lowest one that may; "": anybody may, without a credential.
	role identity.Role
	// call makes whatever the call needs, in the tenant plant, and then the
	// call itself. Nothing that it makes is used by another call, so that a
	// deletion hurts nobody.
	call func(*world) call
	// foreign is what the administrator of another tenant is answered; "": 404
	// if the path has parameters, else an answer without anything of plant in
	// it.
	foreign foreigner
	// more are further good calls: other forms of a body, other answers.
	more []func(*world) call
}

type foreigner string

const (
	foreignAbsent foreigner = "absent" // 404: what the call names is not there
	foreignShared foreigner = "shared" // the path names what all tenants have
	foreignDenied foreigner = "denied" // 403: only for the tenant that operates the server
)

// call is one request.
type call struct {
	path   []string // the values of the path's parameters, in their order
	query  string   // without the question mark
	kind   string   // content type; "": application/json when there is a body
	body   string
	header map[string]string
	want   int  // status
	stream bool // the answer has no end: its header and first line count
}

// world is a server with two tenants, and what rows need of it. Its tokens of
// the tenant plant have each role.
type world struct {
	*rig
	doc   *document
	marks []string // of plant: what no other tenant may see
	told  string   // what the other tenant has asked with, and so may see again
	n     int
	tail  string // digest of filetail, once it is there
	// talker is the digest of parley, once it is there.
	talker string
	// deployer is the digest of factory, once it is there.
	deployer string
	last     string           // name of the last thing that was made
	door     client.Connector // that takes requests, once it is there
	carrier  client.Connector // that delivers, once it is there
	poured   string           // the file whose lines it is handed
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{rig: newRig(t, func(c *Config) {
		c.Tokens = withRoles{c.Tokens}
		c.Hosts = []string{"127.0.0.1"}
	})}
	w.doc = w.document()
	return w
}

// withRoles lets a test play each role: viewer/<token> is the token with the
// role of a viewer.
type withRoles struct{ Verifier }

func (v withRoles) Verify(ctx context.Context, token string) (identity.Identity, error) {
	role, rest, played := strings.Cut(token, "/")
	if !played {
		rest = token
	}
	who, err := v.Verifier.Verify(ctx, rest)
	if played {
		who.Role = identity.Role(role)
	}
	return who, err
}

// as is the header of plant's caller with a role.
func (w *world) as(role identity.Role) func(*http.Request) {
	return header("Authorization", "Bearer "+string(role)+"/"+w.token)
}

func (w *world) asOther() func(*http.Request) { return header("Authorization", "Bearer "+w.other) }

// name is a new name, which no other tenant may see.
func (w *world) name() string {
	w.n++
	w.last = fmt.Sprintf("plants-%d-own", w.n)
	w.marks = append(w.marks, w.last)
	return w.last
}

// post makes something by an ordinary call of plant's administrator.
func (w *world) post(path, body string, into any) {
	w.t.Helper()
	p := w.call(http.MethodPost, path, body)
	if p.status != http.StatusOK {
		p.ok(http.StatusCreated, nil)
	}
	p.ok(p.status, into)
}

// filetail is the digest of a module that all connectors here run.
func (w *world) filetail() string {
	if w.tail == "" {
		w.tail = w.upload("filetail").Digest
	}
	return w.tail
}

// connectorBody is the body of a good connector.
func (w *world) connectorBody() string {
	return tailSpec(w.name(), w.filetail(), w.file("line 0\n"))
}

// file is a file that guests may be granted.
func (w *world) file(text string) string {
	w.t.Helper()
	path := w.dir + "/" + w.name() + ".txt"
	w.must(writeFile(path, text))
	return path
}

// connector is a new connector, a draft.
func (w *world) connector() client.Connector {
	w.t.Helper()
	var c client.Connector
	w.post("/api/connectors", w.connectorBody(), &c)
	w.marks = append(w.marks, c.ID)
	return c
}

// running is a new connector that runs.
func (w *world) running() client.Connector {
	w.t.Helper()
	c := w.connector()
	w.post("/api/connectors/"+c.ID+"/activate", "", &c)
	return c
}

// freshModule is a module that no other call has: a version of its own.
func (w *world) freshModule() []byte {
	w.n++
	raw, err := json.Marshal(abi.Manifest{
		Category: "telemetry", ProviderType: "fresh", DisplayName: "Fresh", Version: "1.0." + itoa(w.n),
		ABI: abi.Version{Major: abi.Major}, Kind: abi.KindConnector, Mode: abi.ModeEvent,
	})
	w.must(err)
	entry := func(name string) wasmtest.Function {
		return wasmtest.Function{Export: name, Params: "ii", Results: "I", Body: wasmtest.I64(0)}
	}
	alloc := wasmtest.Function{Export: abi.ExportAlloc, Params: "i", Results: "i", Body: wasmtest.I32(0x8000)}
	return wasmtest.Module{
		Pages: 1, Functions: []wasmtest.Function{alloc, entry(abi.EntryOpen), entry(abi.EntryOnEvents)},
		Custom: []wasmtest.Custom{{Name: abi.ManifestSection, Body: raw}},
	}.Bytes()
}

// module is a new module that no connector uses.
func (w *world) module() client.Module {
	w.t.Helper()
	var m client.Module
	w.do(w.request(http.MethodPost, "/api/modules", bytes.NewReader(w.freshModule()), header("Content-Type", "application/wasm"))).
		ok(http.StatusCreated, &m)
	w.marks = append(w.marks, m.Digest)
	return m
}

// mark notes what no other tenant may see, and gives it back.
func (w *world) mark(s string) string {
	w.marks = append(w.marks, s)
	return s
}

// formOf is a body of multipart/form-data with its content type.
func formOf(parts ...[2]string) (kind, body string) {
	const boundary = "xxxBOUNDARYxxx"
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=%q; filename=%q\r\n\r\n%s\r\n", boundary, p[0], p[0], p[1])
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return "multipart/form-data; boundary=" + boundary, b.String()
}

// make is the request of a call.
func (w *world) make(op *operation, c call, edits ...func(*http.Request)) *http.Request {
	w.t.Helper()
	path := op.fill(w.t, c.path)
	if c.query != "" {
		path += "?" + c.query
	}
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	all := []func(*http.Request){}
	if c.kind != "" {
		all = append(all, header("Content-Type", c.kind))
	}
	for name, value := range c.header {
		all = append(all, header(name, value))
	}
	return w.request(op.method, path, body, append(all, edits...)...)
}

// send makes a call and reads its answer, of a stream the first line.
func (w *world) send(op *operation, c call, edits ...func(*http.Request)) reply {
	w.t.Helper()
	req := w.make(op, c, edits...)
	if !c.stream {
		return w.do(req)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	transport := http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req.WithContext(ctx))
	w.must(err)
	defer resp.Body.Close()
	body := make([]byte, 4096)
	n, _ := resp.Body.Read(body)
	if resp.StatusCode >= 400 {
		rest, err := io.ReadAll(resp.Body)
		w.must(err)
		return reply{w.t, resp.StatusCode, resp.Header, append(body[:n], rest...)}
	}
	return reply{w.t, resp.StatusCode, resp.Header, nil}
}

// code is the code of a problem; "": it is none.
func (p reply) code() string {
	var problem client.Problem
	if p.header.Get("Content-Type") != problemType || json.Unmarshal(p.body, &problem) != nil {
		return ""
	}
	return problem.Code
}

// refused sees that the answer is a whole problem of one of these kinds.
func (p reply) refused(t *testing.T, kinds ...fault.Kind) {
	t.Helper()
	for _, k := range kinds {
		if len(p.body) == 0 && p.status == k.Info().Status { // of HEAD, which has no body
			return
		}
		if p.code() == k.String() {
			p.t = t
			p.problem(k)
			return
		}
	}
	t.Errorf("status %d, want one of %v: %.300s", p.status, kinds, p.body)
}
