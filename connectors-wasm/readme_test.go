package connectorswasm

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// limits is what a schema says of a number.
type limits struct {
	Minimum   *float64 `json:"minimum"`
	Exclusive *float64 `json:"exclusiveMinimum"`
	Maximum   *float64 `json:"maximum"`
}

// TestReadmesNameEveryParameter: what a config may have stands in the README, and of
// a number between two bounds both.
func TestReadmesNameEveryParameter(t *testing.T) {
	for _, name := range shipped(t) {
		raw, err := os.ReadFile(filepath.Join(name, "README.md"))
		if err != nil {
			continue // a connector of the reader's own, made as the main README says
		}
		readme := string(raw)
		m, _ := manifest(t, name)
		var schema any
		if err := json.Unmarshal(m.ConfigSchema, &schema); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		parameters(schema, func(key string, of json.RawMessage) {
			if !strings.Contains(readme, "`"+key+"`") {
				t.Errorf("%s: the README says nothing of `%s`", name, key)
			}
			var l limits
			if json.Unmarshal(of, &l) != nil || l.Maximum == nil || !tabled(name) {
				return
			}
			least := l.Minimum
			if least == nil {
				least = l.Exclusive
			}
			if want := fmt.Sprintf("%v to %.0f", *least, *l.Maximum); !strings.Contains(row(readme, key), want) {
				t.Errorf("%s: the row of `%s` does not say %q", name, key, want)
			}
		})
	}
}

// tabled reports whether the README has a table with the bounds of numbers.
func tabled(name string) bool {
	switch name {
	case "modbus", "kafkasource", "mqttsource", "httppoll", "opcua", "mtconnect", "sparkplug", "thingsboard":
		return true
	}
	return false
}

// row is the last row of a table that is of a parameter; "": there is none, and it is
// told of elsewhere.
func row(readme, key string) (found string) {
	found = readme
	for line := range strings.Lines(readme) {
		if strings.HasPrefix(line, "| `"+key+"`") {
			found = line
		}
	}
	return found
}

// parameters yields the properties of a schema, and of those within it.
func parameters(schema any, yield func(key string, of json.RawMessage)) {
	switch s := schema.(type) {
	case []any:
		for _, one := range s {
			parameters(one, yield)
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for key, of := range properties {
			if raw, err := json.Marshal(of); err == nil {
				yield(key, raw)
			}
		}
		for key, within := range s {
			if key != "properties" {
				parameters(within, yield)
			}
		}
		for _, of := range properties {
			parameters(of, yield)
		}
	}
}
