package param

import (
	"encoding/json"
	"slices"
	"strings"
)

// keyword reads one keyword of a subschema. What is not supported is noted.
func (s *Schema) keyword(n *node, name string, raw json.RawMessage, depth int) (err error) {
	here := n.at + "/" + escape(name)
	switch name {
	case "properties":
		return s.children(here, raw, depth, func(name string, c *node) { n.properties = append(n.properties, property{name, c}) })
	case "$defs", "definitions":
		return s.children(here, raw, depth, func(string, *node) {})
	case "items":
		n.items, err = s.parse(here, raw, depth+1)
	case "additionalProperties":
		if n.closed = n.closed || string(raw) == "false"; string(raw) != "false" {
			n.additional, err = s.parse(here, raw, depth+1)
		}
	case "unevaluatedProperties":
		n.closed = n.closed || string(raw) == "false"
		if text := string(raw); text != "true" && text != "false" {
			s.refuse(here, "is true or false here")
		}
	case "allOf":
		n.all, err = s.list(here, raw, depth)
	case "oneOf":
		n.choices, err = s.list(here, raw, depth)
	case "if":
		n.condition, err = s.parse(here, raw, depth+1)
	case "then":
		var then *node
		if then, err = s.parse(here, raw, depth+1); then != nil {
			n.then = append(n.then, then)
		}
	case "$ref":
		s.text(here, raw, &n.ref)
	case "$anchor":
		var anchor string
		s.text(here, raw, &anchor)
		s.anchors[anchor] = n
	default:
		s.annotation(n, here, name, raw)
	}
	return err
}

// annotation reads the keywords that hold no subschemas.
func (s *Schema) annotation(n *node, here, name string, raw json.RawMessage) {
	switch name {
	case "$schema", "$id", "$comment", "description", "examples",
		"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxLength",
		"minItems", "maxItems", "uniqueItems":
	case "type":
		s.types(n, here, raw)
	case "title":
		s.text(here, raw, &n.title)
	case "required":
		s.read(here, raw, &n.required, "is not a list of names")
	case "default":
		n.def = raw
	case "const":
		n.constant = raw
		n.noEmpty = n.noEmpty || string(raw) != `""`
	case "enum":
		s.read(here, raw, &n.enum, "is not a list of values")
		n.noEmpty = n.noEmpty || !slices.ContainsFunc(n.enum, func(v json.RawMessage) bool { return string(v) == `""` })
	case "minLength":
		n.noEmpty = n.noEmpty || strings.Trim(string(raw), "0.") != ""
	case "pattern":
		n.noEmpty = true
	case "format":
		s.format(n, here, raw)
	case "deprecated":
		s.flag(here, raw, &n.deprecated)
	case "readOnly":
		s.flag(here, raw, &n.readOnly)
	case "writeOnly", "x-secret", "airbyte_secret":
		var secret bool
		s.flag(here, raw, &secret)
		n.secret = n.secret || secret
	default:
		s.extension(n, here, name, raw)
	}
}

// extension reads the keywords that begin with x-; those that nobody here
// knows are let through, since they mean something to somebody else.
func (s *Schema) extension(n *node, here, name string, raw json.RawMessage) {
	var text string
	var yes bool
	switch name {
	case "x-order":
		s.read(here, raw, &n.order, "is not a number")
		n.ordered = true
	case "x-group", "x-unit", "x-placeholder", "x-help", "x-source":
		s.text(here, raw, &text)
	case "x-advanced", "x-test":
		s.flag(here, raw, &yes)
	case "x-enum-titles":
		var titles []string
		s.read(here, raw, &titles, "is not a list of texts")
	case "x-widget":
		s.oneOf(here, raw, &text, "textarea", "code", "serial-port", "opcua-node", "kafka-topic", "duration", "bytes")
	case "x-restart":
		s.oneOf(here, raw, &n.restart, "none", "reload", "restart")
	case "x-oauth":
		var oauth struct {
			Provider string   `json:"provider"`
			Scopes   []string `json:"scopes"`
		}
		s.read(here, raw, &oauth, "is not {provider, scopes}")
	default:
		if !strings.HasPrefix(name, "x-") {
			s.refuse(here, "is not a keyword that is supported here")
		}
	}
}

func (s *Schema) types(n *node, here string, raw json.RawMessage) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		n.types = []string{one}
		return
	}
	s.read(here, raw, &n.types, "is not a type, nor a list of types")
	rest := slices.DeleteFunc(slices.Clone(n.types), func(t string) bool { return t == "null" })
	if len(rest) > 1 {
		s.refuse(here, "names more than one type beside null")
	}
}

func (s *Schema) format(n *node, here string, raw json.RawMessage) {
	var format string
	s.oneOf(here, raw, &format, "uri", "hostname", "ipv4", "ipv6", "duration", "date-time", "email", "regex", "password")
	n.secret = n.secret || format == "password"
	n.noEmpty = n.noEmpty || format != "" && format != "password" && format != "regex"
}

func (s *Schema) text(here string, raw json.RawMessage, into *string) {
	s.read(here, raw, into, "is not a text")
}

func (s *Schema) flag(here string, raw json.RawMessage, into *bool) {
	s.read(here, raw, into, "is not true or false")
}

func (s *Schema) oneOf(here string, raw json.RawMessage, into *string, allowed ...string) {
	s.text(here, raw, into)
	if !slices.Contains(allowed, *into) {
		s.refuse(here, "is none of "+strings.Join(allowed, ", "))
	}
}

func (s *Schema) read(here string, raw json.RawMessage, into any, otherwise string) {
	if json.Unmarshal(raw, into) != nil {
		s.refuse(here, otherwise)
	}
}
