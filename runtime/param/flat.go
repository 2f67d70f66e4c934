package param

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/spec"
)

// FlatField is one line of a schema in its flat form: a parameter that a module
// expects.
type FlatField struct {
	Key      string `json:"key"`
	Label    string `json:"label"`
	Required bool   `json:"required"`
	Secret   bool   `json:"secret"`
}

// fromFlat makes JSON Schema of the flat form: nested objects, whose values are
// texts. What is required may not be empty.
func fromFlat(raw json.RawMessage) (json.RawMessage, error) {
	var entries []json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, refusal("", "is not JSON: "+clip(err.Error()))
	}
	if len(entries) > MaxRows {
		return nil, refusal("", "has more than 500 keys")
	}
	rows := make([]spec.Param, len(entries))
	root := newLevel()
	for i, entry := range entries {
		at := "/" + itoa(i)
		f, err := flatField(at, entry)
		if err != nil {
			return nil, err
		}
		rows[i].Key = f.Key
		root.put(strings.Split(f.Key, "."), f)
	}
	if bad := Check(rows, ""); len(bad) > 0 {
		return nil, refusal(bad[0].Pointer, bad[0].Detail)
	}
	return root.schema(), nil
}

func flatField(at string, raw json.RawMessage) (f FlatField, err error) {
	fields, err := members(raw)
	if err != nil {
		return f, refusal(at, "is not {key, label, required, secret}")
	}
	for _, m := range fields {
		var into any
		switch m.name {
		case "key":
			into = &f.Key
		case "label":
			into = &f.Label
		case "required":
			into = &f.Required
		case "secret":
			into = &f.Secret
		default:
			return f, refusal(at+"/"+escape(m.name), "is not key, label, required or secret")
		}
		if json.Unmarshal(m.value, into) != nil {
			return f, refusal(at+"/"+escape(m.name), "is not of the right type")
		}
	}
	return f, nil
}

// level is an object of the flat form.
type level struct {
	names    []string
	below    map[string]*level
	leaves   map[string]FlatField
	required []string
}

func newLevel() *level { return &level{below: map[string]*level{}, leaves: map[string]FlatField{}} }

func (l *level) put(path []string, f FlatField) {
	name := path[0]
	if !slices.Contains(l.names, name) {
		l.names = append(l.names, name)
	}
	if f.Required && !slices.Contains(l.required, name) {
		l.required = append(l.required, name)
	}
	if len(path) == 1 {
		l.leaves[name] = f
		return
	}
	if l.below[name] == nil {
		l.below[name] = newLevel()
	}
	l.below[name].put(path[1:], f)
}

func (l *level) schema() json.RawMessage {
	properties := newObject()
	for _, name := range l.names {
		if below := l.below[name]; below != nil {
			properties.add(name, member{value: below.schema()})
			continue
		}
		leaf, f := newObject(), l.leaves[name]
		leaf.add("type", member{value: quoted("string")})
		if f.Label != "" {
			leaf.add("title", member{value: quoted(f.Label)})
		}
		if f.Required {
			leaf.add("minLength", member{value: json.RawMessage("1")})
		}
		if f.Secret {
			leaf.add("x-secret", member{value: json.RawMessage("true")})
		}
		properties.add(name, member{object: leaf})
	}
	o := newObject()
	o.add("type", member{value: quoted("object")})
	o.add("properties", member{object: properties})
	if len(l.required) > 0 {
		names := make([]string, len(l.required))
		for i, name := range l.required {
			names[i] = string(quoted(name))
		}
		o.add("required", member{value: json.RawMessage("[" + strings.Join(names, ",") + "]")})
	}
	return o.raw()
}

// leaf is a place for one value in the config.
type leaf struct {
	FlatField
	def      json.RawMessage
	readOnly bool
	old      bool // deprecated
}

// Flat is the schema in its flat form: one line for each value that is no
// object, in the order of x-order and then of the schema. What belongs to one
// branch of a choice is not in it.
func (s *Schema) Flat() []FlatField {
	leaves := s.leaves()
	list := make([]FlatField, len(leaves))
	for i, l := range leaves {
		list[i] = l.FlatField
	}
	return list
}

// Prefill are the rows to begin with: one for each line of Flat that somebody
// may fill in, with its default.
func (s *Schema) Prefill() []spec.Param {
	var rows []spec.Param
	for _, l := range s.leaves() {
		if l.readOnly || l.old || checkKey(l.Key) != "" {
			continue
		}
		row := spec.Param{Key: l.Key, Type: spec.ParamText, Sequence: (len(rows) + 1) * spec.DefaultSequence}
		if l.Secret {
			row.Type = spec.ParamSecret
		} else if typeOf(l.def) != "string" || json.Unmarshal(l.def, &row.Value) != nil {
			row.Value = string(l.def)
		}
		rows = append(rows, row)
	}
	return rows
}

func (s *Schema) leaves() (list []leaf) {
	if s == nil {
		return nil
	}
	visits := 0
	var walk func(prefix string, nodes []*node, required, secret bool)
	walk = func(prefix string, nodes []*node, required, secret bool) {
		for _, p := range merged(nodes) {
			if visits++; visits > maxVisits || len(list) >= MaxRows {
				return
			}
			if !isPart(p.name) {
				continue // no key can name it
			}
			key, must, hidden := prefix+p.name, required && p.required, secret || p.secret
			if len(merged(p.nodes)) > 0 && strings.Count(key, ".") < MaxDepth {
				walk(key+".", p.nodes, must, hidden)
				continue
			}
			list = append(list, p.leaf(key, must, hidden))
		}
	}
	root := s.root.expand(false)
	walk("", root, true, anySecret(root))
	return list
}

// place of a property: all that the schema says of it.
type slot struct {
	name     string
	nodes    []*node
	required bool
	secret   bool
	order    float64
	ordered  bool
}

// merged are the properties of an object that several subschemas speak of.
func merged(nodes []*node) (slots []slot) {
	index := map[string]int{}
	for _, n := range nodes {
		for _, p := range n.properties {
			i, found := index[p.name]
			if !found {
				i = len(slots)
				index[p.name] = i
				slots = append(slots, slot{name: p.name})
			}
			for _, n := range p.node.expand(false) {
				if !slices.Contains(slots[i].nodes, n) { // references let them multiply
					slots[i].nodes = append(slots[i].nodes, n)
				}
			}
		}
	}
	for i := range slots {
		sl := &slots[i]
		sl.secret = anySecret(sl.nodes)
		for _, n := range nodes {
			sl.required = sl.required || slices.Contains(n.required, sl.name)
		}
		for _, n := range sl.nodes {
			if n.ordered && !sl.ordered {
				sl.order, sl.ordered = n.order, true
			}
		}
	}
	slices.SortStableFunc(slots, func(a, b slot) int {
		switch {
		case a.ordered && b.ordered && a.order != b.order:
			if a.order < b.order {
				return -1
			}
			return 1
		case a.ordered != b.ordered && a.ordered:
			return -1
		case a.ordered != b.ordered:
			return 1
		}
		return 0
	})
	return slots
}

func (sl *slot) leaf(key string, required, secret bool) leaf {
	l := leaf{FlatField: FlatField{Key: key, Label: key, Required: required, Secret: secret}}
	for _, n := range sl.nodes {
		if n.title != "" && l.Label == key {
			l.Label = n.title
		}
		if n.def != nil && l.def == nil {
			l.def = n.def
		}
		l.readOnly, l.old = l.readOnly || n.readOnly, l.old || n.deprecated
	}
	return l
}

func anySecret(nodes []*node) bool {
	return slices.ContainsFunc(nodes, func(n *node) bool { return n.secret })
}
