package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/store"
)

// password is what nothing may show.
const password = "correct+horse/battery"

// unmasked is what of a text shows the password.
func unmasked(text string) string {
	for _, form := range []string{
		password, "correct%2Bhorse", "correct%2bhorse",
		strings.TrimRight(base64.StdEncoding.EncodeToString([]byte("me:" + password))[4:], "="),
		"rect+horse", "horse/batt",
	} {
		if i := strings.Index(text, form); i >= 0 {
			return text[max(0, i-100):min(len(text), i+100)]
		}
	}
	return ""
}

// blabber creates a connector that says its password wherever it can.
func (r *rig) blabber(name, end string) client.Connector {
	r.t.Helper()
	raw, err := json.Marshal(map[string]any{
		"name": name, "module": r.upload("blabber").Digest, "poll": map[string]any{"interval": "10ms"},
		"grants": []any{map[string]any{"group": "file", "resources": []string{"/granted/*"}, "rights": []string{"read"}}},
		"params": []any{
			map[string]any{"key": "password", "value": password, "value_type": "secret"},
			map[string]any{"key": "end", "value": end, "value_type": "text"},
		},
	})
	r.must(err)
	var c client.Connector
	p := r.call(http.MethodPost, "/api/connectors", string(raw))
	p.ok(http.StatusCreated, &c)
	if text := unmasked(string(p.body)); text != "" {
		r.t.Errorf("the answer to its creation shows %s", text)
	}
	return c
}

// TestSecretsAreMasked: a guest that says its password in its log, on stdout
// and stderr, in errors, traps, test results and in what it asks for shows it
// to nobody, and what it said is there all the same.
func TestSecretsAreMasked(t *testing.T) {
	r := newRig(t)
	shown := func(what, text string, wants ...string) {
		t.Helper()
		if leak := unmasked(text); leak != "" {
			t.Errorf("%s shows ...%s...", what, leak)
		}
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q: %.2000s", what, want, text)
			}
		}
	}
	read := func(path string, wants ...string) {
		t.Helper()
		p := r.call(http.MethodGet, path, "")
		p.ok(http.StatusOK, nil)
		shown(path, string(p.body), wants...)
	}

	for _, end := range []string{"error", "refuse", "panic"} {
		c := r.blabber("blabber-"+end, end)
		tested := r.call(http.MethodPost, "/api/connectors/"+c.ID+"/test", "")
		tested.ok(http.StatusOK, nil)
		shown("the test", string(tested.body), `"test: the password is [masked]"`, `"detail: [masked]"`, `"[masked]":"name"`)
		r.call(http.MethodPost, "/api/connectors/"+c.ID+"/activate", "").ok(http.StatusOK, nil)
		r.until("it fails", func() bool {
			var s lifecycle.Status
			r.call(http.MethodGet, "/api/connectors/"+c.ID+"/status", "").ok(http.StatusOK, &s)
			return end == "refuse" || s.Restarts > 0 && s.Reason != ""
		})
		r.until("its reason is in its log", func() bool {
			p := r.call(http.MethodGet, "/api/connectors/"+c.ID+"/logs", "")
			return strings.Contains(string(p.body), end+": the password is")
		})
		read("/api/connectors/"+c.ID+"/logs", "log: the password is [masked]", `"target":"[masked]"`, "basic: b", "stdout: the password is [masked]",
			"stderr: the password is [masked]", end+": the password is [masked]")
		if end != "refuse" { // which goes on
			read("/api/connectors/"+c.ID+"/status", "[masked]")
		}
		read("/api/connectors/"+c.ID, "test: the password is [masked]")
		read("/api/connectors/" + c.ID + "/params")
		read("/api/connectors/" + c.ID + "/config")
		p := r.call(http.MethodPost, "/api/connectors/"+c.ID+"/deactivate", "")
		shown("the deactivation", string(p.body))
	}
	read("/api/connectors")

	failing := r.blabber("blabber-test", "test")
	refused := r.call(http.MethodPost, "/api/connectors/"+failing.ID+"/activate", "")
	refused.problem(fault.NotConnected)
	shown("the refused activation", string(refused.body), "test: the password is [masked]")

	r.until("the audit trail has what was refused", func() bool {
		p := r.call(http.MethodGet, "/api/audit", "")
		return strings.Contains(string(p.body), "/secret/") && strings.Contains(string(p.body), "test: the password is")
	})
	read("/api/audit", "/secret/[masked]", "test: the password is [masked]")
	shown("the server's log", r.log.String(), "log: the password is [masked]", "target=[masked]", "stderr: the password is [masked]", "/secret/[masked]")
}

// TestSecretIsWriteOnly: no answer and no log has the value, also when the
// request is refused.
func TestSecretIsWriteOnly(t *testing.T) {
	r := newRig(t)
	put := func(name, body string, edits ...func(*http.Request)) reply {
		t.Helper()
		p := r.call(http.MethodPut, "/api/secrets/"+name, body, append([]func(*http.Request){header("If-Match", "*")}, edits...)...)
		if leak := unmasked(string(p.body)); leak != "" {
			t.Errorf("shown: %s", leak)
		}
		return p
	}
	var s client.Secret
	p := put("pump-api", `{"value":"`+password+`"}`)
	p.ok(http.StatusOK, &s)
	if !s.Set || s.Name != "pump-api" || len(s.Fingerprint) != 12 || s.UpdatedAt.IsZero() || p.header.Get("ETag") != `"1"` {
		t.Errorf("%+v", s)
	}
	put("pump-api", `{"value":"`+password+`"}`, header("If-Match", `"7"`)).problem(fault.StaleRevision)
	put("pump-api", `{"value":"`+password+`"}`, header("If-Match", "")).problem(fault.RevisionRequired)
	put("pump-api", `{"value":["`+password+`"]}`).problem(fault.Invalid)
	put("pump-api", `{"valeu":"`+password+`"}`).problem(fault.Invalid)
	put("pump-api", `{"value":"`+password+``).problem(fault.BodyInvalid)
	put("-", `{"value":"`+password+`"}`).problem(fault.Invalid)
	put("pump-api", `{"value":"`+password+strings.Repeat("x", secret.MaxValue)+`"}`).problem(fault.Invalid)
	put("absent", `{"value":"`+password+`"}`, header("If-Match", `"1"`)).problem(fault.StaleRevision)
	put("pin", `{"value":"1234"}`).ok(http.StatusOK, &s)
	if len(s.Warnings) != 1 {
		t.Errorf("%+v", s)
	}
	for _, path := range []string{"/api/secrets", "/api/secrets/pump-api", "/api/audit"} {
		p := r.call(http.MethodGet, path, "")
		p.ok(http.StatusOK, nil)
		if leak := unmasked(string(p.body)); leak != "" {
			t.Errorf("%s shows %s", path, leak)
		}
	}
	if leak := unmasked(r.log.String()); leak != "" {
		t.Errorf("the log shows %s", leak)
	}
	r.call(http.MethodGet, "/api/secrets/nobody", "").problem(fault.NotFound)

	// Errors are masked too, whatever got the value into them.
	put("said-elsewhere", `{"value":"staple-and-horse"}`).ok(http.StatusOK, nil)
	missing := r.call(http.MethodGet, "/api/connectors/staple-and-horse", "").problem(fault.NotFound)
	if !strings.Contains(missing.Detail, secret.Masked) || strings.Contains(missing.Detail, "horse") {
		t.Errorf("shown: %s", missing.Detail)
	}
	r.call(http.MethodDelete, "/api/secrets/pump-api", "", header("If-Match", `"7"`)).problem(fault.StaleRevision)
	r.call(http.MethodDelete, "/api/secrets/pump-api", "", header("If-Match", `"1"`)).ok(http.StatusNoContent, nil)
	r.call(http.MethodGet, "/api/secrets/pump-api", "").problem(fault.NotFound)
}

// TestForeignCiphertextIsAnIntegrityError: case 23. What is sealed for one
// tenant, and was copied under a name of another's by whoever writes the disk,
// opens for nobody, and the server's log says so.
func TestForeignCiphertextIsAnIntegrityError(t *testing.T) {
	r := newRig(t)
	other := header("Authorization", "Bearer "+r.other)
	r.call(http.MethodPut, "/api/secrets/pump-api", `{"value":"the value of plant"}`, header("If-Match", "*")).ok(http.StatusOK, nil)
	r.call(http.MethodPut, "/api/secrets/pump-api", `{"value":"the value of other"}`, header("If-Match", "*"), other).ok(http.StatusOK, nil)
	var sealed []byte
	spaceOf := func(tenant string) store.Space {
		space, err := r.store.Tenant(tenant)
		r.must(err)
		return space
	}
	r.must(spaceOf("plant").View(t.Context(), func(rd store.Reader) error {
		e, err := rd.Get(store.Secrets, secret.Named("pump-api"))
		sealed = e.Value
		return err
	}))
	r.must(spaceOf("other").Update(t.Context(), func(w store.Writer) error {
		_, err := w.Put(store.Secrets, secret.Named("pump-api"), sealed)
		return err
	}))
	r.call(http.MethodGet, "/api/secrets/pump-api", "", other).problem(fault.Integrity)
	if log := r.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "does not carry its seal") {
		t.Errorf("the log does not say it: %s", log)
	}
	r.call(http.MethodGet, "/api/secrets/pump-api", "").ok(http.StatusOK, nil)

	// Whoever owns the name can set it again, or have it go.
	r.call(http.MethodPut, "/api/secrets/pump-api", `{"value":"the value of other"}`, header("If-Match", "*"), other).ok(http.StatusOK, nil)
	r.call(http.MethodGet, "/api/secrets/pump-api", "", other).ok(http.StatusOK, nil)
}

// TestSecretInUse: one that a connector names cannot be deleted, wherever it
// names it, and also when what names it is sealed itself.
func TestSecretInUse(t *testing.T) {
	r := newRig(t)
	whichever := header("If-Match", "*")
	digest := r.upload("blabber").Digest
	for where, part := range map[string]string{
		"config":  `"config":{"password":"Bearer secret://pump-api"}`,
		"params":  `"params":[{"key":"password","value":"secret://pump-api","value_type":"secret"}]`,
		"a grant": `"config":{"password":"none of it"},"grants":[{"group":"file","resources":["/secret://pump-api"],"rights":["read"]}]`,
	} {
		r.call(http.MethodPut, "/api/secrets/pump-api", `{"value":"the value"}`, whichever).ok(http.StatusOK, nil)
		r.call(http.MethodPut, "/api/secrets/pump", `{"value":"the value"}`, whichever).ok(http.StatusOK, nil)
		if !strings.Contains(part, "grants") {
			part += `,"grants":[{"group":"file","resources":["/x"],"rights":["read"]}]`
		}
		var c client.Connector
		r.call(http.MethodPost, "/api/connectors", `{"name":"user","module":"`+digest+`",`+part+`}`).ok(http.StatusCreated, &c)
		refused := r.call(http.MethodDelete, "/api/secrets/pump-api", "", whichever).problem(fault.SecretInUse)
		if !strings.Contains(refused.Detail, c.ID) {
			t.Errorf("%s: the connector is not named: %s", where, refused.Detail)
		}
		var s client.Secret
		r.call(http.MethodGet, "/api/secrets/pump-api", "").ok(http.StatusOK, &s)
		if len(s.UsedBy) != 1 || s.UsedBy[0] != c.ID {
			t.Errorf("%s: used by %v", where, s.UsedBy)
		}
		r.call(http.MethodDelete, "/api/secrets/pump", "", whichever).ok(http.StatusNoContent, nil)
		r.call(http.MethodDelete, "/api/connectors/"+c.ID, "").ok(http.StatusNoContent, nil)
		r.call(http.MethodDelete, "/api/secrets/pump-api", "", whichever).ok(http.StatusNoContent, nil)
	}
}
