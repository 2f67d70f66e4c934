package catalog

import (
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/snaprail/snaprail/runtime/fault"
)

// mistake is a wrong field. What is only not allowed may be a property that
// the schema does know: see blamed.
type mistake struct {
	pointer    string
	kind       jsonschema.ErrorKind // nil: not allowed here
	notAllowed bool
}

// field puts a mistake in words, which costs more than finding it: an enum
// names all its values.
func (m mistake) field() fault.Field {
	if m.kind == nil {
		return fault.Field{Pointer: m.pointer, Detail: notAllowed}
	}
	text := m.kind.LocalizedString(message.NewPrinter(language.English))
	return fault.Field{Pointer: m.pointer, Detail: fault.Clip(text, maxDetail)}
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
		return append(found, mistake{pointer: at, notAllowed: true})
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			found = append(found, mistake{pointer: pointer(at, name)})
		}
		return found
	default:
		return append(found, mistake{pointer: at, kind: k})
	}
}

const notAllowed = "is not allowed here"

// The bounds of what is looked at, and of what is shown.
const (
	maxMistakes = 500
	maxFields   = 50
	maxDetail   = 1024 // bytes of what is said about a field
)

// blamed picks the mistakes to show. Where an object has another mistake, the
// subschema that knows its properties has failed as a whole, and then they all
// seem unevaluated: nobody is helped by that.
func blamed(all []mistake) (fields []fault.Field) {
	for _, m := range all {
		object := m.pointer[:max(0, strings.LastIndexByte(m.pointer, '/'))]
		innocent := m.notAllowed && slices.ContainsFunc(all, func(other mistake) bool {
			return !other.notAllowed && (other.pointer == object || strings.HasPrefix(other.pointer, object+"/"))
		})
		if !innocent && len(fields) < maxFields {
			fields = append(fields, m.field())
		}
	}
	return fields
}

// pointer is a JSON Pointer (RFC 6901) to a place under another.
func pointer(under string, parts ...string) string {
	for _, part := range parts {
		if strings.ContainsAny(part, "~/") { // seldom, and a replacer costs
			part = strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
		}
		under += "/" + part
	}
	return under
}
