package api

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// uploadSchema uploads a module whose manifest has this config schema.
func (w *world) uploadSchema(schema string) reply {
	w.t.Helper()
	manifest, err := json.Marshal(abi.Manifest{
		Category: "telemetry", ProviderType: "fresh", DisplayName: "Fresh", Version: "2.0." + itoa(w.n),
		ABI: abi.Version{Major: abi.Major}, Kind: abi.KindConnector, Mode: abi.ModeEvent, ConfigSchema: json.RawMessage(schema),
	})
	w.must(err)
	kind, form := formOf([2]string{"manifest", string(manifest)}, [2]string{"module", string(w.freshModule())})
	return w.do(w.request(http.MethodPost, "/api/modules", strings.NewReader(form), header("Content-Type", kind)))
}

// TestAbuse31LargeConfig: 10 MiB are refused before they are read.
func TestAbuse31LargeConfig(t *testing.T) {
	w := newWorld(t)
	id := w.connector().ID
	const size, sent = 10 << 20, 2 << 20 // who sends all of it is cut off, and may not read the answer
	text := `{"name":"x","config":{"a":"` + strings.Repeat("x", sent)
	for _, to := range []struct{ method, path string }{
		{http.MethodPost, "/api/connectors"},
		{http.MethodPut, "/api/connectors/" + id},
		{http.MethodPatch, "/api/connectors/" + id},
		{http.MethodPut, "/api/connectors/" + id + "/params"},
		{http.MethodPost, "/api/connectors/" + id + "/import-config"},
		{http.MethodPost, "/api/apply"},
		{http.MethodPost, "/api/files"},
	} {
		kind := "application/json"
		if to.method == http.MethodPatch {
			kind = "application/merge-patch+json"
		}
		begin := time.Now()
		from, into := io.Pipe()
		go func() { _, _ = io.WriteString(into, text) }() // ends when the request does
		q := w.request(to.method, to.path, from, header("Content-Type", kind))
		q.ContentLength = size
		p := w.do(q)
		w.must(from.Close())
		if p.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s %s: %d %.200s", to.method, to.path, p.status, p.body)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("%s %s took %s", to.method, to.path, took)
		}
	}
}

// TestAbuse31HostileSchemas: circles, references that lead outside, and what
// nobody supports are refused by their place; nothing is fetched.
func TestAbuse31HostileSchemas(t *testing.T) {
	w := newWorld(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	t.Cleanup(func() { w.must(ln.Close()) })
	var asked atomic.Int64
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = c.Close()
		}
	}()
	remote := "http://" + ln.Addr().String() + "/schema.json"
	for schema, at := range map[string]string{
		`{"$ref":"#"}`: "",
		`{"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"items":{"$ref":"#/$defs/n"}}}}`: "/$defs/n",
		`{"$ref":"` + remote + `"}`:                               "/$ref",
		`{"$schema":"` + remote + `"}`:                            "/$schema",
		`{"properties":{"a":{"$ref":"` + remote + `#/x"}}}`:       "/properties/a/$ref",
		`{"properties":{"a":{"$ref":"file:///etc/passwd"}}}`:      "/properties/a/$ref",
		`{"properties":{"a":{"pattern":"(a+)+\\1"}}}`:             "/properties/a/pattern",
		`{"properties":{"a":{"pattern":"((a{100}){100}){100}"}}}`: "/properties/a/pattern",
		`{"properties":{"a":{"not":{}}}}`:                         "/properties/a/not",
	} {
		begin := time.Now()
		p := w.uploadSchema(schema)
		took := time.Since(begin)
		p.refused(t, fault.ManifestInvalid)
		var problem client.Problem
		w.must(json.Unmarshal(p.body, &problem))
		if len(problem.Errors) == 0 || !strings.HasPrefix(problem.Errors[0].Pointer, "/config_schema"+at) {
			t.Errorf("%s: %+v", schema, problem.Errors)
		}
		if took > 500*time.Millisecond { // with a whole upload around it
			t.Errorf("%s took %s", schema, took)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d references were followed", n)
	}
}

// TestAbuse31CatastrophicPattern: patterns are RE2, in which none is.
func TestAbuse31CatastrophicPattern(t *testing.T) {
	w := newWorld(t)
	var m client.Module
	w.uploadSchema(`{"type":"object","properties":{"a":{"type":"string","pattern":"^(([a-z])+.)+[A-Z]([a-z])+$"},"b":{"type":"string","pattern":"^(a|a)*b$"}}}`).ok(http.StatusCreated, &m)
	body := func(n int) string {
		return `{"name":"` + w.name() + `","module":"` + m.Digest + `","config":{"a":"` + strings.Repeat("a", n) + `","b":"` + strings.Repeat("a", n) + `"}}`
	}
	w.call(http.MethodPost, "/api/connectors", body(1)).problem(fault.ConfigInvalid) // compiled once
	begin := time.Now()
	w.call(http.MethodPost, "/api/connectors", body(30_000)).problem(fault.ConfigInvalid)
	if took := time.Since(begin); took > 300*time.Millisecond {
		t.Errorf("60 KB took %s", took)
	}
}
