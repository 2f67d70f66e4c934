package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/hostfns/clock"
	hostdeploy "github.com/snaprail/snaprail/hostfns/deploy"
	"github.com/snaprail/snaprail/hostfns/file"
	"github.com/snaprail/snaprail/hostfns/hooks"
	hosthttp "github.com/snaprail/snaprail/hostfns/http"
	"github.com/snaprail/snaprail/hostfns/kv"
	hostlog "github.com/snaprail/snaprail/hostfns/log"
	"github.com/snaprail/snaprail/hostfns/serial"
	"github.com/snaprail/snaprail/runtime/adapter"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/probe"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// rig is a whole server on real parts, with two tenants.
type rig struct {
	t      *testing.T
	api    *Server
	http   *httptest.Server
	tokens *identity.Tokens
	log    *syncBuffer
	store  store.Store
	super  *supervisor.Supervisor
	dir    string
	token  string // of the tenant plant
	other  string // of the tenant other
}

func newRig(t *testing.T, adjust ...func(*Config)) *rig {
	t.Helper()
	ctx := context.Background()
	r := &rig{t: t, dir: t.TempDir(), log: &syncBuffer{}}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store := memory.New()
	r.store = store
	secrets, err := secret.Open(ctx, store.System(), secret.KEK{1})
	r.must(err)
	out := egress.New(egress.Config{})
	requests := hooks.New(hooks.Config{})
	groups := capability.NewRegistry(requests, hosthttp.New(out), serial.New(serial.Config{}), hostlog.New(), clock.New(), kv.New(), file.New(), hostdeploy.New())
	eng, err := engine.New(ctx, engine.Config{CacheDir: cacheDir, Groups: groups.Groups(), Log: log})
	r.must(err)
	cat, err := catalog.New(catalog.Config{Dir: filepath.Join(r.dir, "modules"), Store: store, Engine: eng, Groups: groups, Log: log})
	r.must(err)
	audit := identity.NewAudit(ctx, store, log)
	super := supervisor.New(ctx, supervisor.Config{
		Audit: audit, Probes: probe.New(probe.Config{Listen: listenLocal, Log: log}),
		Dir: filepath.Join(r.dir, "outbox"), Store: store, Catalog: cat, Engine: eng, Groups: groups, Log: log, Secrets: secrets,
		Restart: supervisor.Restart{Min: 10 * time.Millisecond, Max: 50 * time.Millisecond},
	})
	r.super = super
	r.must(super.AddTenant(ctx, "plant"))
	r.must(super.AddTenant(ctx, "other"))
	r.must(super.Start(ctx))
	r.tokens = identity.New(store.System())
	users := identity.NewUsers(store.System(), audit, identity.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1})
	cfg := Config{
		Users: users, Tenant: "plant", Hooks: requests,
		Control: control.New(control.Config{
			Store: store, Catalog: cat, Supervisor: super, Engine: eng, Groups: groups, Audit: audit, Secrets: secrets, Egress: out, Users: users, Operator: "plant",
			Adapters: adapter.New(adapter.Config{Dir: filepath.Join(r.dir, "files"), Log: log}),
		}),
		Audit: audit, Tokens: r.tokens, Log: log, Version: "1.2.3-test",
	}
	for _, a := range adjust {
		a(&cfg)
	}
	r.api = New(cfg)
	r.http = httptest.NewServer(r.api)
	r.token, r.other = r.newToken("plant"), r.newToken("other")
	t.Cleanup(func() {
		r.api.EndStreams()
		r.http.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		r.check(r.api.Drained(ctx))
		r.check(cfg.Control.Close(ctx))
		r.check(super.Stop(ctx))
		r.check(audit.Close(ctx))
		r.check(eng.Close(ctx))
		r.check(store.Close())
	})
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Error(err)
	}
}

func (r *rig) newToken(tenant string) string {
	r.t.Helper()
	token, _, err := r.tokens.Create(r.t.Context(), tenant, "test")
	r.must(err)
	return token
}

// reply is an answer, read to its end.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// request is a call; each edit changes it before it is made.
func (r *rig) request(method, path string, body io.Reader, edits ...func(*http.Request)) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.http.URL+path, body)
	r.must(err)
	req.Header.Set("Authorization", "Bearer "+r.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, edit := range edits {
		edit(req)
	}
	return req
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Del(name)
		if value != "" {
			r.Header.Set(name, value)
		}
	}
}

func (r *rig) do(req *http.Request) reply {
	r.t.Helper()
	transport := http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	r.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	r.must(err)
	return reply{r.t, resp.StatusCode, resp.Header, body}
}

func (r *rig) call(method, path, body string, edits ...func(*http.Request)) reply {
	r.t.Helper()
	var from io.Reader
	if body != "" {
		from = strings.NewReader(body)
	}
	return r.do(r.request(method, path, from, edits...))
}

// ok sees that the answer has this status and decodes it.
func (p reply) ok(status int, into any) {
	p.t.Helper()
	if p.status != status {
		p.t.Fatalf("status %d, want %d: %s", p.status, status, p.body)
	}
	if into != nil {
		if err := json.Unmarshal(p.body, into); err != nil {
			p.t.Fatalf("%v: %s", err, p.body)
		}
	}
}

// problem sees that the answer is a whole problem of this kind.
func (p reply) problem(k fault.Kind) client.Problem {
	p.t.Helper()
	var got client.Problem
	if err := json.Unmarshal(p.body, &got); err != nil {
		p.t.Fatalf("%v: status %d, body %q", err, p.status, p.body)
	}
	info := k.Info()
	want := client.Problem{
		Type: "/docs#" + info.Code, Title: info.Title, Status: info.Status, Code: info.Code,
		Detail: got.Detail, Instance: got.Instance, Hint: got.Hint, Errors: got.Errors, Offset: got.Offset,
		RequestID: p.header.Get("X-Request-Id"), RetryAfterMS: got.RetryAfterMS,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		p.t.Errorf("problem\n%+v, want\n%+v", got, want)
	}
	if p.status != info.Status || p.header.Get("Content-Type") != problemType ||
		got.Detail == "" || got.Instance == "" || got.Hint == "" || got.RequestID == "" {
		p.t.Errorf("status %d, type %q: %s", p.status, p.header.Get("Content-Type"), p.body)
	}
	return got
}

// guest is the bytes of a guest that `make wasm` has built.
func guest(t testing.TB, name string) []byte {
	t.Helper()
	for _, dir := range []string{"../testdata/guests/dist", "../connectors-wasm/dist"} {
		if src, err := os.ReadFile(filepath.Join(dir, name+".wasm")); err == nil {
			return src
		}
	}
	t.Fatalf("%s.wasm is not built: run `make wasm`", name)
	return nil
}

func (r *rig) upload(name string) client.Module {
	r.t.Helper()
	var m client.Module
	p := r.do(r.request(http.MethodPost, "/api/modules", bytes.NewReader(guest(r.t, name)), header("Content-Type", "application/wasm")))
	if p.status != http.StatusOK {
		p.ok(http.StatusCreated, nil)
	}
	p.ok(p.status, &m)
	return m
}

// tailed creates a connector that emits the lines of a file.
func (r *rig) tailed(name string, lines int) client.Connector {
	r.t.Helper()
	path := filepath.Join(r.dir, name+".txt")
	var text bytes.Buffer
	for i := range lines {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	r.must(os.WriteFile(path, text.Bytes(), 0o600))
	var c client.Connector
	r.call(http.MethodPost, "/api/connectors", tailSpec(name, r.upload("filetail").Digest, path)).ok(http.StatusCreated, &c)
	return c
}

func tailSpec(name, module, path string) string {
	raw, err := json.Marshal(map[string]any{
		"name": name, "module": module, "config": map[string]any{"path": path},
		"grants": []any{map[string]any{"group": "file", "resources": []string{path}, "rights": []string{"read"}}},
		"poll":   map[string]any{"interval": "10ms"},
	})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// activated creates such a connector and starts it.
func (r *rig) activated(name string, lines int) client.Connector {
	r.t.Helper()
	c := r.tailed(name, lines)
	r.call(http.MethodPost, "/api/connectors/"+c.ID+"/activate", "").ok(http.StatusOK, &c)
	return c
}

// until polls for a condition.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			r.t.Fatalf("not seen in time: %s", what)
		}
		t := time.NewTimer(5 * time.Millisecond)
		select {
		case <-t.C:
		case <-r.t.Context().Done():
			t.Stop()
		}
	}
}
