package param

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of a YAML document, counted with every alias written out.
const (
	maxYAMLNodes = 20_000
	maxYAMLDepth = 64
)

// fromYAML reads one YAML document, which must be a mapping.
func fromYAML(body []byte) (json.RawMessage, error) {
	docs, err := Documents(body)
	if err != nil {
		return nil, err
	}
	if len(docs) != 1 || docs[0][0] != '{' {
		return nil, fault.New(fault.ConfigInvalid, "the file is not one YAML mapping")
	}
	return docs[0], nil
}

// Documents reads the documents of a YAML stream as JSON, in the order of
// their text; JSON is YAML too. Aliases are written out within bounds, merge
// keys are applied, names that come twice, names that are no texts and numbers
// that JSON does not have are refused with their line. Empty documents are left
// out. The error is fault.ConfigInvalid or fault.TooLarge.
func Documents(body []byte) (docs []json.RawMessage, err error) {
	if len(body) > MaxImport {
		return nil, fault.New(fault.TooLarge, "the YAML has %d bytes, and at most %d are read", len(body), MaxImport)
	}
	if tooManyBrackets(body) {
		return nil, fault.New(fault.ConfigInvalid, "the YAML is nested deeper than %d levels", maxYAMLDepth)
	}
	dec := yaml.NewDecoder(bytes.NewReader(body))
	c := converter{}
	for {
		var n yaml.Node
		switch err := dec.Decode(&n); {
		case err == io.EOF: //nolint:errorlint // the decoder's own, unwrapped
			return docs, nil
		case err != nil:
			return nil, fault.New(fault.ConfigInvalid, "the YAML cannot be read: %s", clip(strings.TrimPrefix(err.Error(), "yaml: ")))
		}
		raw, err := c.value(&n, 0)
		if err != nil {
			return nil, err
		}
		if string(raw) != "null" {
			docs = append(docs, raw)
		}
	}
}

// tooManyBrackets reports whether brackets are nested deeper than anybody would write
// them, before a parser has to remember each.
func tooManyBrackets(body []byte) bool {
	depth := 0
	for _, c := range body {
		switch c {
		case '[', '{':
			if depth++; depth > 10*maxYAMLDepth {
				return true
			}
		case ']', '}':
			depth--
		}
	}
	return false
}

// converter turns nodes into JSON; nodes counts those written.
type converter struct{ nodes int }

func (c *converter) value(n *yaml.Node, depth int) (json.RawMessage, error) {
	if c.nodes++; c.nodes > maxYAMLNodes {
		return nil, atLine(n.Line, "the document has more than %d names and values, its aliases written out", maxYAMLNodes)
	}
	if depth > maxYAMLDepth {
		return nil, atLine(n.Line, "the document is nested deeper than %d levels, or an alias is within itself", maxYAMLDepth)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return c.value(n.Content[0], depth)
	case yaml.AliasNode:
		return c.value(n.Alias, depth+1)
	case yaml.SequenceNode:
		items := make([]json.RawMessage, len(n.Content))
		for i, item := range n.Content {
			var err error
			if items[i], err = c.value(item, depth+1); err != nil {
				return nil, err
			}
		}
		return join(items), nil
	case yaml.MappingNode:
		o := newObject()
		if err := c.mapping(o, n, depth); err != nil {
			return nil, err
		}
		return o.raw(), nil
	case yaml.ScalarNode:
		return scalar(n)
	}
	return json.RawMessage("null"), nil // an empty document
}

// mapping puts the pairs of a mapping into an object; those of merge keys come
// after its own, which go before them.
func (c *converter) mapping(o *object, n *yaml.Node, depth int) error {
	own := map[string]bool{}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if c.nodes++; c.nodes > maxYAMLNodes { // also of what a merge only passes over
			return atLine(key.Line, "the document has more than %d names and values, its aliases written out", maxYAMLNodes)
		}
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch {
		case key.ShortTag() == "!!merge":
			merges = append(merges, value)
			continue
		case key.Kind != yaml.ScalarNode:
			return atLine(key.Line, "a name is no text")
		case own[key.Value]:
			return atLine(key.Line, "%q is given twice", clip(key.Value))
		}
		own[key.Value] = true
		if _, found := o.members[key.Value]; found {
			continue // merged, and there already
		}
		raw, err := c.value(value, depth+1)
		if err != nil {
			return err
		}
		o.add(key.Value, member{value: raw})
	}
	for _, m := range merges {
		if err := c.merge(o, m, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *converter) merge(o *object, n *yaml.Node, depth int) error {
	if c.nodes++; c.nodes > maxYAMLNodes || depth > maxYAMLDepth {
		return atLine(n.Line, "too much is merged here")
	}
	switch n.Kind { //nolint:exhaustive // nothing else can be merged
	case yaml.AliasNode:
		return c.merge(o, n.Alias, depth+1)
	case yaml.MappingNode:
		return c.mapping(o, n, depth+1)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if err := c.merge(o, item, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return atLine(n.Line, "only a mapping can be merged")
}

// scalar is a scalar by the core schema of YAML 1.2: what is no number, no
// truth value and not null is a text. Dates are texts.
func scalar(n *yaml.Node) (json.RawMessage, error) {
	switch n.ShortTag() {
	case "!!null":
		return json.RawMessage("null"), nil
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			return nil, atLine(n.Line, "is no truth value")
		}
		return json.RawMessage(strconv.FormatBool(b)), nil
	case "!!int":
		return integer(n)
	case "!!float":
		if text := []byte(n.Value); json.Valid(text) && typeOf(text) == "number" {
			return text, nil
		}
		var f float64
		if err := n.Decode(&f); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, atLine(n.Line, "the number %s has no place in JSON", clip(n.Value))
		}
		return json.Marshal(f) //nolint:wrapcheck // a finite number always encodes
	case "!!binary":
		return quoted(strings.Join(strings.Fields(n.Value), "")), nil
	}
	return quoted(n.Value), nil
}

// integer is a whole number, in whichever base it was written.
func integer(n *yaml.Node) (json.RawMessage, error) {
	if text := []byte(n.Value); json.Valid(text) && typeOf(text) == "number" {
		return text, nil
	}
	var i int64
	if n.Decode(&i) == nil {
		return strconv.AppendInt(nil, i, 10), nil
	}
	var u uint64
	if n.Decode(&u) == nil {
		return strconv.AppendUint(nil, u, 10), nil
	}
	return nil, atLine(n.Line, "the number %s is too large", clip(n.Value))
}
