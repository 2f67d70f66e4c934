package catalog

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
)

// Schema is the compiled config schema of a module (JSON Schema 2020-12). It
// is safe for use by several goroutines; nil is no schema, which allows any
// JSON object.
type Schema struct {
	compiled *jsonschema.Schema
	applied  cost // of checking one value
	literal  cost // of keeping it
}

// The bounds of checking one config: values of the config by values of the
// schema, and bytes of the config by steps of the schema's patterns. Each is
// about a second of one core.
const (
	maxComparisons = 1_000_000
	maxSteps       = 100_000_000
)

// CompileSchema compiles a manifest's config schema, in either of its forms,
// within the budget; nothing makes no schema. The error is a ManifestInvalid
// that names the place.
func CompileSchema(raw json.RawMessage) (*Schema, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	if len(raw) > maxSchema {
		return nil, refusal("", "has %d bytes, and at most %d are allowed", len(raw), maxSchema)
	}
	raw, err := asJSONSchema(raw)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, refusal("", "is not JSON: %s", err)
	}
	s := &Schema{}
	if s.applied, s.literal, err = measure(doc); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noRemote{})
	c.UseRegexpEngine(boundedRegexp)
	c.AssertFormat()
	c.RegisterFormat(&jsonschema.Format{Name: "duration", Validate: duration})
	const name = "snaprail:///config_schema" // what relative references are relative to
	err = c.AddResource(name, doc)
	if err == nil {
		s.compiled, err = c.Compile(name)
	}
	if err != nil {
		return nil, refusal("", "is not a schema: %s", fault.Clip(err.Error(), maxDetail))
	}
	return s, nil
}

// noRemote refuses references out of a schema: nothing is fetched.
type noRemote struct{}

func (noRemote) Load(url string) (any, error) {
	return nil, fault.New(fault.ManifestInvalid, "the schema refers to %s, and nothing outside of it may be referred to", url)
}

// boundedRegexp reads a pattern. Those of the schema are within the budget by
// now; where a config has to be a pattern, it comes here too, and is never used.
func boundedRegexp(p string) (jsonschema.Regexp, error) {
	n, err := instructions(p)
	if err != nil {
		return nil, err
	}
	if len(p) > maxPatternBytes || n > maxInstructions {
		return nil, errors.New("the pattern is too long, repetitions written out")
	}
	return pattern{p, sync.OnceValues(func() (*regexp.Regexp, error) { return regexp.Compile(p) })}, nil
}

// pattern is a regular expression that is compiled when it is used first, since
// that costs far more than to read it.
type pattern struct {
	text    string
	compile func() (*regexp.Regexp, error)
}

func (p pattern) String() string { return p.text }

func (p pattern) MatchString(s string) bool {
	re, err := p.compile()
	return err == nil && re.MatchString(s) // what could be read can be compiled
}

// Check checks a config. The fields are what is wrong with it, by JSON
// Pointers under the given one; none: it is right.
func (s *Schema) Check(config json.RawMessage, under string) ([]fault.Field, error) {
	if len(config) == 0 {
		config = json.RawMessage("{}")
	}
	doc, plain := param.Value(config)
	if !plain {
		var err error
		if doc, err = jsonschema.UnmarshalJSON(bytes.NewReader(config)); err != nil {
			return []fault.Field{{Pointer: under, Detail: "is not JSON: " + err.Error()}}, nil //nolint:nilerr // a wrong field is a result
		}
	}
	if _, ok := doc.(map[string]any); !ok {
		return []fault.Field{{Pointer: under, Detail: "is not a JSON object"}}, nil
	}
	if s == nil {
		return nil, nil
	}
	if wrong := s.tooMuch(doc, len(config)); wrong != "" {
		return []fault.Field{{Pointer: under, Detail: wrong}}, nil
	}
	err := s.compiled.Validate(doc)
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return blamed(leaves(invalid, under, nil)), nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.ManifestInvalid, err, "config_schema")
	}
	return nil, nil
}

// tooMuch says why a config would cost too much to check; "": it does not.
func (s *Schema) tooMuch(doc any, size int) string {
	values := count(doc)
	switch {
	case values*s.applied.values > maxComparisons:
		return fmt.Sprintf("has %d values, too many for a schema of %d values", values, s.applied.values)
	case size*s.applied.instructions > maxSteps:
		return fmt.Sprintf("has %d bytes, too many for the schema's patterns of %d steps", size, s.applied.instructions)
	case !numbers(doc):
		return fmt.Sprintf("has a number of more than %d digits or with an exponent beyond %d", maxDigits, maxExponent)
	}
	return ""
}

// numbers reports whether all numbers in a value are sane.
func numbers(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			if !numbers(member) {
				return false
			}
		}
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !numbers(item) })
	case json.Number:
		return sane(v)
	}
	return true
}

// The bounds of what is kept of compiled schemas.
const (
	maxCached     = 128
	maxCachedCost = 100_000 // values and steps; some ten MB
)

// schemas keeps what was compiled last. A schema is known by its own text:
// tenants may have equal modules with manifests of their own beside them.
type schemas struct {
	mu     sync.Mutex
	recent []cached // the latest last
}

type cached struct {
	sum    [sha256.Size]byte
	schema *Schema
}

// Schema is the compiled form of a module's config schema, kept from the last
// time if it can be. It checks the budget, since a module may have been
// admitted before there was one.
func (s *Shelf) Schema(raw json.RawMessage) (*Schema, error) {
	return s.catalog.schemas.get(raw)
}

func (c *schemas) get(raw json.RawMessage) (*Schema, error) {
	if len(raw) == 0 || len(raw) > maxSchema {
		return CompileSchema(raw)
	}
	sum := sha256.Sum256(raw)
	if s := c.find(sum); s != nil {
		return s, nil
	}
	s, err := CompileSchema(raw) // not under the lock: others need not wait for it
	if err != nil {
		return nil, err
	}
	c.keep(cached{sum, s})
	return s, nil
}

func (c *schemas) find(sum [sha256.Size]byte) *Schema {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.recent, func(e cached) bool { return e.sum == sum })
	if i < 0 {
		return nil
	}
	e := c.recent[i]
	c.recent = append(slices.Delete(c.recent, i, i+1), e)
	return e.schema
}

func (c *schemas) keep(e cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent = slices.DeleteFunc(c.recent, func(old cached) bool { return old.sum == e.sum })
	c.recent = append(c.recent, e)
	for len(c.recent) > 1 && (len(c.recent) > maxCached || c.cost() > maxCachedCost) {
		c.recent = slices.Delete(c.recent, 0, 1)
	}
}

func (c *schemas) cost() (n int) {
	for _, e := range c.recent {
		n += e.schema.literal.values + e.schema.literal.instructions
	}
	return n
}
