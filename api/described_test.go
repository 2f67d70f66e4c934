package api

import (
	"maps"
	"slices"
	"testing"
)

// What an integrator writes by hand says in the document what it means.
func TestRulesAreDescribed(t *testing.T) {
	d := newRig(t).document()
	for _, name := range []string{"Interlock", "TagRule", "Requirement", "Mapping", "AttributeUpdate", "Converter", "Stage", "SocketRequest"} {
		schema, _ := d.Components.Schemas[name].(map[string]any)
		fields, _ := schema["properties"].(map[string]any)
		if len(fields) == 0 {
			t.Errorf("there is no schema %s", name)
		}
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			is, _ := fields[field].(map[string]any)
			if is["$ref"] == nil && is["description"] == nil && is["enum"] == nil {
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
}
