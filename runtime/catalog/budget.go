package catalog

import (
	"encoding/json"
	"maps"
	"net/url"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The budget of a config schema. It is a stranger's text, and neither
// compiling it nor checking a config against it can be interrupted: what both
// may cost has to be known before.
const (
	maxSchema       = 64 << 10 // bytes
	maxSchemaDepth  = 32       // nested objects and arrays
	maxSubschemas   = 10_000   // with every reference replaced by what it refers to
	maxSchemaValues = 100_000  // JSON values in those
	maxPatterns     = 200
	maxPatternBytes = 16 << 10 // of all patterns together
	maxInstructions = 10_000   // of all patterns together, references replaced
	maxPointer      = 1024     // bytes of a JSON Pointer: every part has its own
	maxDigits       = 100      // of a number, as it is written
	maxExponent     = 400      // of a number: a float64 has less
	uniqueItems     = 50       // values that this keyword counts as: items are compared with items
	saturated       = 1 << 30
)

// cost is what a subschema amounts to.
type cost struct{ schemas, values, instructions int }

func (c cost) plus(o cost) cost {
	return cost{
		min(saturated, c.schemas+o.schemas), min(saturated, c.values+o.values), min(saturated, c.instructions+o.instructions),
	}
}

// subschema is a node of the graph that references make of a schema.
type subschema struct {
	own      cost
	children []string // pointers of the subschemas that are applied with it
	refs     []reference
	total    cost
	state    int // of the walk that adds up
}

type reference struct{ at, to string }

const (
	unseen = iota
	onPath
	added
)

// budget measures a schema, each part of it once. The error is in err; all
// steps do nothing once there is one.
type budget struct {
	nodes    map[string]*subschema // by JSON Pointer
	anchors  map[string]string     // to pointers
	idKey    string
	patterns int
	bytes    int // of patterns
	literal  cost
	err      *fault.Fault
}

// measure checks a schema against the budget; the result is the cost of
// checking one value against it, and of keeping it.
func measure(doc any) (applied, literal cost, err error) {
	b := &budget{nodes: map[string]*subschema{}, anchors: map[string]string{}, idKey: "$id"}
	if b.document("", doc, 0); b.err == nil {
		b.dialect(doc)
		b.schema("", doc)
	}
	b.resolve()
	for _, at := range sorted(b.nodes) { // unused definitions too: a cycle is one
		b.add(at, at)
	}
	if b.err != nil {
		return cost{}, cost{}, b.err
	}
	applied = b.nodes[""].total
	switch {
	case applied.schemas > maxSubschemas:
		b.refuse("", "has more than %d subschemas when its references are replaced by what they refer to", maxSubschemas)
	case applied.values > maxSchemaValues:
		b.refuse("", "has more than %d values when its references are replaced by what they refer to", maxSchemaValues)
	case applied.instructions > maxInstructions:
		b.refuse("", "has patterns of more than %d steps when its references are replaced by what they refer to", maxInstructions)
	}
	if b.err != nil {
		return cost{}, cost{}, b.err
	}
	return applied, b.literal, nil
}

// refuse keeps the first thing that is wrong.
func (b *budget) refuse(at, format string, args ...any) {
	if b.err == nil {
		b.err = refusal(at, format, args...)
	}
}

func refusal(at, format string, args ...any) *fault.Fault {
	at = fault.Clip("/config_schema"+at, 300)
	f := fault.New(fault.ManifestInvalid, format, args...)
	detail := f.Text
	f.Text = "the manifest's " + at + " " + detail
	return f.WithFields(fault.Field{Pointer: at, Detail: detail})
}

// document checks what holds for all JSON, keyword or not.
func (b *budget) document(at string, v any, depth int) {
	if len(at) > maxPointer {
		b.refuse(at, "is at a place whose JSON Pointer has more than %d bytes", maxPointer)
	}
	if b.err != nil {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		if depth >= maxSchemaDepth {
			b.refuse(at, "is nested deeper than %d levels", maxSchemaDepth)
		}
		for _, key := range sorted(v) {
			b.document(pointer(at, key), v[key], depth+1)
		}
	case []any:
		if depth >= maxSchemaDepth {
			b.refuse(at, "is nested deeper than %d levels", maxSchemaDepth)
		}
		for i, item := range v {
			b.document(pointer(at, strconv.Itoa(i)), item, depth+1)
		}
	case json.Number:
		if !sane(v) {
			b.refuse(at, "is a number of more than %d digits or an exponent beyond %d", maxDigits, maxExponent)
		}
	}
}

// sane reports whether a number can be computed with exactly at little cost:
// 1e999999 is short and has a million digits.
func sane(n json.Number) bool {
	if len(n) > maxDigits {
		return false
	}
	_, exponent, found := strings.Cut(strings.ToLower(string(n)), "e")
	if !found {
		return true
	}
	e, err := strconv.Atoi(exponent)
	return err == nil && -maxExponent <= e && e <= maxExponent
}

// dialect checks the outermost $schema: one that is not built in would have to
// be fetched.
func (b *budget) dialect(doc any) {
	o, _ := doc.(map[string]any)
	name, found := o["$schema"].(string)
	if !found {
		return
	}
	name = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSuffix(name, "#"), "https://"), "http://")
	switch name {
	case "json-schema.org/schema", "json-schema.org/draft/2020-12/schema", "json-schema.org/draft/2019-09/schema",
		"json-schema.org/draft-07/schema", "json-schema.org/draft-06/schema":
	case "json-schema.org/draft-04/schema":
		b.idKey = "id"
	default:
		b.refuse("/$schema", "is %q, which is not a JSON Schema dialect that is known here", fault.Clip(name, 100))
	}
}

// schema notes a subschema and those in it. It knows the keywords of all
// drafts, and so errs towards more.
func (b *budget) schema(at string, v any) {
	if b.err != nil {
		return
	}
	node := &subschema{own: cost{schemas: 1, values: 1}}
	b.nodes[at] = node
	b.literal = b.literal.plus(node.own)
	if b.literal.schemas > maxSubschemas {
		b.refuse(at, "is one of more than %d subschemas", maxSubschemas)
	}
	o, _ := v.(map[string]any)
	for _, keyword := range sorted(o) {
		b.keyword(node, at, keyword, o[keyword])
	}
}

func (b *budget) keyword(node *subschema, at, keyword string, value any) {
	here := pointer(at, keyword)
	switch keyword {
	case "$defs", "definitions":
		b.each(nil, here, value)
	case "properties", "dependentSchemas", "dependencies", "allOf", "anyOf", "oneOf", "prefixItems":
		b.each(node, here, value)
	case "patternProperties":
		patterns, _ := value.(map[string]any)
		for _, p := range sorted(patterns) {
			b.pattern(node, pointer(here, p), p)
		}
		b.each(node, here, value)
	case "items":
		if _, list := value.([]any); list {
			b.each(node, here, value)
			return
		}
		b.child(node, here, value)
	case "not", "if", "then", "else", "additionalProperties", "additionalItems", "contains", "propertyNames",
		"unevaluatedProperties", "unevaluatedItems", "contentSchema":
		b.child(node, here, value)
	case "$ref", "$dynamicRef", "$recursiveRef":
		if to, ok := value.(string); ok {
			node.refs = append(node.refs, reference{here, to})
		}
	case "$anchor", "$dynamicAnchor":
		if name, ok := value.(string); ok {
			b.anchors[name] = at
		}
	case "pattern":
		if p, ok := value.(string); ok {
			b.pattern(node, here, p)
		}
	case "uniqueItems":
		node.own = node.own.plus(cost{values: uniqueItems})
	case b.idKey, "$schema":
		if at != "" {
			b.refuse(here, "is only allowed in the outermost schema")
		}
	default:
		n := cost{values: count(value)}
		node.own, b.literal = node.own.plus(n), b.literal.plus(n)
	}
}

// each notes the subschemas of an object or an array; nil: nobody applies them.
func (b *budget) each(node *subschema, at string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range sorted(value) {
			b.child(node, pointer(at, key), value[key])
		}
	case []any:
		for i, v := range value {
			b.child(node, pointer(at, strconv.Itoa(i)), v)
		}
	}
}

func (b *budget) child(node *subschema, at string, v any) {
	if node != nil {
		node.children = append(node.children, at)
	}
	b.schema(at, v)
}

// pattern counts a regular expression, without compiling it.
func (b *budget) pattern(node *subschema, at, p string) {
	b.patterns++
	b.bytes += len(p)
	switch {
	case b.err != nil:
		return
	case b.patterns > maxPatterns:
		b.refuse(at, "is one of more than %d patterns", maxPatterns)
		return
	case b.bytes > maxPatternBytes:
		b.refuse(at, "makes the patterns longer than %d bytes together", maxPatternBytes)
		return
	}
	n, err := instructions(p)
	if err != nil {
		b.refuse(at, "is not a regular expression: %s", fault.Clip(err.Error(), 300))
		return
	}
	c := cost{instructions: n}
	node.own, b.literal = node.own.plus(c), b.literal.plus(c)
	if b.literal.instructions > maxInstructions {
		b.refuse(at, "makes the patterns longer than %d steps together, repetitions written out", maxInstructions)
	}
}

// instructions is about how long the program of a regular expression is.
func instructions(p string) (int, error) {
	parsed, err := syntax.Parse(p, syntax.Perl)
	if err != nil {
		return 0, err
	}
	return length(parsed), nil
}

func length(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	if re.Op == syntax.OpCharClass { // one step, however many ranges it has
		n = 1
	}
	for _, sub := range re.Sub {
		n += length(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1) + 1
	}
	return min(n, saturated)
}

// resolve makes the references edges of the graph. They stay inside, and at a
// place where the specification has a schema.
func (b *budget) resolve() {
	for _, at := range sorted(b.nodes) {
		node := b.nodes[at]
		for _, ref := range node.refs {
			fragment, local := strings.CutPrefix(ref.to, "#")
			if !local {
				b.refuse(ref.at, "refers to %q, and nothing outside of the schema may be referred to", fault.Clip(ref.to, 200))
				return
			}
			target, err := url.PathUnescape(fragment)
			if err == nil && target != "" && !strings.HasPrefix(target, "/") {
				if at, found := b.anchors[target]; found {
					target = at
				}
			}
			if _, found := b.nodes[target]; !found || err != nil {
				b.refuse(ref.at, "refers to %q, where the schema has no subschema", fault.Clip(ref.to, 200))
				return
			}
			node.children = append(node.children, target)
		}
	}
}

// add adds up a subschema and all that is applied with it, each once.
func (b *budget) add(at, from string) cost {
	node := b.nodes[at]
	switch {
	case b.err != nil || node.state == added:
		return node.total
	case node.state == onPath:
		b.refuse(from, "refers to itself, directly or by way of others (%s)", fault.Clip("#"+at, 200))
		return cost{}
	}
	node.state = onPath
	node.total = node.own
	for _, child := range node.children {
		node.total = node.total.plus(b.add(child, at))
	}
	node.state = added
	return node.total
}

// sorted are the keys in order, so that equal schemas get equal answers.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// count is how many values there are in a value, itself included.
func count(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			n += count(member)
		}
	case []any:
		for _, item := range v {
			n += count(item)
		}
	}
	return n
}
