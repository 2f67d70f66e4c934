package param

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Secret reports whether the value at a key is a secret: it, or something that
// holds it, is marked with x-secret, writeOnly, airbyte_secret or the format
// password.
func (s *Schema) Secret(key string) bool {
	_, secret := s.at(strings.Split(key, "."))
	return secret
}

// Knows reports whether the schema has something to say of a key.
func (s *Schema) Knows(key string) bool {
	nodes, _ := s.at(strings.Split(key, "."))
	return len(nodes) > 0
}

// Names reports whether a property of the config has this name, in whatever
// branch of the schema.
func (s *Schema) Names(key string) bool {
	return s != nil && slices.ContainsFunc(s.root.expand(true), func(n *node) bool {
		return slices.ContainsFunc(n.properties, func(p property) bool { return p.name == key })
	})
}

// Takes reports whether the config may have a property of this name: one that is
// named, or any that nothing forbids.
func (s *Schema) Takes(key string) bool {
	return s == nil || s.Names(key) || !slices.ContainsFunc(s.root.expand(false), func(n *node) bool { return n.closed })
}

// The costs of a change, as a schema names them with x-restart.
const (
	CostNone    = "none"    // nothing: the guest need not hear of it
	CostReload  = "reload"  // the guest is opened anew
	CostRestart = "restart" // the guest and its sessions are
)

// Cost is what a change of the value at a key costs, if the schema says so.
func (s *Schema) Cost(key string) string {
	parts := strings.Split(key, ".")
	for n := len(parts); n > 0; n-- { // what holds it speaks for it
		nodes, _ := s.at(parts[:n])
		for _, at := range nodes {
			if at.restart != "" {
				return at.restart
			}
		}
	}
	return ""
}

// at finds the subschemas of the value at a path, and whether it is a secret.
func (s *Schema) at(path []string) (nodes []*node, secret bool) {
	if s == nil {
		return nil, false
	}
	nodes = s.root.whole()
	secret = anySecret(nodes)
	for _, part := range path {
		if nodes = below(nodes, part); len(nodes) == 0 {
			return nil, secret
		}
		secret = secret || anySecret(nodes)
	}
	return nodes, secret
}

// below are the subschemas that judge a member or an item of what some judge,
// each once. Nobody may change them.
func below(nodes []*node, part string) []*node {
	var first, next []*node
	for _, n := range nodes {
		c := n.below(part)
		switch {
		case c == nil:
		case first == nil:
			first = c.whole()
		default:
			next = append(next, c.whole()...)
		}
	}
	if len(next) == 0 {
		return first
	}
	next = append(next, first...)
	slices.SortFunc(next, func(a, b *node) int { return strings.Compare(a.at, b.at) })
	return slices.CompactFunc(next, func(a, b *node) bool { return a == b })
}

// below is the subschema for a member or an item; nil: there is none.
func (n *node) below(part string) *node {
	for _, p := range n.properties {
		if p.name == part {
			return p.node
		}
	}
	if n.items != nil {
		if _, err := strconv.ParseUint(part, 10, 31); err == nil {
			return n.items
		}
	}
	return n.additional
}

// convert makes a value of a row's text; false: it counts as none.
func (s *Schema) convert(key, text string) (json.RawMessage, bool, error) {
	if !utf8.ValidString(text) {
		return nil, false, fault.New(fault.ConfigInvalid, "is not UTF-8")
	}
	nodes, _ := s.at(strings.Split(key, "."))
	return convert(nodes, text)
}

func convert(nodes []*node, text string) (json.RawMessage, bool, error) {
	types := typesOf(nodes)
	if len(types) == 0 || slices.Contains(types, "string") {
		if text == "" && slices.ContainsFunc(nodes, func(n *node) bool { return n.noEmpty }) {
			return nil, false, nil
		}
		return quoted(text), true, nil
	}
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return nil, false, nil
	}
	for _, t := range types {
		if raw := typed(t, nodes, trimmed); raw != nil {
			return raw, true, nil
		}
	}
	return nil, false, fault.New(fault.ConfigInvalid, "is not of the type %s", strings.Join(types, " or "))
}

// typesOf are the types that the subschemas of a place allow: what they name,
// else what their constants are.
func typesOf(nodes []*node) (types []string) {
	for _, n := range nodes {
		for _, t := range n.types {
			if !slices.Contains(types, t) {
				types = append(types, t)
			}
		}
	}
	if len(types) > 0 {
		return types
	}
	for _, n := range nodes {
		for _, v := range append(n.enum, n.constant) {
			if t := typeOf(v); t != "" && !slices.Contains(types, t) {
				types = append(types, t)
			}
		}
	}
	return types
}

func typeOf(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	switch raw[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

// typed is a text as a value of a type; nil: it is none.
func typed(t string, nodes []*node, text string) json.RawMessage {
	switch t {
	case "boolean":
		switch strings.ToLower(text) {
		case "true", "yes", "on":
			return json.RawMessage("true")
		case "false", "no", "off":
			return json.RawMessage("false")
		}
		return nil
	case "number", "integer":
		if json.Valid([]byte(text)) && typeOf([]byte(text)) == "number" {
			return json.RawMessage(text)
		}
		return nil
	case "array":
		if text[0] != '[' {
			return separated(nodes, text)
		}
	}
	var b bytes.Buffer
	if typeOf([]byte(text)) != t || TooDeep([]byte(text)) || json.Compact(&b, []byte(text)) != nil {
		return nil
	}
	return b.Bytes()
}

// separated makes a list of a text with commas between its items, as property
// files have them.
func separated(nodes []*node, text string) json.RawMessage {
	var items []*node
	for _, n := range nodes {
		if n.items != nil {
			items = append(items, n.items.expand(true)...)
		}
	}
	if types := typesOf(items); len(types) == 0 || slices.Contains(types, "object") || slices.Contains(types, "array") {
		return nil
	}
	var b bytes.Buffer
	b.WriteByte('[')
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		raw, _, err := convert(items, part)
		if err != nil {
			return nil
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(raw)
	}
	b.WriteByte(']')
	return b.Bytes()
}

// hasMembers reports whether the schema names members of the value at a path.
func (s *Schema) hasMembers(path []string) bool {
	nodes, _ := s.at(path)
	return slices.ContainsFunc(nodes, func(n *node) bool { return len(n.properties) > 0 })
}

// HasSecrets reports whether anything in the schema is a secret.
func (s *Schema) HasSecrets() bool {
	if s == nil {
		return false
	}
	for _, n := range s.nodes {
		if n.secret {
			return true
		}
	}
	return false
}

// andSecret is the schema in which, besides, those of the keys that it does not
// know are secrets.
func (s *Schema) andSecret(keys map[string]string) *Schema {
	more := &Schema{root: &node{}, nodes: map[string]*node{"": {}}}
	if s != nil {
		more = &Schema{raw: s.raw, root: &node{all: []*node{s.root}}, nodes: map[string]*node{}}
	}
	for key := range keys {
		if s.Knows(key) {
			continue
		}
		at := more.root
		for part := range strings.SplitSeq(key, ".") {
			next := &node{}
			at.properties = append(at.properties, property{part, next})
			at = next
		}
		at.secret = true
	}
	return more
}
