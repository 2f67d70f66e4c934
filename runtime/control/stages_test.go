package control_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// chained is converting with a second converter whose config has a secret.
func (r *rig) chained() control.ConnectorInput {
	in := r.converting()
	in.Converter.Then = []spec.Stage{{
		Module: r.tiny(abi.KindConverter, "behind", frameSchema), Config: json.RawMessage(`{"unit":"K","password":"geheim-2"}`),
	}}
	return in
}

// The secret of a converter behind the first is sealed, shown by nobody, and
// kept when what was shown comes back.
func TestSecretOfAStage(t *testing.T) {
	r := newRig(t)
	v := r.create(r.chained())
	r.nowhere(v)
	if len(v.Converter.Then) != 1 || !strings.Contains(string(v.Converter.Then[0].Config), `"set":true`) {
		t.Fatalf("shown %s", v.Converter.Then[0].Config)
	}
	in := r.chained()
	in.Converter = v.Converter
	if _, err := r.UpdateConnector(t.Context(), "c", in, 0); err != nil {
		t.Fatal(err)
	}
	r.stageGets(`{"unit":"K","password":"geheim-2"}`)
	in.Converter.Then = nil
	if _, err := r.UpdateConnector(t.Context(), "c", in, 0); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.stored(), "then.0") {
		t.Error("the secret of a stage that is gone is kept")
	}
}

// stageGets sees what the guest of the second converter gets.
func (r *rig) stageGets(want string) {
	r.t.Helper()
	space, err := r.store.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	tenant, err := r.super.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	var got []byte
	err = space.View(r.t.Context(), func(rd store.Reader) error {
		all, err := rd.List(store.Connectors, "", "", 1)
		if err != nil {
			return err
		}
		var c spec.Connector
		if err := json.Unmarshal(all[0].Value, &c); err != nil {
			return err
		}
		got, err = tenant.Book().StageConfig(rd, &c, 0, true)
		return err
	})
	if err != nil || !sameJSON(got, []byte(want)) {
		r.t.Errorf("the stage gets %s, %v", got, err)
	}
}

func sameJSON(a, b []byte) bool {
	x, errA := abi.Canonical(a)
	y, errB := abi.Canonical(b)
	return errA == nil && errB == nil && slices.Equal(x, y)
}

func TestStagesThatAreRefused(t *testing.T) {
	r := newRig(t)
	for pointer, change := range map[string]func(*spec.Converter){
		"/converter/then":                 func(c *spec.Converter) { c.Then = append(c.Then, c.Then[0], c.Then[0], c.Then[0]) },
		"/converter/then/0/module":        func(c *spec.Converter) { c.Then[0].Module = r.tiny(abi.KindConnector, "plain", "") },
		"/converter/then/0/config/colour": func(c *spec.Converter) { c.Then[0].Config = json.RawMessage(`{"password":"geheim-3","colour":1}`) },
		"/converter/then/0/config":        func(c *spec.Converter) { c.Then[0].Config = nil },
		"/converter/then/0/limits/memory_bytes": func(c *spec.Converter) {
			c.Then[0].Limits.MemoryBytes = 1
		},
	} {
		in := r.chained()
		change(in.Converter)
		_, err := r.CreateConnector(t.Context(), in)
		if !fault.Is(err, fault.ConfigInvalid) || !slices.ContainsFunc(fault.Of(err).Fields, func(f fault.Field) bool { return strings.HasPrefix(f.Pointer, pointer) }) {
			t.Errorf("%s: %v, %+v", pointer, err, fault.Of(err).Fields)
		}
	}
	v := r.create(r.chained())
	if err := r.DeleteModule(t.Context(), v.Converter.Then[0].Module); !fault.Is(err, fault.ModuleInUse) {
		t.Errorf("the module of a stage is deleted: %v", err)
	}
}

func TestTypeConverter(t *testing.T) {
	r := newRig(t)
	r.tiny(abi.KindConnector, "plain", "")
	open := r.tiny(abi.KindConverter, "open", `{"type":"object","additionalProperties":false,"properties":{"unit":{"type":"string"}}}`)
	kind := func() (string, string) {
		types, err := r.Types(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range types {
			if one.Kind == abi.KindConnector && !one.BuiltIn {
				return one.Category, one.ProviderType
			}
		}
		t.Fatal("no type")
		return "", ""
	}
	category, provider := kind()
	if _, err := r.TypeConverter(t.Context(), category, provider); !fault.Is(err, fault.NotFound) {
		t.Errorf("none: %v", err)
	}
	for want, c := range map[string]spec.Converter{
		"/module":          {Module: r.tiny(abi.KindConnector, "plain", "")},
		"/config/colour":   {Module: open, Config: json.RawMessage(`{"colour":1}`)},
		"/config":          {Module: r.tiny(abi.KindConverter, "frame", frameSchema), Config: json.RawMessage(`{"password":"geheim-1"}`)},
		"/then/0/config/x": {Module: open, Then: []spec.Stage{{Module: open, Config: json.RawMessage(`{"x":1}`)}}},
	} {
		_, err := r.SetTypeConverter(t.Context(), category, provider, c, 0)
		if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Of(err).Fields[0].Pointer, strings.TrimSuffix(strings.TrimSuffix(want, "/colour"), "/x")) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := r.SetTypeConverter(t.Context(), "none", "such", spec.Converter{Module: open}, 0); !fault.Is(err, fault.TypeUnknown) {
		t.Errorf("of no type: %v", err)
	}
	set, err := r.SetTypeConverter(t.Context(), category, provider, spec.Converter{Module: open[:12], Config: json.RawMessage(`{"unit":"C"}`)}, 0)
	if err != nil || set.Module != open || set.Revision == 0 {
		t.Fatalf("set %+v, %v", set, err)
	}
	if _, err := r.SetTypeConverter(t.Context(), category, provider, spec.Converter{Module: open}, set.Revision+1); !fault.Is(err, fault.StaleRevision) {
		t.Errorf("stale: %v", err)
	}
	if err := r.DeleteModule(t.Context(), open); !fault.Is(err, fault.ModuleInUse) {
		t.Errorf("its module is deleted: %v", err)
	}
	if err := r.RemoveTypeConverter(t.Context(), category, provider, set.Revision+1); !fault.Is(err, fault.StaleRevision) {
		t.Errorf("stale: %v", err)
	}
	if err := r.RemoveTypeConverter(t.Context(), category, provider, set.Revision); err != nil {
		t.Error(err)
	}
	if err := r.RemoveTypeConverter(t.Context(), category, provider, 0); !fault.Is(err, fault.NotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestPreviewThatIsRefused(t *testing.T) {
	r := newRig(t)
	many := make([]abi.Record, 65)
	for want, in := range map[string]control.PreviewInput{
		"/converter":        {},
		"/newest":           {Converter: &spec.Converter{}, Newest: 1},
		"/samples":          {Connector: "c", Samples: many},
		"/samples/0":        {Connector: "c", Samples: []abi.Record{{Payload: make([]byte, 65<<10)}}},
		"/messages/0":       {Connector: "c", Messages: []abi.Message{{Body: make([]byte, 65<<10)}}},
		"/converter/module": {Converter: &spec.Converter{Module: "00000000"}},
	} {
		_, err := r.Preview(t.Context(), in)
		if f := fault.Of(err); err == nil || len(f.Fields) == 0 || f.Fields[0].Pointer != want {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := r.Preview(t.Context(), control.PreviewInput{Connector: "none"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("of no connector: %v", err)
	}
}
