package catalog_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/fault"
)

// schemaOf is the config schema of a connector that we ship.
func schemaOf(t *testing.T, name string) json.RawMessage {
	t.Helper()
	raw, err := os.ReadFile("../../connectors-wasm/" + name + "/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := abi.ParseManifest(raw)
	if err != nil {
		t.Fatal(err)
	}
	return m.ConfigSchema
}

// validate checks a config against a schema.
func validate(schema, config json.RawMessage, under string) ([]fault.Field, error) {
	s, err := catalog.CompileSchema(schema)
	if err != nil {
		return nil, err
	}
	return s.Check(config, under)
}

// pointers are the places of a fault's fields, in order.
func pointers(fields []fault.Field) []string {
	var all []string
	for _, f := range fields {
		all = append(all, f.Pointer)
	}
	slices.Sort(all)
	return all
}

// TestConfigsOfShippedModules: each fault of a config is found, where it is,
// all at once.
func TestConfigsOfShippedModules(t *testing.T) {
	for _, tt := range []struct {
		module, config string
		want           []string // pointers
		says           string
	}{
		{"serialline", `{"devices":[{"name":"a"}]}`, nil, ""},
		{"serialline", `{"baudrate":9600,"devices":[{"name":"a","port":"/dev/ttyS0","parity":"E","stopbits":1.5,"write_timeout":null}]}`, nil, ""},
		{"serialline", `{}`, []string{"/config"}, "devices"},
		{"serialline", ``, []string{"/config"}, "devices"},
		{"serialline", `{"devices":[]}`, []string{"/config/devices"}, ""},
		{"serialline", `{"devices":[{"name":"a"}],"speed":9600}`, []string{"/config/speed"}, ""},
		{"serialline", `{"devices":[{"name":"a","speed":1}]}`, []string{"/config/devices/0/speed"}, ""},
		{"serialline", `{"devices":[{"name":"a","parity":"X"}]}`, []string{"/config/devices/0/parity"}, "'N'"},
		{
			"serialline", `{"bytesize":9,"devices":[{"name":"a"},{"name":""},{"baudrate":0}]}`,
			[]string{"/config/bytesize", "/config/devices/1/name", "/config/devices/2", "/config/devices/2/baudrate"},
			"",
		},
		// One mistake is one fault: the other properties are known, whatever
		// became of the subschema that knows them.
		{"serialline", `{"devices":[{"name":"a","port":"/dev/x","baudrate":9600,"parity":"X"}]}`, []string{"/config/devices/0/parity"}, "'N'"},
		{"serialline", `{"port":"/dev/x","bytesize":9,"devices":[{"name":"a","port":"/dev/x"}]}`, []string{"/config/bytesize"}, "5, 6, 7, 8"},
		{
			"serialline", `{"port":"/dev/x","devices":[{"name":"a","port":"/dev/x","speed":1}],"speed":1}`,
			[]string{"/config/devices/0/speed", "/config/speed"},
			"is not allowed here",
		},
		{"serialline", `{"devices":{"a/b~c":1}}`, []string{"/config/devices"}, "array"},
		{"textframe", `{"fields":[{"name":"t","from":0,"to":2,"type":"int"}]}`, nil, ""},
		{
			"textframe", `{"fields":[{"name":"t","from":0,"type":"number"}],"encoding":"latin-1"}`,
			[]string{"/config/encoding", "/config/fields/0/type"},
			"'utf-8'",
		},
		{
			"textframe", `{"fields":[{"name":"t","from":-1,"type":"int","scale":"2"}]}`,
			[]string{"/config/fields/0/from", "/config/fields/0/scale"},
			"",
		},
		{
			"textframe", `{"fields":[{"name":"t","from":0,"type":"int","with":2}],"more":1,"much":1}`,
			[]string{"/config/fields/0/with", "/config/more", "/config/much"},
			"is not allowed here",
		},
		{"textframe", `[]`, []string{"/config"}, "object"},
		{"textframe", `{"fields":`, []string{"/config"}, "JSON"},
		{"textframe", `{} {}`, []string{"/config"}, "JSON"},
		{"textframe", `null`, []string{"/config"}, "object"},
	} {
		got, err := validate(schemaOf(t, tt.module), json.RawMessage(tt.config), "/config")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(pointers(got), tt.want) {
			t.Errorf("%s %s: faults %+v, want them at %q", tt.module, tt.config, got, tt.want)
		}
		var details []string
		for _, f := range got {
			details = append(details, f.Detail)
		}
		if !strings.Contains(strings.Join(details, "; "), tt.says) || slices.Contains(details, "") {
			t.Errorf("%s %s: %q does not say %q", tt.module, tt.config, details, tt.says)
		}
	}
}

// TestPointersAreEscaped as RFC 6901 has it.
func TestPointersAreEscaped(t *testing.T) {
	got, err := validate(json.RawMessage(`{"additionalProperties":{"type":"string"}}`), json.RawMessage(`{"a/b~c":1}`), "/config")
	if err != nil || !slices.Equal(pointers(got), []string{"/config/a~1b~0c"}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFaultsOfAConfigAreBounded(t *testing.T) {
	many := "[" + strings.Repeat("1,", 999) + "1]"
	got, err := validate(json.RawMessage(`{"properties":{"a":{"items":{"type":"string"}}}}`), json.RawMessage(`{"a":`+many+`}`), "")
	if err != nil || len(got) == 0 || len(got) > 50 {
		t.Errorf("%d faults, %v", len(got), err)
	}
}

func TestNoSchemaAllowsAnyObject(t *testing.T) {
	got, err := validate(nil, json.RawMessage(`{"anything":[1,{"goes":null}]}`), "/config")
	if err != nil || len(got) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := validate(nil, json.RawMessage(`"text"`), "/config"); err != nil || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestSchemaReachesNothingOutside: a schema is a stranger's text, and what it
// refers to is neither fetched nor read.
func TestSchemaReachesNothingOutside(t *testing.T) {
	secret := t.TempDir() + "/secret.json"
	if err := os.WriteFile(secret, []byte(`{"type":"object"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"https://example.com/schema.json", "http://127.0.0.1:1/s", "file://" + secret, secret, "other.json"} {
		for _, schema := range []string{`{"$ref":"` + ref + `"}`, `{"$schema":"` + ref + `"}`, `{"properties":{"a":{"$ref":"` + ref + `#/x"}}}`} {
			_, err := validate(json.RawMessage(schema), json.RawMessage(`{}`), "/config")
			if !fault.Is(err, fault.ManifestInvalid) {
				t.Errorf("%s: %v, want manifest_invalid", schema, err)
			}
		}
	}
	for _, schema := range []string{`{"type":"nonsense"}`, `{"pattern":"("}`, `{"$ref":"#/$defs/gone"}`, `[`} {
		if _, err := validate(json.RawMessage(schema), json.RawMessage(`{}`), ""); !fault.Is(err, fault.ManifestInvalid) {
			t.Errorf("%s: %v, want manifest_invalid", schema, err)
		}
	}
	got, err := validate(json.RawMessage(`{"$ref":"#/$defs/a","$defs":{"a":{"required":["x"]}}}`), json.RawMessage(`{}`), "")
	if err != nil || len(got) != 1 {
		t.Errorf("a reference within: %+v, %v", got, err)
	}
}
