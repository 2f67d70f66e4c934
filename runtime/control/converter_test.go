package control_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

const frameSchema = `{"type":"object","additionalProperties":false,"required":["password"],
	"properties":{"unit":{"type":"string"},"password":{"type":"string","minLength":6,"x-secret":true}}}`

// converting is a connector with a converter whose config has a secret.
func (r *rig) converting() control.ConnectorInput {
	r.t.Helper()
	return control.ConnectorInput{
		Name: "c", Module: r.tiny(abi.KindConnector, "plain", ""),
		Converter: &spec.Converter{
			Module: r.tiny(abi.KindConverter, "frame", frameSchema), Config: json.RawMessage(`{"unit":"C","password":"geheim-1"}`),
		},
	}
}

// nowhere sees that the converter's secret is in nothing that is answered, nor
// in the store.
func (r *rig) nowhere(answers ...any) {
	r.t.Helper()
	list, _, err := r.Connectors(r.t.Context(), control.ConnectorFilter{}, control.Page{})
	if err != nil {
		r.t.Fatal(err)
	}
	documents, err := r.Export(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for i, v := range append(answers, r.read("c"), list, documents, r.stored()) {
		raw, err := json.Marshal(v)
		if err != nil || strings.Contains(string(raw), "geheim") {
			r.t.Errorf("answer %d holds the secret: %s, %v", i, raw, err)
		}
		if _, store := v.(string); !store && strings.Contains(string(raw), "$secret") {
			r.t.Errorf("answer %d is as it is stored: %s", i, raw)
		}
	}
}

// converterGets sees what the converter's guest gets.
func (r *rig) converterGets(want string) {
	r.t.Helper()
	space, err := r.store.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	tenant, err := r.super.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	book := param.NewBook(tenant.Vault())
	var got []byte
	err = space.View(r.t.Context(), func(rd store.Reader) error {
		for e, err := range store.All(rd, store.Connectors, "") {
			if err != nil {
				return err
			}
			var c spec.Connector
			if err := json.Unmarshal(e.Value, &c); err != nil {
				return err
			}
			if got, err = book.ConverterConfig(rd, &c, true); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || string(got) != want {
		r.t.Errorf("the converter gets %s, %v\nwant %s", got, err, want)
	}
}

// TestConvertersSecretsAreNowhere: neither in an answer nor in what is stored,
// and they are kept when what was read is sent back.
func TestConvertersSecretsAreNowhere(t *testing.T) {
	r := newRig(t)
	in := r.converting()
	v := r.create(in)
	r.nowhere(v)
	if string(in.Converter.Config) != `{"unit":"C","password":"geheim-1"}` {
		t.Errorf("the caller's own was changed: %s", in.Converter.Config)
	}
	in.Converter = r.read("c").Converter
	if v, err := r.UpdateConnector(t.Context(), "c", in, 0); err != nil {
		t.Errorf("what was read cannot be sent back: %v", err)
	} else {
		r.nowhere(v)
	}
	r.converterGets(`{"unit":"C","password":"geheim-1"}`)
	documents, err := r.Export(t.Context())
	if err != nil || !strings.Contains(string(documents[len(documents)-1]), `"password":{"set":true}`) {
		t.Fatalf("%s, %v", documents, err)
	}
	plan, err := r.Apply(t.Context(), documents, control.ApplyOptions{})
	if err != nil || len(plan.Changes) != 1 || plan.Changes[0].Action != control.ActionUnchanged {
		t.Errorf("an export is a change: %+v, %v", plan, err)
	}
	r.nowhere(plan)
	r.converterGets(`{"unit":"C","password":"geheim-1"}`)
}

// TestPatchOfAConvertersSecret: it stays where nothing is said of it, or where
// it comes back masked; a new one takes its place.
func TestPatchOfAConvertersSecret(t *testing.T) {
	r := newRig(t)
	r.create(r.converting())
	shown := string(r.read("c").Converter.Config)
	for _, p := range []struct{ patch, want string }{
		{`{"converter":{"config":{"unit":"F"}}}`, `{"password":"geheim-1","unit":"F"}`},
		{`{"converter":{"config":` + shown + `}}`, `{"password":"geheim-1","unit":"C"}`},
		{`{"converter":{"config":{"password":{"set":true}}}}`, `{"password":"geheim-1","unit":"C"}`},
		{`{"converter":{"config":{"password":"geheim-2"}}}`, `{"password":"geheim-2","unit":"C"}`},
	} {
		if _, err := r.PatchConnector(t.Context(), "c", json.RawMessage(p.patch), 0); err != nil {
			t.Fatalf("%s: %v", p.patch, err)
		}
		r.converterGets(p.want)
		r.nowhere()
	}
	if _, err := r.PatchConnector(t.Context(), "c", json.RawMessage(`{"converter":null}`), 0); err != nil {
		t.Fatal(err)
	}
	r.noSecrets()
}

// TestConvertersConfigIsChecked as a whole, with its secrets, of which nothing
// is said.
func TestConvertersConfigIsChecked(t *testing.T) {
	r := newRig(t)
	in := r.converting()
	for config, want := range map[string]string{
		`{"unit":"C"}`:                      "/converter/config",
		`{"password":"kurz"}`:               "/converter/config/password",
		`{"password":{"set":true}}`:         "/converter/config/password",
		`{"password":"geheim-1","other":1}`: "/converter/config/other",
	} {
		in.Converter.Config = json.RawMessage(config)
		_, err := r.CreateConnector(t.Context(), in)
		f := wanted(t, err, fault.ConfigInvalid)
		if len(f.Fields) != 1 || f.Fields[0].Pointer != want || strings.Contains(f.Fields[0].Detail+f.Text, "kurz") {
			t.Errorf("%s: %+v", config, f.Fields)
		}
	}
	r.noSecrets()
}

// TestConvertersSecretsGoWithTheConnector.
func TestConvertersSecretsGoWithTheConnector(t *testing.T) {
	r := newRig(t)
	r.create(r.converting())
	if err := r.DeleteConnector(t.Context(), "c", 0); err != nil {
		t.Fatal(err)
	}
	r.noSecrets()
}

// noSecrets sees that nothing is sealed.
func (r *rig) noSecrets() {
	r.t.Helper()
	space, err := r.store.Tenant("plant")
	if err == nil {
		err = space.View(r.t.Context(), func(rd store.Reader) error {
			for e, err := range store.All(rd, store.Secrets, "") {
				if err != nil {
					return err
				}
				r.t.Errorf("%s is kept", e.ID)
			}
			return nil
		})
	}
	if err != nil {
		r.t.Fatal(err)
	}
}
