package api

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// head writes the head of an upload on a connection of its own.
func (r *rig) head(rest string) *net.TCPConn {
	r.t.Helper()
	conn := r.dial()
	_, err := fmt.Fprintf(conn, "POST /api/modules HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Type: application/wasm\r\n%s\r\n", r.token, rest)
	r.must(err)
	return conn
}

// TestAbuse20UploadIsCutOffAtItsBound: an upload of a length that nobody said
// is refused as soon as it is too large, and costs no memory meanwhile.
func TestAbuse20UploadIsCutOffAtItsBound(t *testing.T) {
	const most, slack, grown = 16 << 20, 64 << 10, 8 << 20
	r := newRig(t, func(c *Config) { c.MaxModule = most })
	conn := r.head("Transfer-Encoding: chunked\r\n")
	before := heap()
	chunk := append(fmt.Appendf(nil, "%x\r\n", slack), make([]byte, slack+2)...)
	copy(chunk[len(chunk)-2:], "\r\n")
	var highest int64
	for sent := 0; sent <= most; sent += slack { // one chunk more than the bound, and not the end
		if sent == 0 {
			first := slices.Clone(chunk)
			copy(first[strings.Index(string(first), "\n")+1:], "\x00asm\x01\x00\x00\x00")
			_, err := conn.Write(first)
			r.must(err)
			continue
		}
		_, err := conn.Write(chunk)
		r.must(err)
		if sent%(4<<20) == 0 {
			highest = max(highest, heap()-before)
		}
	}
	p := r.answer(conn)
	p.problem(fault.ModuleTooLarge)
	if highest > grown {
		t.Errorf("the heap grew by %d bytes", highest)
	}
	conn = r.head(fmt.Sprintf("Content-Length: %d\r\n", 1<<30)) // none of which is sent
	r.answer(conn).problem(fault.ModuleTooLarge)
}

// TestAbuse20SlowUploads: four at once, whoever is silent loses its place, and
// the others are told when to come again.
func TestAbuse20SlowUploads(t *testing.T) {
	const clients = 100
	r := newRig(t)
	r.api.pace.silence = 500 * time.Millisecond
	refused := 0
	var held []*net.TCPConn
	for range clients {
		conn := r.head("Content-Length: 1000\r\n")
		if len(held) < defaultUploads {
			held = append(held, conn)
			r.until("the upload", func() bool { return r.api.uploads.count() == len(held) })
			continue
		}
		p := r.answer(conn)
		if p.status == http.StatusTooManyRequests && p.header.Get("Retry-After") != "" {
			refused++
		} else if p.status != http.StatusBadRequest { // it had come into the place of a silent one
			t.Errorf("%d %s", p.status, p.body)
		}
	}
	if refused == 0 {
		t.Error("nobody was refused")
	}
	for _, conn := range held {
		r.answer(conn).problem(fault.BodyInvalid)
	}
	r.until("the places", func() bool { return r.api.uploads.count() == 0 })
	if usualPace().silence != 15*time.Second {
		t.Error(usualPace().silence)
	}
}

// manyParts is a form of very many parts.
type manyParts struct {
	left int
	rest string
}

func (m *manyParts) Read(p []byte) (int, error) {
	if m.rest == "" {
		if m.left--; m.left < 0 {
			return 0, io.EOF
		}
		m.rest = "--x\r\nContent-Disposition: form-data; name=\"part\"\r\n\r\ny\r\n"
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// TestAbuse21Forms: every operation that takes a form refuses one of a million
// parts, one whose part has an endless header, and one that is no
// form; it reads little of it, and leaves no file.
func TestAbuse21Forms(t *testing.T) {
	const parts = 1_000_000
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	w := newWorld(t)
	table := rows()
	forms := 0
	for _, op := range w.doc.sorted() {
		if op.RequestBody == nil {
			continue
		}
		if _, is := op.RequestBody.Content["multipart/form-data"]; !is {
			continue
		}
		forms++
		good := table[op.OperationID].call(w)
		good.kind, good.body = "multipart/form-data; boundary=x", "-"
		for name, body := range map[string]io.Reader{
			"many parts":      &manyParts{left: parts},
			"a huge header":   io.MultiReader(strings.NewReader("--x\r\nX-Much: "), &endless{left: 64 << 20}),
			"many headers":    io.MultiReader(strings.NewReader("--x\r\n"), strings.NewReader(strings.Repeat("a: b\r\n", 1<<20))),
			"no form":         strings.NewReader("nothing of the kind"),
			"a huge boundary": strings.NewReader("--" + strings.Repeat("x", 1<<20)),
			"no end":          strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nabc"),
		} {
			q := w.make(op, good)
			q.Body, q.ContentLength = io.NopCloser(body), -1
			begin := time.Now()
			p := w.do(q)
			if p.status != http.StatusBadRequest && p.status != http.StatusRequestEntityTooLarge && p.status != http.StatusUnprocessableEntity {
				t.Errorf("%s, %s: %d %.200s", op.OperationID, name, p.status, p.body)
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("%s, %s: answered after %s", op.OperationID, name, took)
			}
			if m, is := body.(*manyParts); is && m.left < parts/2 { // what is in the sockets on the way counts here
				t.Errorf("%s: %d parts were read", op.OperationID, parts-m.left)
			}
		}
	}
	if forms == 0 {
		t.Fatal("no operation takes a form")
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("files are left: %v %v", left, err)
	}
}

// TestAbuse21HugeHeader: the listener itself refuses it.
func TestAbuse21HugeHeader(t *testing.T) {
	r := newRig(t)
	ctx, stop := context.WithCancel(t.Context())
	ln := listener(t)
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, ln, r.api, nil, slog.New(slog.DiscardHandler)) }()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ln.Addr().String())
	r.must(err)
	r.must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Much: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	r.must(err)
	r.must(errors.Join(resp.Body.Close(), conn.Close()))
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Error(resp.StatusCode)
	}
	stop()
	r.must(<-served)
}

// TestAbuse25ForeignHost: a name that was made to lead here gets nothing,
// however it is written.
func TestAbuse25ForeignHost(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Hosts = []string{"localhost", "127.0.0.1", "::1"} })
	for request, want := range map[string]int{
		"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n":                                              200,
		"GET /healthz HTTP/1.1\r\nHost: localhost:8080\r\n":                                         200,
		"GET /healthz HTTP/1.1\r\nHost: LOCALHOST\r\n":                                              200,
		"GET /healthz HTTP/1.1\r\nHost: [::1]:8080\r\n":                                             200,
		"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n":                                           421,
		"GET /healthz HTTP/1.1\r\nHost: evil.example:8080\r\n":                                      421,
		"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n":                                 421,
		"GET /healthz HTTP/1.1\r\nHost: localhost.evil.example\r\n":                                 421,
		"GET /healthz HTTP/1.1\r\nHost: evil.example#localhost\r\n":                                 400,
		"GET /healthz HTTP/1.1\r\nHost: localhost@evil.example\r\n":                                 400,
		"GET http://evil.example/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n":                           421,
		"GET /healthz HTTP/1.1\r\nHost:\r\n":                                                        421,
		"GET /healthz HTTP/1.1\r\n":                                                                 400,
		"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n":                        400,
		"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: 127.0.0.1\r\n":            421,
		"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nForwarded: host=127.0.0.1\r\n":              421,
		"GET /nothing HTTP/1.1\r\nHost: evil.example\r\n":                                           421,
		"OPTIONS /api/connectors HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n": 421,
	} {
		conn := r.dial()
		_, err := io.WriteString(conn, request+"\r\n")
		r.must(err)
		if p := r.answer(conn); p.status != want {
			t.Errorf("%q: %d, want %d", request, p.status, want)
		}
	}
}

// scripts are texts that do something in a page that does not escape them.
func scripts() []string {
	return []string{
		`<script>alert(1)</script>`, `"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`, `<svg onload=alert(1)>`,
		`</td></tr></table><script>alert(1)</script>`, `" onmouseover="alert(1)`, `' onfocus='alert(1)' autofocus='`, `javascript:alert(1)`,
		`<a href="javascript:alert(1)">x</a>`, `<iframe srcdoc="<script>alert(1)</script>">`, `<!--<script>-->alert(1)`, `]]><script>alert(1)</script>`,
		`{{.}}{{template "x"}}`, `<style>*{background:url(//evil.example)}</style>`, `<base href="//evil.example/">`, `<meta http-equiv=refresh content=0;url=//evil.example>`,
		`<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`, "\u003cscript\u003e", `&lt;script&gt;`, `<scr<script>ipt>alert(1)</scr</script>ipt>`,
		"<\u200bscript>", `<IMG SRC=&#106;avascript:alert(1)>`, `+ADw-script+AD4-`, `<x contenteditable onblur=alert(1)>`,
	}
}

// skeleton is a page without its text: elements and the names of their
// attributes, with the values of those that lead somewhere or do something.
func skeleton(t *testing.T, page []byte) (elements []string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(page)))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, page)
		}
		start, is := token.(xml.StartElement)
		if !is {
			continue
		}
		element := start.Name.Local
		for _, a := range start.Attr {
			element += " " + a.Name.Local
			if a.Name.Local == "href" || a.Name.Local == "src" || strings.HasPrefix(a.Name.Local, "on") {
				element += "=" + a.Value
			}
		}
		elements = append(elements, element)
	}
}

// TestAbuse27StoredScripts: whatever text a tenant, a guest or a peer brings
// in is inert in the pages, which may run no script anyway.
func TestAbuse27StoredScripts(t *testing.T) {
	r := newRig(t)
	page := func() ([]byte, http.Header) {
		p := r.call("GET", "/", "", header("Authorization", ""), func(q *http.Request) {
			q.AddCookie(&http.Cookie{Name: statusCookie, Value: r.token})
		})
		p.ok(http.StatusOK, nil)
		return p.body, p.header
	}
	digest := r.upload("echo").Digest
	for _, text := range scripts() { // as a name, and as the reason of a failure
		body := fmt.Sprintf(`{"name":%q,"module":%q,"config":{"on_open":%q},"grants":[{"group":"log"}]}`, text, digest, "fail "+text)
		if p := r.call("POST", "/api/connectors", body); p.status != http.StatusCreated && p.status != http.StatusUnprocessableEntity {
			t.Fatalf("%q: %d %s", text, p.status, p.body)
		}
	}
	shown, h := page()
	for _, element := range skeleton(t, shown) {
		name, _, _ := strings.Cut(element, " ")
		if !slices.Contains(strings.Fields("html head meta title link body h1 h2 p a code table thead tbody tr th td"), name) ||
			strings.Contains(element, " on") || strings.Contains(element, " style") || strings.Contains(element, "javascript:") || strings.Contains(element, "evil") {
			t.Errorf("the page has the element %s", element)
		}
	}
	if r.connectors() == 0 || !strings.Contains(string(shown), "&lt;") {
		t.Error("no script came into the page")
	}
	for policy, has := range map[string]bool{
		"default-src 'none'": true, "base-uri 'none'": true, "form-action": true, "frame-ancestors 'none'": true, "unsafe": false, "*": false,
	} {
		if strings.Contains(h.Get("Content-Security-Policy"), policy) != has {
			t.Errorf("%q in the policy %q: want %t", policy, h.Get("Content-Security-Policy"), has)
		}
	}
}

// TestAbuse27ReflectedScripts: what comes in with a request never comes back
// as a page of another form.
func TestAbuse27ReflectedScripts(t *testing.T) {
	w := newWorld(t)
	for _, op := range w.doc.sorted() {
		if op.method != http.MethodGet || op.path == "/metrics" {
			continue
		}
		var clean []string
		for i, text := range append([]string{"plain"}, scripts()...) {
			values := make([]string, len(op.names()))
			for i := range values {
				values[i] = escaped(text)
			}
			edits := []func(*http.Request){header("Accept", "text/html"), header("X-Request-Id", "x")}
			for _, p := range op.Parameters {
				if p.In == "query" {
					edits = append(edits, query2(p.Name, text))
				}
			}
			if op.public() {
				edits = append(edits, header("Authorization", ""))
			}
			p := w.send(op, call{path: values, stream: true}, edits...)
			p.t = t
			if p.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(p.header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s: %v", op.OperationID, p.header)
			}
			if !strings.HasPrefix(p.header.Get("Content-Type"), typeHTML) {
				continue
			}
			full := w.send(op, call{path: values}, edits...)
			found := skeleton(t, full.body)
			if i == 0 {
				clean = found
			} else if !slices.Equal(found, clean) {
				t.Errorf("%s with %q has other elements:\n%q\n%q", op.OperationID, text, found, clean)
			}
		}
	}
}

// escaped is a text as one part of a path.
func escaped(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// TestAbuse29Paths: no spelling of a path leads out of what is served.
func TestAbuse29Paths(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{
		"/..", "/../", "/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/..%5c..%5cwindows", "/..%255c..%255c",
		"//etc/passwd", "///", "/./style.css/../../server.go", "/style.css/..", "/style.css%00", "/style.css%2f", "/style.css/", "/page/docs.html",
		"/page/", "/%70age/docs.html", "/docs.html", "/status.html", "/\u2025/etc", "/\uff0e\uff0e/etc/passwd", "/%c0%ae%c0%ae/etc/passwd", "/%e0%80%ae/",
		"/api//connectors", "/api/../metrics", "/api/connectors/../../metrics", "/api/connectors/%2e%2e%2f%2e%2e%2fmetrics", "/api/connectors/..",
		"/api/modules/..%2f..%2fkey", "/api/modules/%2fetc%2fpasswd", "/api/v1/../connectors", "/api/v1//connectors", "/api/connectors/%00",
		"/api/connectors/a%0d%0aSet-Cookie:x=y", "/api/connectors/" + strings.Repeat("a/", 1000), "/api/connectors/" + strings.Repeat("%2f", 1000),
		"/healthz/../api/connectors", "/healthz;x", "/API/connectors", "/.git/config", "/debug/pprof/", "/server.go",
	} {
		conn := r.dial()
		_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n", path, r.token)
		r.must(err)
		p := r.answer(conn)
		if p.status != http.StatusNotFound && p.status != http.StatusBadRequest && p.status != http.StatusUnprocessableEntity {
			t.Errorf("%.80s: %d %.200s", path, p.status, p.body)
		}
		if p.header.Get("Set-Cookie") != "" || p.header.Get("Location") != "" {
			t.Errorf("%.80s: %v", path, p.header)
		}
	}
}

// TestAbuse31LargeBodies: ten megabytes of JSON are refused by every operation
// that takes JSON, and little of it is held.
func TestAbuse31LargeBodies(t *testing.T) {
	const size = 10 << 20
	w := newWorld(t)
	table := rows()
	for _, op := range w.doc.sorted() {
		if op.RequestBody == nil || op.OperationID == "create-module" { // whose JSON has a module in it
			continue
		}
		if _, is := op.RequestBody.Content["application/json"]; !is {
			continue
		}
		good := table[op.OperationID].call(w)
		good.kind, good.body = "application/json", "-"
		q := w.make(op, good)
		body := &endless{left: size}
		q.Body, q.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(`{"name": "`), body)), -1
		recorder := httptest.NewRecorder()
		q.Host = "127.0.0.1"
		w.api.ServeHTTP(recorder, q)
		if read := size - body.left; recorder.Code != http.StatusRequestEntityTooLarge || read > 2*maxBody+lingerBytes {
			t.Errorf("%s: %d after %d bytes: %.200s", op.OperationID, recorder.Code, read, recorder.Body)
		}
	}
}
