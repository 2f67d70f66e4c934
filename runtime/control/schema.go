package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/snaprail/snaprail/runtime/fault"
)

// noRemote refuses references out of a schema: nothing is fetched.
type noRemote struct{}

func (noRemote) Load(url string) (any, error) {
	return nil, fault.New(fault.ManifestInvalid, "the schema refers to %s, and nothing outside of it may be referred to", url)
}

// validate checks a config against a module's schema (JSON Schema 2020-12).
// The fields are JSON Pointers under the given one. No schema allows anything
// that is a JSON object.
func validate(schema, config json.RawMessage, under string) ([]fault.Field, error) {
	if len(config) == 0 {
		config = json.RawMessage("{}")
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config))
	if err != nil {
		return []fault.Field{{Pointer: under, Detail: "is not JSON: " + err.Error()}}, nil
	}
	if _, ok := doc.(map[string]any); !ok {
		return []fault.Field{{Pointer: under, Detail: "is not a JSON object"}}, nil
	}
	if len(schema) == 0 {
		return nil, nil
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, fault.Wrap(fault.ManifestInvalid, err, "config_schema")
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noRemote{})
	const name = "snaprail:config"
	if err := c.AddResource(name, parsed); err != nil {
		return nil, fault.Wrap(fault.ManifestInvalid, err, "config_schema")
	}
	compiled, err := c.Compile(name)
	if err != nil {
		return nil, fault.Wrap(fault.ManifestInvalid, err, "config_schema")
	}
	var invalid *jsonschema.ValidationError
	if err := compiled.Validate(doc); errors.As(err, &invalid) {
		return leaves(invalid, under, nil), nil
	} else if err != nil {
		return nil, fault.Wrap(fault.ConfigInvalid, err, "config")
	}
	return nil, nil
}

// leaves lists the innermost errors, which name what is wrong.
func leaves(e *jsonschema.ValidationError, under string, fields []fault.Field) []fault.Field {
	const most = 50
	if len(e.Causes) == 0 && len(fields) < most {
		pointer := under
		for _, part := range e.InstanceLocation {
			pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
		}
		text := e.ErrorKind.LocalizedString(message.NewPrinter(language.English))
		return append(fields, fault.Field{Pointer: pointer, Detail: text})
	}
	for _, cause := range e.Causes {
		fields = leaves(cause, under, fields)
	}
	return fields
}
