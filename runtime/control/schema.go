package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
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
		return []fault.Field{{Pointer: under, Detail: "is not JSON: " + err.Error()}}, nil //nolint:nilerr // a wrong field is a result
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
	const name = "snaprail:///config_schema" // what relative references are relative to
	if err := c.AddResource(name, parsed); err != nil {
		return nil, fault.Wrap(fault.ManifestInvalid, err, "config_schema")
	}
	compiled, err := c.Compile(name)
	if err != nil {
		return nil, fault.Wrap(fault.ManifestInvalid, err, "config_schema")
	}
	err = compiled.Validate(doc)
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return blamed(leaves(invalid, under, nil)), nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.ManifestInvalid, err, "config_schema")
	}
	return nil, nil
}

// mistake is a wrong field. What is only not allowed may be a property that
// the schema does know: see blamed.
type mistake struct {
	fault.Field
	notAllowed bool
}

// leaves lists the innermost errors, which name what is wrong.
func leaves(e *jsonschema.ValidationError, under string, found []mistake) []mistake {
	for _, cause := range e.Causes {
		found = leaves(cause, under, found)
	}
	if len(e.Causes) > 0 || len(found) >= maxMistakes {
		return found
	}
	at := pointer(under, e.InstanceLocation...)
	switch k := e.ErrorKind.(type) {
	case *kind.FalseSchema:
		return append(found, mistake{fault.Field{Pointer: at, Detail: notAllowed}, true})
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			found = append(found, mistake{Field: fault.Field{Pointer: pointer(at, name), Detail: notAllowed}})
		}
		return found
	default:
		text := k.LocalizedString(message.NewPrinter(language.English))
		return append(found, mistake{Field: fault.Field{Pointer: at, Detail: text}})
	}
}

const notAllowed = "is not allowed here"

// The bounds of what is looked at, and of what is shown.
const (
	maxMistakes = 500
	maxFields   = 50
)

// blamed picks the mistakes to show. Where an object has another mistake, the
// subschema that knows its properties has failed as a whole, and then they all
// seem unevaluated: nobody is helped by that.
func blamed(all []mistake) (fields []fault.Field) {
	for _, m := range all {
		object := m.Pointer[:max(0, strings.LastIndexByte(m.Pointer, '/'))]
		innocent := m.notAllowed && slices.ContainsFunc(all, func(other mistake) bool {
			return !other.notAllowed && (other.Pointer == object || strings.HasPrefix(other.Pointer, object+"/"))
		})
		if !innocent && len(fields) < maxFields {
			fields = append(fields, m.Field)
		}
	}
	return fields
}

// pointer is a JSON Pointer (RFC 6901) to a place under another.
func pointer(under string, parts ...string) string {
	for _, part := range parts {
		under += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
	}
	return under
}
