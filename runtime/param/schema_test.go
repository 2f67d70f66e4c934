package param_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
)

func parse(t testing.TB, raw string) *param.Schema {
	t.Helper()
	s, err := param.ParseSchema(json.RawMessage(raw))
	if err != nil {
		t.Fatalf("%.300s: %v", raw, err)
	}
	return s
}

const driveFlat = `[
	{"key": "client_id",     "label": "Client ID",     "required": true,  "secret": false},
	{"key": "client_secret", "label": "Client Secret", "required": true,  "secret": true},
	{"key": "refresh_token", "label": "Refresh Token", "required": false, "secret": true}]`

// TestFlatSchemaIsAJSONSchema: and comes out of it again.
func TestFlatSchemaIsAJSONSchema(t *testing.T) {
	s := parse(t, driveFlat)
	want := `{"type":"object","properties":{"client_id":{"type":"string","title":"Client ID","minLength":1},` +
		`"client_secret":{"type":"string","title":"Client Secret","minLength":1,"x-secret":true},` +
		`"refresh_token":{"type":"string","title":"Refresh Token","x-secret":true}},"required":["client_id","client_secret"]}`
	if got := string(s.JSON()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	fields := []param.FlatField{
		{"client_id", "Client ID", true, false}, {"client_secret", "Client Secret", true, true}, {"refresh_token", "Refresh Token", false, true},
	}
	if got := s.Flat(); !slices.Equal(got, fields) {
		t.Errorf("got %+v", got)
	}
	if got := parse(t, want).Flat(); !slices.Equal(got, fields) {
		t.Errorf("from JSON Schema: %+v", got)
	}
	if len(s.Outside()) > 0 || !s.Secret("client_secret") || s.Secret("client_id") || s.Secret("other") {
		t.Errorf("outside %v", s.Outside())
	}
	deep := parse(t, `[{"key":"installed.client_id","required":true},{"key":"installed.scopes"},{"key":"z"}]`)
	want = `{"type":"object","properties":{"installed":{"type":"object","properties":{"client_id":{"type":"string","minLength":1},"scopes":{"type":"string"}},"required":["client_id"]},"z":{"type":"string"}},"required":["installed"]}`
	if got := string(deep.JSON()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFlatSchemaIsChecked(t *testing.T) {
	for raw, pointer := range map[string]string{
		`[{"key":""}]`:                      "/config_schema/0/key",
		`[{"key":"a"},{"key":"a"}]`:         "/config_schema/1/key",
		`[{"key":"a"},{"key":"a.b"}]`:       "/config_schema/1/key",
		`[{"key":"a","required":"yes"}]`:    "/config_schema/0/required",
		`[{"key":"a","default":"x"}]`:       "/config_schema/0/default",
		`["a"]`:                             "/config_schema/0",
		`[{"key":"a"}`:                      "/config_schema",
		`[{"key":"a","key":"b"}]`:           "/config_schema/0",
		`{"a":`:                             "/config_schema",
		`{"properties":[]}`:                 "/config_schema/properties",
		`{"properties":{"a":7}}`:            "/config_schema/properties/a",
		`{"$ref":"https://example.com/x"}`:  "/config_schema/$ref",
		`{"items":{"$ref":"#/$defs/gone"}}`: "/config_schema/items/$ref",
		`{"properties":{"a":{"$ref":"#"}}}`: "/config_schema",
		`{"allOf":[{"$ref":"#/allOf/0"}]}`:  "/config_schema/allOf/0",
		strings.Repeat(`{"items":`, 40) + `{}` + strings.Repeat(`}`, 40): "/config_schema" + strings.Repeat("/items", 33),
	} {
		if _, err := param.ParseSchema(json.RawMessage(raw)); !fault.Is(err, fault.ManifestInvalid) || pointers(t, err)[0] != pointer {
			t.Errorf("%.80s: %v", raw, err)
		}
	}
}

// TestSupportedKeywords: the subset, each part of it, and our extensions.
func TestSupportedKeywords(t *testing.T) {
	for _, raw := range []string{
		`{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://example.com/a","$comment":"c","title":"t","description":"d","examples":[1],"deprecated":false}`,
		`{"properties":{"a":{"type":"integer","minimum":1,"maximum":2,"exclusiveMinimum":0,"exclusiveMaximum":9,"multipleOf":1,"default":1}}}`,
		`{"properties":{"a":{"type":["string","null"],"minLength":1,"maxLength":2,"pattern":"^a","format":"uri","enum":["a",null],"const":"a"}}}`,
		`{"properties":{"a":{"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":2,"uniqueItems":true}}}`,
		`{"required":["a"],"additionalProperties":{"type":"string"},"unevaluatedProperties":false}`,
		`{"oneOf":[{"properties":{"kind":{"const":"a"}}},{"$ref":"#/$defs/b"}],"$defs":{"b":{"$anchor":"b","properties":{"kind":{"const":"b"},"x":true}}}}`,
		`{"allOf":[{"if":{"properties":{"tls":{"const":true}},"required":["tls"]},"then":{"required":["cert"]}},{"$ref":"#b"}],"$defs":{"b":{"$anchor":"b"}}}`,
		`{"properties":{"a":{"type":"string","readOnly":true,"writeOnly":true,"format":"password","airbyte_secret":true,"x-secret":true,"x-order":1.5,"x-group":"g","x-advanced":true,
			"x-unit":"s","x-placeholder":"p","x-help":"h","x-enum-titles":["A"],"x-widget":"serial-port","x-source":"host.serial.list","x-oauth":{"provider":"p","scopes":["s"]},
			"x-test":true,"x-restart":"reload","x-ours-alone":{"any":1}}}}`,
	} {
		if got := parse(t, raw).Outside(); got != nil {
			t.Errorf("%s\nis refused: %v", raw, got)
		}
	}
	if s, err := param.ParseSchema(json.RawMessage(" null ")); s != nil || err != nil || s.Outside() != nil || s.JSON() != nil || s.Flat() == nil || s.Prefill() != nil || s.Secret("a") || s.Cost("a") != "" {
		t.Errorf("no schema: %v, %v", s, err)
	}
}

// TestUnsupportedKeywordsAreNamed: by their places.
func TestUnsupportedKeywordsAreNamed(t *testing.T) {
	for raw, pointer := range map[string]string{
		`{"properties":{"a/b":{"not":{}}}}`: "/properties/a~1b/not",
		`{"anyOf":[{}]}`:                    "/anyOf",
		`{"patternProperties":{"^a":{}}}`:   "/patternProperties",
		`{"prefixItems":[{}]}`:              "/prefixItems",
		`{"contains":{}}`:                   "/contains",
		`{"propertyNames":{}}`:              "/propertyNames",
		`{"dependentRequired":{}}`:          "/dependentRequired",
		`{"$dynamicRef":"#a"}`:              "/$dynamicRef",
		`{"requried":["a"]}`:                "/requried",
		`{"if":{"properties":{"a":{"const":1}}},"then":{},"else":{}}`:       "/else",
		`{"if":{"properties":{"a":{"minimum":1}}},"then":{}}`:               "/if",
		`{"if":{"properties":{"a":{"const":1},"b":{"const":1}}},"then":{}}`: "/if",
		`{"then":{}}`: "/then",
		`{"oneOf":[{"type":"string"},{"type":"number"}]}`:                               "/oneOf",
		`{"oneOf":[{"properties":{"a":{"const":1}}},{"properties":{"a":{"const":1}}}]}`: "/oneOf",
		`{"oneOf":[{"properties":{"a":{"const":1}}},{"properties":{"b":{"const":2}}}]}`: "/oneOf",
		`{"type":["string","number"]}`:                                                  "/type",
		`{"format":"iri"}`:                                                              "/format",
		`{"x-widget":"knob"}`:                                                           "/x-widget",
		`{"x-restart":"maybe"}`:                                                         "/x-restart",
		`{"x-secret":"yes"}`:                                                            "/x-secret",
		`{"x-oauth":"google"}`:                                                          "/x-oauth",
		`{"x-enum-titles":[1]}`:                                                         "/x-enum-titles",
		`{"unevaluatedProperties":{"type":"string"}}`:                                   "/unevaluatedProperties",
		`{"properties":{"a":false}}`:                                                    "/properties/a",
		`{"properties":{"1":{"properties":{"2":{"properties":{"3":{"properties":{"4":{"properties":{"5":{"items":{"properties":{"7":{}}}}}}}}}}}}}}`: "",
	} {
		got := at(parse(t, raw).Outside())
		if !slices.Contains(got, "/config_schema"+pointer) {
			t.Errorf("%s: %v, want %s", raw, got, pointer)
		}
	}
}

// TestSchemasOfOurModulesAreSupported: of those that are shipped, and those of
// the tests.
func TestSchemasOfOurModulesAreSupported(t *testing.T) {
	var files []string
	for _, pattern := range []string{"../../connectors-wasm/*/manifest.json", "../../testdata/guests/*/manifest.json"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 5 {
		t.Fatalf("found %v", files)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Schema json.RawMessage `json:"config_schema"`
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		s, err := param.ParseSchema(m.Schema)
		if err != nil || s.Outside() != nil {
			t.Errorf("%s: %v, %v", file, err, s.Outside())
		}
	}
}

func TestSecretsAreFoundWhereverTheyAre(t *testing.T) {
	s := parse(t, `{"properties":{
		"a":{"writeOnly":true},"b":{"format":"password"},"c":{"airbyte_secret":true},"d":{"x-secret":true,"properties":{"e":{}}},
		"f":{"items":{"$ref":"#/$defs/s"}},"g":{"additionalProperties":{"x-secret":true}},"h":{"x-secret":false},
		"i":{"oneOf":[{"properties":{"k":{"const":1},"token":{"x-secret":true}}},{"properties":{"k":{"const":2}}}]}},
		"if":{"properties":{"h":{"const":1}}},"then":{"properties":{"j":{"x-secret":true}}},
		"allOf":[{"properties":{"l":{"allOf":[{"$ref":"#/$defs/s"}]}}}],"$defs":{"s":{"x-secret":true}}}`)
	for _, key := range []string{"a", "b", "c", "d", "d.e", "d.e.x", "f.0", "g.any", "i.token", "j", "l"} {
		if !s.Secret(key) {
			t.Errorf("%s is not one", key)
		}
	}
	for _, key := range []string{"h", "f", "g", "i", "i.k", "m", "f.x"} {
		if s.Secret(key) {
			t.Errorf("%s is one", key)
		}
	}
}

// TestPrefilledRowsFollowTheSchema: its order, its defaults, its secrets.
func TestPrefilledRowsFollowTheSchema(t *testing.T) {
	s := parse(t, `{"properties":{
		"z":{"type":"string","default":"zed"},"n":{"type":["number","null"],"default":null},"list":{"type":"array","default":["a", 1]},
		"first":{"x-order":1,"title":"First"},"in":{"properties":{"key":{"x-secret":true,"default":"never"}}},
		"gid":{"readOnly":true},"old":{"deprecated":true},"a.b":{}}}`)
	var got []string
	for i, row := range s.Prefill() {
		got = append(got, string(row.Type)+" "+row.Key+"="+row.Value)
		if row.Sequence != 10*(i+1) {
			t.Errorf("row %d is at %d", i, row.Sequence)
		}
	}
	want := []string{"text first=", "text z=zed", "text n=null", `text list=["a",1]`, "secret in.key="}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestTextsBecomeTheTypesOfTheSchema: and an empty one, where it is not
// allowed, counts as none.
func TestTextsBecomeTheTypesOfTheSchema(t *testing.T) {
	s := parse(t, `{"properties":{"s":{"type":"string"},"m":{"type":"string","minLength":1},"i":{"type":"integer"},"n":{"type":["number","null"]},
		"b":{"type":"boolean"},"l":{"type":"array","items":{"type":"integer"}},"ol":{"type":"array","items":{"type":"object"}},
		"o":{"type":"object"},"e":{"enum":[1,2]},"u":{"format":"uri"},"any":{"additionalProperties":{"type":"boolean"}},"ns":{"type":["null","string"]}}}`)
	for _, tt := range []struct{ key, value, want string }{
		{"s", "", `{"s":""}`},
		{"s", "12", `{"s":"12"}`},
		{"m", "", `{}`},
		{"u", "", `{}`},
		{"free", "1", `{"free":"1"}`},
		{"free", "", `{"free":""}`},
		{"i", " 12 ", `{"i":12}`},
		{"i", "", `{}`},
		{"i", "1e3", `{"i":1e3}`},
		{"n", "null", `{"n":null}`},
		{"n", "-1.50", `{"n":-1.50}`},
		{"b", "Yes", `{"b":true}`},
		{"b", "off", `{"b":false}`},
		{"l", "1, 2", `{"l":[1,2]}`},
		{"l", "[3]", `{"l":[3]}`},
		{"ol", `[{"x": 1}]`, `{"ol":[{"x":1}]}`},
		{"o", `{"a": [1]}`, `{"o":{"a":[1]}}`},
		{"e", "2", `{"e":2}`},
		{"any.x", "true", `{"any":{"x":true}}`},
		{"ns", "null", `{"ns":"null"}`},
	} {
		got, err := s.Assemble([]spec.Param{{Key: tt.key, Value: tt.value}}, text)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s=%s: %s, %v; want %s", tt.key, tt.value, got, err, tt.want)
		}
	}
	for key, value := range map[string]string{"i": "twelve", "n": "1.", "b": "maybe", "l": "1,x", "ol": "a,b", "o": "x", "e": "x"} {
		_, err := s.Assemble([]spec.Param{{Key: key, Value: value}}, text)
		if got := pointers(t, err); !slices.Equal(got, []string{"/" + key}) || strings.Contains(err.Error(), value) {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
}

func TestCostOfAChangeIsTheSchemas(t *testing.T) {
	s := parse(t, `{"properties":{"a":{"x-restart":"none"},"b":{"x-restart":"restart","properties":{"c":{}}},"d":{}}}`)
	for key, want := range map[string]string{"a": param.CostNone, "b": param.CostRestart, "b.c": param.CostRestart, "d": "", "e": ""} {
		if got := s.Cost(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

// TestSchemaThatMultipliesIsBounded: references that double at each step.
func TestSchemaThatMultipliesIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/a0","$defs":{`)
	for i := range 60 {
		next := `{"$ref":"#/$defs/a` + itoa(i+1) + `"}`
		b.WriteString(`"a` + itoa(i) + `":{"properties":{"x":` + next + `,"y":` + next + `},"allOf":[` + next + `,` + next + `]},`)
	}
	b.WriteString(`"a60":{}}}`)
	s := parse(t, b.String())
	if n := len(s.Prefill()); n > param.MaxRows {
		t.Errorf("%d rows", n)
	}
	s.Secret(strings.Repeat("x.", 15) + "x")
	if got := at(s.Outside()); !slices.Contains(got, "/config_schema") {
		t.Errorf("it is not too deep: %v", got)
	}
}

func FuzzParseSchema(f *testing.F) {
	f.Add([]byte(driveFlat))
	f.Add([]byte(`{"properties":{"a":{"$ref":"#/$defs/x"}},"oneOf":[{"properties":{"k":{"const":1}}}],"if":{"properties":{"a":{"const":1}}},"then":{"required":["b"]},"$defs":{"x":{"type":["string","null"]}}}`))
	f.Add([]byte(`{"items":{"additionalProperties":true},"allOf":[{"$anchor":"a"},{"$ref":"#a"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := param.ParseSchema(raw)
		if err != nil {
			if !fault.Is(err, fault.ManifestInvalid) {
				t.Fatal(err)
			}
			return
		}
		s.Outside()
		rows := s.Prefill()
		if bad := param.Check(rows, ""); bad != nil && !strings.Contains(bad[0].Detail, "bytes") {
			t.Fatalf("prefilled rows are wrong: %v", bad)
		}
		for _, fl := range s.Flat() {
			s.Secret(fl.Key)
			s.Cost(fl.Key)
		}
		if _, err := s.Assemble(rows, text); err != nil && !fault.Is(err, fault.ConfigInvalid) {
			t.Fatal(err)
		}
	})
}
