package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// values are the values of a payload: the members of a JSON object, by their names,
// or one value, which has the name that the topic gives it. What is not JSON is a
// text, unless its content type says that it should have been JSON: half an object
// would make a good reading.
func values(payload []byte, name, topic, contentType string) ([]abi.Point, error) {
	trimmed := bytes.TrimSpace(payload)
	if len(trimmed) > 0 && trimmed[0] == '{' {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(trimmed, &members); err != nil {
			return nil, errors.New("it is no JSON object")
		}
		var points []abi.Point
		add(&points, name, members)
		if len(points) == 0 {
			return nil, errors.New("the object has no values")
		}
		return points, nil
	}
	if name == "" {
		name = topic[strings.LastIndexByte(topic, '/')+1:]
	}
	if v, ok := scalar(trimmed); ok {
		return []abi.Point{{Name: name, Value: v}}, nil
	}
	if isJSON(contentType) {
		return nil, errors.New(`it is not JSON; where payloads are texts, say "content_type": "text/plain"`)
	}
	if !utf8.Valid(payload) {
		return nil, errors.New("it is no text")
	}
	return []abi.Point{{Name: name, Value: abi.String(string(payload))}}, nil
}

// isJSON reports whether a content type is that of JSON, with parameters or without.
func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// add adds the values of an object, in the order of their names; those of an object
// within have its name before their own.
func add(points *[]abi.Point, prefix string, members map[string]json.RawMessage) {
	keys := make([]string, 0, len(members))
	for key := range members {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		name, raw := key, members[key]
		if prefix != "" {
			name = prefix + "." + key
		}
		var inner map[string]json.RawMessage
		if len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, &inner) == nil {
			add(points, name, inner)
		} else if v, ok := scalar(raw); ok {
			*points = append(*points, abi.Point{Name: name, Value: v})
		} else if len(raw) > 0 && raw[0] == '[' {
			*points = append(*points, abi.Point{Name: name, Value: abi.String(string(raw))})
		}
	}
}

// scalar is a value of JSON that is no object, no list and not null.
func scalar(raw []byte) (abi.Value, bool) {
	if len(raw) == 0 {
		return abi.Value{}, false
	}
	switch raw[0] {
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return abi.String(text), err == nil
	case 't', 'f':
		on, err := strconv.ParseBool(string(raw))
		return abi.Bool(on), err == nil && len(raw) > 1
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return abi.Int(n), true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	return abi.Double(f), err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}
