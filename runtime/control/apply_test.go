package control_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// documents is a list of them.
func documents(all ...string) []json.RawMessage {
	list := make([]json.RawMessage, len(all))
	for i, d := range all {
		list[i] = json.RawMessage(d)
	}
	return list
}

// lines are a plan in short: "create connector a /config/x in_place".
func lines(p control.Plan) []string {
	list := make([]string, len(p.Changes))
	for i, c := range p.Changes {
		words := []string{string(c.Action), c.Kind, c.Name}
		words = append(words, c.Fields...)
		if c.Cost != "" {
			words = append(words, string(c.Cost))
		}
		if c.Err != nil {
			words = append(words, c.Err.Kind.String())
		}
		list[i] = strings.Join(words, " ")
	}
	return list
}

func (r *rig) apply(o control.ApplyOptions, all ...string) control.Plan {
	r.t.Helper()
	p, err := r.Apply(r.t.Context(), documents(all...), o)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) planned(o control.ApplyOptions, all []string, want ...string) {
	r.t.Helper()
	for _, dry := range []bool{true, o.DryRun} {
		if dry && !o.DryRun {
			before, err := r.Export(r.t.Context())
			if err != nil {
				r.t.Fatal(err)
			}
			o := o
			o.DryRun = true
			if got := lines(r.apply(o, all...)); !slices.Equal(got, want) {
				r.t.Fatalf("the plan is  %q\nwant %q", got, want)
			}
			after, err := r.Export(r.t.Context())
			if err != nil || !slices.EqualFunc(before, after, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
				r.t.Fatalf("the plan changed something: %s, %v", after, err)
			}
			continue
		}
		if got := lines(r.apply(o, all...)); !slices.Equal(got, want) {
			r.t.Fatalf("applied: %q\nwant %q", got, want)
		}
	}
}

const category = `{"kind":"category","name":"lifting","operations":[{"name":"lift"}]}`

// TestApplyMakesDocumentsTrue: a plan first says so, and changes nothing; what
// is true already is left alone.
func TestApplyMakesDocumentsTrue(t *testing.T) {
	r := newRig(t)
	module := r.tiny(abi.KindConnector, "one", `{"type":"object","properties":{"n":{"type":"integer","x-restart":"none"},"port":{"type":"string","x-restart":"restart"},"any":{}}}`)
	doc := func(name, rest string) string {
		return fmt.Sprintf(`{"kind":"connector","name":%q,"module":%q%s}`, name, module, rest)
	}
	all := []string{doc("a", `,"config":{"n":1}`), doc("b", `,"params":[{"key":"n","value":"2"}],"is_enabled":true`), category}
	r.planned(control.ApplyOptions{}, all, "create category lifting", "create connector a", "create connector b restart")
	b, err := r.Connector(t.Context(), "b")
	if err != nil || !b.Enabled {
		t.Fatalf("b is %+v, %v", b.Connector, err)
	}
	r.planned(control.ApplyOptions{}, all, "unchanged category lifting", "unchanged connector a", "unchanged connector b")
	if again, err := r.Connector(t.Context(), "b"); err != nil || again.Revision != b.Revision {
		t.Errorf("what is true was written again: revision %d, %v", again.Revision, err)
	}

	all[1] = doc("b", `,"params":[{"key":"n","value":"3"}],"poll":{"interval":"2s"}`)
	r.planned(control.ApplyOptions{}, all, "unchanged category lifting", "unchanged connector a", "update connector b /poll /config/n in_place")
	all[1] = doc("b", `,"params":[{"key":"n","value":"3"},{"key":"any","value":"x"}],"poll":{"interval":"2s"}`)
	r.planned(control.ApplyOptions{}, all, "unchanged category lifting", "unchanged connector a", "update connector b /config/any reconnect")
	all[1] = doc("b", `,"params":[{"key":"n","value":"3"},{"key":"any","value":"x"},{"key":"port","value":"y"}],"poll":{"interval":"2s"}`)
	r.planned(control.ApplyOptions{}, all, "unchanged category lifting", "unchanged connector a", "update connector b /config/port restart")
	all[0] = doc("a", `,"config":{"n":2,"port":"x"}`) // does not run, so that it costs nothing
	all[1] = doc("b", `,"params":[{"key":"n","value":"3"},{"key":"any","value":"x"},{"key":"port","value":"y"}],"poll":{"interval":"2s"},"is_enabled":false`)
	all[2] = `{"kind":"category","name":"lifting","operations":[{"name":"lift"},{"name":"drop"}]}`
	r.planned(control.ApplyOptions{}, all, "update category lifting /operations", "update connector a /config/n /config/port", "update connector b /is_enabled restart")

	r.planned(control.ApplyOptions{}, all[:1], "unchanged connector a")
	r.planned(control.ApplyOptions{Prune: true}, all[:1], "unchanged connector a", "delete connector b", "delete category lifting")
	if _, err := r.Connector(t.Context(), "b"); !fault.Is(err, fault.NotFound) {
		t.Errorf("b was not pruned: %v", err)
	}
	if _, err := r.Apply(t.Context(), nil, control.ApplyOptions{Prune: true}); !fault.Is(err, fault.Invalid) {
		t.Errorf("pruned by nothing: %v", err)
	}
}

// TestApplyGoesOnAfterWhatFails: and says what did.
func TestApplyGoesOnAfterWhatFails(t *testing.T) {
	r := newRig(t)
	good := r.tiny(abi.KindConnector, "good", `{"type":"object","properties":{"n":{"type":"integer"}}}`)
	bad := r.failing("bad", nil)
	p := r.apply(control.ApplyOptions{},
		`{"kind":"connector","name":"a","module":"`+good+`","config":{"n":"x"}}`,
		`{"kind":"connector","name":"b","module":"`+bad+`","config":{},"is_enabled":true}`,
		`{"kind":"connector","name":"c","module":"ffffffffffff"}`,
		`{"kind":"secret","name":"absent"}`,
		`{"kind":"connector","name":"d","module":"`+good+`"}`,
	)
	want := []string{
		"unchanged secret absent not_found", "create connector a config_invalid", "create connector b restart not_connected",
		"create connector c config_invalid", "create connector d",
	}
	if got := lines(p); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if f := p.Changes[1].Err; f == nil || len(f.Fields) != 1 || f.Fields[0].Pointer != "/config/n" {
		t.Errorf("a: %+v", f)
	}
	if p.Changes[0].Document != 3 || p.Changes[4].Document != 4 {
		t.Errorf("documents: %+v", p.Changes)
	}
	if b, err := r.Connector(t.Context(), "b"); err != nil || b.Enabled {
		t.Errorf("b: %+v, %v", b.Connector, err)
	}
}

func TestDocumentsThatCannotBeReadChangeNothing(t *testing.T) {
	r := newRig(t)
	module := r.tiny(abi.KindConnector, "one", "")
	good := `{"kind":"connector","name":"a","module":"` + module + `"}`
	for doc, pointer := range map[string]string{
		`7`: "/documents/1", `{"kind":"robot","name":"x"}`: "/documents/1/kind", `{"kind":"device","name":"x"}`: "/documents/1/id", `{"kind":"connector"}`: "/documents/1/name",
		`{"kind":"connector","name":"b","modul":"x"}`: "/documents/1", good: "/documents/1/name",
		`{"kind":"secret","name":"s","value":"hunter2-hunter2"}`: "/documents/1",
	} {
		_, err := r.Apply(t.Context(), documents(good, doc), control.ApplyOptions{})
		f := fault.Of(err)
		if f == nil || len(f.Fields) != 1 || f.Fields[0].Pointer != pointer || strings.Contains(fmt.Sprint(f.Fields), "hunter2") {
			t.Errorf("%s: %v", doc, f)
		}
	}
	if _, err := r.Connector(t.Context(), "a"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a was made: %v", err)
	}
}

// TestExportIsWhatApplyTakes: unchanged, and without a secret's value.
func TestExportIsWhatApplyTakes(t *testing.T) {
	r := newRig(t)
	drive := r.drive()
	flat := r.tiny(abi.KindConnector, "flat", `{"type":"object","properties":{"list":{"type":"array","items":{"type":"object","properties":{"token":{"type":"string","x-secret":true}}}}}}`)
	if _, err := r.SetSecret(t.Context(), "pump", []byte("named-secret-value"), 0); err != nil {
		t.Fatal(err)
	}
	p := r.apply(control.ApplyOptions{}, category,
		`{"kind":"connector","name":"a","module":"`+drive+`","params":[{"key":"client_id","value":"id"},{"key":"client_secret","value":"row-secret-value"}],"limits":{"log_lines_per_second":5}}`,
		`{"kind":"connector","name":"b","module":"`+flat+`","config":{"list":[{"token":"flat-secret-value"}]},"is_enabled":true}`)
	if w := p.Changes[1].Warnings; !slices.Contains(w, "the document holds the value of the secret client_secret") {
		t.Errorf("warnings: %q", w)
	}
	named := r.apply(control.ApplyOptions{DryRun: true},
		`{"kind":"connector","name":"a","module":"`+drive+`","params":[{"key":"client_id","value":"id"},{"key":"client_secret","value":"secret://pump"}]}`)
	if w := strings.Join(named.Changes[0].Warnings, "; "); strings.Contains(w, "client_secret") {
		t.Errorf("the name of a secret was taken for one: %s", w)
	}
	docs, err := r.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, d := range docs {
		text += string(d) + "\n"
	}
	if strings.Contains(text, "secret-value") || strings.Contains(text, "fingerprint") || len(docs) != 4 {
		t.Errorf("exported: %s", text)
	}
	p, err = r.Apply(t.Context(), docs, control.ApplyOptions{Prune: true})
	want := []string{"unchanged category lifting", "unchanged secret pump", "unchanged connector a", "unchanged connector b"}
	if got := lines(p); err != nil || !slices.Equal(got, want) {
		t.Errorf("applied again: %q, %v\n%s", got, err, text)
	}
	for name, value := range map[string]string{"a": "row-secret-value", "b": "flat-secret-value"} {
		if config, err := r.Config(t.Context(), name, true); err != nil || !bytes.Contains(config, []byte(value)) {
			t.Errorf("%s has %s, %v", name, config, err)
		}
	}
	changed := strings.Replace(string(docs[2]), `{"key":"client_secret"`, `{"value":"another-secret-value","key":"client_secret"`, 1)
	r.planned(control.ApplyOptions{}, []string{changed}, "update connector a /config/client_secret")
}
