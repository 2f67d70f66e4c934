package param_test

import (
	"encoding/json"
	"testing"

	"github.com/snaprail/snaprail/runtime/param"
)

// TestNamesAndTakes: through references and parts as well, in both forms.
func TestNamesAndTakes(t *testing.T) {
	for _, tt := range []struct {
		schema       string
		names, takes bool // of access_token
	}{
		{``, false, true},
		{`{}`, false, true},
		{`{"type":"object","properties":{"access_token":{"type":"string"}},"additionalProperties":false}`, true, true},
		{`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`, false, false},
		{`{"type":"object","properties":{"a":{"type":"string"}},"unevaluatedProperties":false}`, false, false},
		{`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":true}`, false, true},
		{`{"type":"object","additionalProperties":{"type":"string"}}`, false, true},
		{`{"type":"object","properties":{"auth":{"type":"object","properties":{"access_token":{"type":"string"}},"additionalProperties":false}}}`, false, true},
		{`{"$ref":"#/$defs/all","$defs":{"all":{"type":"object","properties":{"access_token":{"type":"string"}},"additionalProperties":false}}}`, true, true},
		{`{"$ref":"#/$defs/all","$defs":{"all":{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}}}`, false, false},
		{`{"type":"object","unevaluatedProperties":false,"allOf":[{"properties":{"access_token":{"type":"string"}}}]}`, true, true},
		{`[{"key":"access_token","secret":true}]`, true, true},
		{`[{"key":"a"}]`, false, true},
	} {
		s, err := param.ParseSchema(json.RawMessage(tt.schema))
		if err != nil {
			t.Errorf("%s: %v", tt.schema, err)
			continue
		}
		if names, takes := s.Names("access_token"), s.Takes("access_token"); names != tt.names || takes != tt.takes {
			t.Errorf("%s: names %t, takes %t", tt.schema, names, takes)
		}
	}
}
