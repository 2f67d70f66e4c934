package catalog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/fault"
)

// doubling is a schema of few bytes that is 2^levels schemas.
func doubling(levels int) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/a0","$defs":{`)
	for i := range levels {
		fmt.Fprintf(&b, `"a%d":{"allOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]},`, i, i+1, i+1)
	}
	fmt.Fprintf(&b, `"a%d":{"type":"object"}}}`, levels)
	return b.String()
}

// properties is a schema with n properties, each made by the format.
func properties(n int, format string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"p%d":`, i) + strings.ReplaceAll(format, "<i>", fmt.Sprint(i))
	}
	return `{"properties":{` + strings.Join(all, ",") + `}}`
}

func nested(n int) string {
	return strings.Repeat(`{"not":`, n) + `{}` + strings.Repeat(`}`, n)
}

// costly are schemas that cost too much, or reach for what they must not.
var costly = map[string]struct{ schema, at, says string }{
	"doubling":             {doubling(40), "", "10000 subschemas"},
	"many patterns":        {properties(201, `{"pattern":"a<i>"}`), "/properties/p", "200 patterns"},
	"long patterns":        {properties(20, `{"pattern":"`+strings.Repeat("[a]", 300)+`"}`), "/properties/p", "16384 bytes"},
	"thousands of them":    {properties(5000, `{"pattern":"[\\pL\\d]{990}<i>"}`), "", "65536"},
	"repetitions":          {properties(20, `{"pattern":"[\\pL\\d]{990}<i>"}`), "/properties/p", "10000 steps"},
	"nested repetitions":   {`{"pattern":"((a{10}){10}){10}((b{10}){10}){10}(((c{5}){10}){10}){2}((((d{9}){10}){10}))((e{10}){10}){10}((f{10}){10}){10}((g{10}){10}){10}((h{10}){10}){10}"}`, "/pattern", "10000 steps"},
	"a pattern property":   {`{"patternProperties":{"(a{1000}){1}(b{1000})(c{1000})(d{1000})(e{1000})(f{1000})(g{1000})(h{1000})(i{1000})(j{1000})":{}}}`, "/patternProperties/", "10000 steps"},
	"a pattern many times": {`{"$defs":{"p":{"pattern":"a{500}"}},"allOf":[` + strings.Repeat(`{"$ref":"#/$defs/p"},`, 30) + `{}]}`, "", "10000 steps"},
	"many subschemas":      {`{"allOf":[` + strings.Repeat(`{},`, 10000) + `{}]}`, "/allOf/", "10000 subschemas"},
	"large":                {`{"description":"` + strings.Repeat("x", 64<<10) + `"}`, "", "65536"},
	"deep":                 {nested(32), "/not/not", "32 levels"},
	"very deep":            {nested(55), "/not/not", "32 levels"},
	"long keys":            {`{"properties":{"` + strings.Repeat("k", 30000) + `":{"allOf":[` + strings.Repeat(`{},`, 5000) + `{}]}}}`, "/properties/kkk", "1024 bytes"},
	"values many times":    {`{"$defs":{"e":{"enum":[` + strings.Repeat(`1,`, 5000) + `1]}},"allOf":[` + strings.Repeat(`{"$ref":"#/$defs/e"},`, 30) + `{}]}`, "", "100000 values"},
	"a huge number":        {`{"properties":{"a":{"maximum":1e-999999}}}`, "/properties/a/maximum", "exponent"},
	"a long number":        {`{"maximum":` + strings.Repeat("9", 101) + `}`, "/maximum", "100 digits"},
	"itself":               {`{"$ref":"#"}`, "", "itself"},
	"a tree":               {`{"$defs":{"n":{"properties":{"next":{"$ref":"#/$defs/n"}}}}}`, "/$defs/n", "itself"},
	"a cycle":              {`{"$defs":{"a":{"not":{"$ref":"#/$defs/b"}},"b":{"$ref":"#/$defs/a"}}}`, "/$defs/", "itself"},
	"a cycle by anchor":    {`{"$dynamicAnchor":"x","properties":{"a":{"$dynamicRef":"#x"}}}`, "/properties/a", "itself"},
	"an old cycle":         {`{"$schema":"https://json-schema.org/draft/2019-09/schema","properties":{"a":{"$recursiveRef":"#"}}}`, "/properties/a", "itself"},
	"a remote reference":   {`{"properties":{"a/b":{"$ref":"https://example.com/s.json"}}}`, "/properties/a~1b/$ref", "outside"},
	"a file":               {`{"$ref":"file:///etc/passwd"}`, "/$ref", "outside"},
	"a dynamic reference":  {`{"$dynamicRef":"other.json#x"}`, "/$dynamicRef", "outside"},
	"no such place":        {`{"$ref":"#/$defs/gone"}`, "/$ref", "no subschema"},
	"no place for schemas": {`{"$ref":"#/x/y","x":{"y":{"type":"object"}}}`, "/$ref", "no subschema"},
	"no such anchor":       {`{"$ref":"#gone"}`, "/$ref", "no subschema"},
	"a name within":        {`{"$defs":{"a":{"$id":"https://example.com/a","$ref":"#"}}}`, "/$defs/a/$id", "outermost"},
	"an old name within":   {`{"$schema":"http://json-schema.org/draft-04/schema#","definitions":{"a":{"id":"x"}}}`, "/definitions/a/id", "outermost"},
	"a dialect within":     {`{"$defs":{"a":{"$schema":"http://json-schema.org/draft-04/schema#"}}}`, "/$defs/a/$schema", "outermost"},
	"a foreign dialect":    {`{"$schema":"https://example.com/meta"}`, "/$schema", "dialect"},
	"a broken pattern":     {`{"pattern":"("}`, "/pattern", "regular expression"},
	"a wrong type":         {`{"type":"nonsense"}`, "", "not a schema"},
}

// TestCostlySchemasAreRefused at upload, at once, with what is too much and
// where; and again later, in modules that are here already.
func TestCostlySchemasAreRefused(t *testing.T) {
	r := newRig(t)
	for name, tt := range costly {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := catalog.CompileSchema(json.RawMessage(tt.schema))
			if took := time.Since(began); took > 100*time.Millisecond { // some ms; the attacks took seconds to for ever
				t.Errorf("took %s", took)
			}
			blames(t, err, tt.at, tt.says)
			if _, err = r.shelf("plant").Schema(json.RawMessage(tt.schema)); !fault.Is(err, fault.ManifestInvalid) {
				t.Errorf("of a module that is here: %v", err)
			}
			raw := manifest(t, func(m *abi.Manifest) { m.ConfigSchema = json.RawMessage(tt.schema) })
			blames(t, r.refused(bytes.NewReader(tiny(packed(raw))), nil, fault.ManifestInvalid), tt.at, tt.says)
			blames(t, r.refused(bytes.NewReader(tiny()), raw, fault.ManifestInvalid), tt.at, tt.says)
		})
	}
}

func blames(t *testing.T, err error, at, says string) {
	t.Helper()
	if !fault.Is(err, fault.ManifestInvalid) {
		t.Fatalf("got %v, want manifest_invalid", err)
	}
	f := fault.Of(err)
	if len(f.Fields) != 1 || !strings.HasPrefix(f.Fields[0].Pointer, "/config_schema"+at) {
		t.Errorf("blames %+v, want %s", f.Fields, at)
	}
	if !strings.Contains(f.Text, says) || !strings.Contains(f.Text, "/config_schema"+at) || len(f.Text) > 2048 {
		t.Errorf("%q does not say %q at %s", f.Text, says, at)
	}
}

// TestDescribedSchemaIsHeldToTheBudget: describe is as much a stranger's.
func TestDescribedSchemaIsHeldToTheBudget(t *testing.T) {
	r := newRig(t)
	raw := manifest(t, func(m *abi.Manifest) { m.ConfigSchema = json.RawMessage(doubling(40)) })
	blames(t, r.refused(bytes.NewReader(tiny(describes(string(raw)))), nil, fault.ManifestInvalid), "", "10000 subschemas")
}

// TestSchemasWithinTheBudget: what is just right, and what only looks wrong.
func TestSchemasWithinTheBudget(t *testing.T) {
	for name, schema := range map[string]string{
		"doubling":          doubling(11),
		"deep":              nested(31),
		"patterns":          properties(200, `{"pattern":"^[a-z]{10}<i>$"}`),
		"anchor":            `{"$ref":"#a","$defs":{"x":{"$anchor":"a"}}}`,
		"escaped reference": `{"$ref":"#/$defs/a~1b%20c","$defs":{"a/b c":{"type":"object"}}}`,
		"a name":            `{"$id":"https://example.com/config.json","$ref":"#/$defs/a","$defs":{"a":{}}}`,
		"draft 7":           `{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#/definitions/a","definitions":{"a":{"id":"x"}}}`,
		"not keywords":      `{"properties":{"$ref":{"type":"string"},"$id":{},"pattern":{}},"default":{"$ref":"https://example.com"},"enum":[{"$id":"x"}]}`,
		"not a cycle":       `{"properties":{"a":{"$ref":"#/$defs/x"},"b":{"$ref":"#/$defs/x"}},"$defs":{"x":{}}}`,
		"large":             `{"description":"` + strings.Repeat("x", 64<<10-18) + `"}`,
		"numbers":           `{"minimum":-1.7976931348623157e+308,"maximum":1.7976931348623157e308}`,
	} {
		if _, err := catalog.CompileSchema(json.RawMessage(schema)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCostlyConfigsAreRefused: a schema within the budget and a config within
// its bound may still be too much together.
func TestCostlyConfigsAreRefused(t *testing.T) {
	ones := strings.Repeat("1,", 30000) + "1"
	for name, tt := range map[string]struct{ schema, config, says string }{
		"enum":     {`{"properties":{"a":{"items":{"enum":[` + strings.Repeat(`2,`, 20000) + `2]}}}}`, `{"a":[` + ones + `]}`, "30003 values"},
		"pattern":  {`{"properties":{"a":{"pattern":"(x+x+){900}y"}}}`, `{"a":"` + strings.Repeat("x", 60000) + `"}`, "patterns"},
		"exponent": {`{"properties":{"a":{"type":"integer"}}}`, `{"a":1e999999}`, "exponent"},
		"digits":   {`{"properties":{"a":{"type":"integer"}}}`, `{"a":[[` + strings.Repeat("9", 101) + `]]}`, "100 digits"},
		"format":   {`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"format":"regex"}}}`, `{"a":"((a{10}){10}){9}` + strings.Repeat(`[b]{1000}`, 10) + `"}`, "regex"},
	} {
		began := time.Now()
		got, err := validate(json.RawMessage(tt.schema), json.RawMessage(tt.config), "/config")
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		if err != nil || len(got) != 1 || !strings.Contains(got[0].Detail, tt.says) {
			t.Errorf("%s: %+v, %v, want %q", name, got, err, tt.says)
		}
	}
}

// TestCompiledSchemasAreKept: the last ones, and not for ever.
func TestCompiledSchemasAreKept(t *testing.T) {
	s := newRig(t).shelf("plant")
	get := func(i int) *catalog.Schema {
		c, err := s.Schema(json.RawMessage(fmt.Sprintf(`{"maxProperties":%d}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := get(0)
	for i := range 127 {
		get(i)
	}
	if get(0) != first {
		t.Error("compiled again while there is room")
	}
	for i := 1; i <= 128; i++ {
		get(i)
	}
	if get(0) == first {
		t.Error("kept beyond the bound")
	}
	if c, err := s.Schema(nil); c != nil || err != nil {
		t.Errorf("no schema: %v, %v", c, err)
	}
	// Large ones leave sooner.
	large := func(i int) *catalog.Schema {
		c, err := s.Schema(json.RawMessage(fmt.Sprintf(`{"maxProperties":%d,"enum":[%s1]}`, i, strings.Repeat("1,", 30000))))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first = large(0)
	for i := 1; i < 4; i++ {
		large(i)
	}
	if large(0) == first {
		t.Error("kept beyond the bound of values")
	}
}
