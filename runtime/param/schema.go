package param

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of a schema.
const (
	maxSchema  = 64 << 10 // bytes
	maxNesting = 32       // of its JSON
	maxLevels  = 6        // of values under the config itself
	maxVisits  = 2_000    // subschemas in one walk over all of it
)

// Schema is what a module says of its config: which keys there are, of which
// type, which of them are secrets. It does not judge a config; the compiled
// form of the same schema does that. It is read-only and safe for concurrent
// use; nil is no schema: every key is allowed, and is a text.
type Schema struct {
	raw     json.RawMessage // as JSON Schema
	root    *node
	nodes   map[string]*node // by JSON Pointer
	anchors map[string]*node
	outside []fault.Field
}

// node is a subschema.
type node struct {
	at         string // JSON Pointer within the schema
	types      []string
	title      string
	secret     bool
	readOnly   bool
	deprecated bool
	restart    string
	order      float64
	ordered    bool
	def        json.RawMessage // default; nil: none
	constant   json.RawMessage
	enum       []json.RawMessage
	noEmpty    bool // the empty text is not allowed
	required   []string
	properties []property
	additional *node // of what is not a property; nil: see closed
	closed     bool  // what is not a property is not allowed
	items      *node
	ref        string
	target     *node // of ref
	all        []*node
	choices    []*node // oneOf, and anyOf of old modules
	condition  *node   // if
	then       []*node
	level      int     // the most levels of values under it
	together   []*node // whole, once the schema is; nil: not yet
	state      int     // of the walk that finds cycles
}

type property struct {
	name string
	node *node
}

// ParseSchema reads a config schema: JSON Schema 2020-12, or a list of
// {key, label, required, secret}. Nothing, or null, makes a nil Schema. The
// error is fault.ManifestInvalid with JSON Pointers: not JSON, too large, or
// references that lead outside, nowhere or in a circle. What is JSON Schema and
// not supported is no error here, since a module may be older than the rule:
// see Outside.
func ParseSchema(raw json.RawMessage) (*Schema, error) {
	trimmed := strings.TrimSpace(string(raw))
	if trimmed == "" || trimmed == "null" {
		return nil, nil
	}
	if len(raw) > maxSchema {
		return nil, refusal("", "has more than 65536 bytes")
	}
	s := &Schema{raw: raw, nodes: map[string]*node{}, anchors: map[string]*node{}}
	if trimmed[0] == '[' {
		var err error
		if s.raw, err = fromFlat(raw); err != nil {
			return nil, err
		}
	}
	var err error
	if s.root, err = s.parse("", s.raw, 0); err != nil {
		return nil, err
	}
	if err := s.resolve(); err != nil {
		return nil, err
	}
	s.finish()
	return s, nil
}

// JSON is the schema as JSON Schema, whichever form it came in; nil: none.
func (s *Schema) JSON() json.RawMessage {
	if s == nil {
		return nil
	}
	return s.raw
}

// Outside says what of the schema is not supported, by JSON Pointers from
// /config_schema on; nothing: all of it is. A module with such a schema is not
// admitted, since nobody could fill in a form of it.
func (s *Schema) Outside() []fault.Field {
	if s == nil {
		return nil
	}
	return s.outside
}

func (s *Schema) refuse(at, detail string) {
	const most = 50
	if len(s.outside) < most {
		s.outside = append(s.outside, fault.Field{Pointer: fault.Clip("/config_schema"+at, 300), Detail: detail})
	}
}

func refusal(at, detail string) error {
	at = fault.Clip("/config_schema"+at, 300)
	return fault.New(fault.ManifestInvalid, "the manifest's %s %s", at, detail).
		WithFields(fault.Field{Pointer: at, Detail: detail})
}

// parse reads one subschema and those in it.
func (s *Schema) parse(at string, raw json.RawMessage, depth int) (*node, error) {
	if depth > maxNesting {
		return nil, refusal(at, "is nested too deeply")
	}
	n := &node{at: at}
	s.nodes[at] = n
	switch string(raw) {
	case "true":
		return n, nil
	case "false":
		s.refuse(at, "is false, which allows no value")
		return n, nil
	}
	fields, err := members(raw)
	if err != nil {
		f := fault.Of(err)
		return nil, refusal(at+f.Fields[0].Pointer, f.Fields[0].Detail)
	}
	for _, m := range fields {
		if err := s.keyword(n, m.name, m.value, depth); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// children reads a map of subschemas, in its order.
func (s *Schema) children(at string, raw json.RawMessage, depth int, take func(name string, n *node)) error {
	fields, err := members(raw)
	if err != nil {
		return refusal(at, "is not an object of schemas")
	}
	for _, m := range fields {
		n, err := s.parse(at+"/"+escape(m.name), m.value, depth+2)
		if err != nil {
			return err
		}
		take(m.name, n)
	}
	return nil
}

// list reads an array of subschemas.
func (s *Schema) list(at string, raw json.RawMessage, depth int) (nodes []*node, err error) {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return nil, refusal(at, "is not a list of schemas")
	}
	for i, item := range items {
		n, err := s.parse(at+"/"+itoa(i), item, depth+2)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// resolve finds what references refer to, and refuses circles. It notes how
// many levels of values there are.
func (s *Schema) resolve() error {
	for _, at := range s.places() {
		n := s.nodes[at]
		if n.ref == "" {
			continue
		}
		fragment, local := strings.CutPrefix(n.ref, "#")
		if !local {
			return refusal(at+"/$ref", "refers to "+clip(n.ref)+", and nothing outside of the schema may be referred to")
		}
		to, err := url.PathUnescape(fragment)
		if err != nil {
			to = fragment
		}
		if n.target = s.nodes[to]; n.target == nil {
			n.target = s.anchors[to]
		}
		if n.target == nil {
			return refusal(at+"/$ref", "refers to "+clip(n.ref)+", where the schema has no subschema")
		}
	}
	for _, at := range s.places() {
		if err := s.measure(s.nodes[at]); err != nil {
			return err
		}
	}
	return nil
}

// places are the pointers of all subschemas, in order.
func (s *Schema) places() []string {
	all := make([]string, 0, len(s.nodes))
	for at := range s.nodes {
		all = append(all, at)
	}
	slices.Sort(all)
	return all
}

const (
	unseen = iota
	onPath
	done
)

func (s *Schema) measure(n *node) error {
	switch n.state {
	case done:
		return nil
	case onPath:
		return refusal(n.at, "refers to itself, directly or by way of others")
	}
	n.state = onPath
	for _, same := range n.applied() {
		if err := s.measure(same); err != nil {
			return err
		}
		n.level = max(n.level, same.level)
	}
	for _, below := range n.inner() {
		if err := s.measure(below); err != nil {
			return err
		}
		n.level = max(n.level, below.level+1)
	}
	n.state = done
	return nil
}

// applied are the subschemas that judge the same value as n.
func (n *node) applied() (nodes []*node) {
	if n.target != nil {
		nodes = append(nodes, n.target)
	}
	nodes = append(nodes, n.all...)
	nodes = append(nodes, n.choices...)
	nodes = append(nodes, n.then...)
	if n.condition != nil {
		nodes = append(nodes, n.condition)
	}
	return nodes
}

// inner are the subschemas of what is within n's value.
func (n *node) inner() (nodes []*node) {
	for _, p := range n.properties {
		nodes = append(nodes, p.node)
	}
	for _, c := range []*node{n.additional, n.items} {
		if c != nil {
			nodes = append(nodes, c)
		}
	}
	return nodes
}

// expand is n with all that is applied with it, each once: with the branches
// that only some values take, if asked for.
func (n *node) expand(branches bool) (nodes []*node) {
	seen := map[*node]bool{}
	var add func(*node)
	add = func(n *node) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		nodes = append(nodes, n)
		add(n.target)
		for _, a := range n.all {
			add(a)
		}
		if branches {
			for _, b := range slices.Concat(n.choices, n.then) {
				add(b)
			}
		}
	}
	add(n)
	return nodes
}

// whole is n with all that may be applied with it, which nobody may change.
func (n *node) whole() []*node {
	if n.together != nil {
		return n.together
	}
	return n.expand(true)
}

// finish checks what needs the whole schema: the depth, and that one can tell
// the branches of a choice apart.
func (s *Schema) finish() {
	for _, n := range s.nodes {
		n.together = n.expand(true)
		slices.SortFunc(n.together, func(a, b *node) int { return strings.Compare(a.at, b.at) })
	}
	if s.root.level > maxLevels {
		s.refuse("", "has values that lie deeper than 6 levels below the config")
	}
	for _, at := range s.places() {
		n := s.nodes[at]
		if len(n.choices) > 0 && !distinguishable(n.choices) {
			s.refuse(at+"/oneOf", "needs a property that every branch has with another const")
		}
		if n.condition != nil && !single(n.condition) {
			s.refuse(at+"/if", "is not a single property with a const")
		}
		if len(n.then) > 0 && n.condition == nil {
			s.refuse(at+"/then", "has no if beside it")
		}
	}
}

// distinguishable reports whether some property has a const in each branch,
// and never the same.
func distinguishable(branches []*node) bool {
	for _, p := range consts(branches[0]) {
		seen := map[string]bool{}
		for _, b := range branches {
			for _, q := range consts(b) {
				if q.name == p.name {
					seen[string(q.node.constant)] = true
				}
			}
		}
		if len(seen) == len(branches) {
			return true
		}
	}
	return false
}

// consts are the properties of a branch that have one possible value.
func consts(branch *node) (found []property) {
	for _, n := range branch.expand(false) {
		for _, p := range n.properties {
			if p.node.constant != nil {
				found = append(found, p)
			}
		}
	}
	return found
}

// single reports whether a condition is that one property has one value.
func single(n *node) bool {
	return len(n.properties) == 1 && n.properties[0].node.constant != nil && len(n.applied()) == 0
}
