// Package reading is what converters share that are told by their config which
// values a payload holds: named fields with a type, a unit and a scale, and the
// records that become of them. A guest imports it; it knows no format.
//
// The values of one record go into a Set, which makes one record of telemetry
// and one of attributes of them, both with the device, the time, the key and the
// headers of the record that they came from.
package reading

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

// Config is what a config says of a field, whatever the format is.
type Config struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"` // int, uint, double, string, bool; auto or nothing: what it looks like
	Unit   string   `json:"unit"`
	Kind   string   `json:"kind"` // telemetry, or nothing; attribute
	Scale  *float64 `json:"scale"`
	Offset *float64 `json:"offset"` // added to a number after the scale
}

// Field is one value of a record.
type Field struct {
	Config
	at int // in the set's points of its kind
}

// auto is the type of a field that is what it looks like.
const auto = "auto"

func (c *Config) check() error {
	switch c.Type {
	case "":
		c.Type = auto
	case auto, "int", "uint", "double", "string", "bool":
	default:
		return fmt.Errorf("%q: type %q is not int, uint, double, string, bool or auto", c.Name, c.Type)
	}
	if c.Name == "" {
		return fmt.Errorf("name is required")
	}
	if c.Scale != nil || c.Offset != nil {
		if c.Type == "string" || c.Type == "bool" {
			return fmt.Errorf("%q: scale and offset are for numbers", c.Name)
		}
	}
	switch c.Kind {
	case "", "telemetry", "attribute":
		return nil
	}
	return fmt.Errorf("%q: kind %q is not telemetry or attribute", c.Name, c.Kind)
}

// Text reads a value from its text, among spaces.
func (f *Field) Text(text string) (abi.Value, error) {
	if f.Type == "string" {
		return abi.String(text), nil
	}
	value, ok := parse(f.Type, strings.TrimSpace(text))
	if !ok && f.Type == auto && f.Scale == nil && f.Offset == nil {
		return abi.String(text), nil
	}
	if !ok {
		return value, f.wrong(strconv.Quote(clip(text)))
	}
	return f.Scaled(value), nil
}

func parse(kind, text string) (abi.Value, bool) {
	switch kind {
	case "int":
		v, err := strconv.ParseInt(text, 10, 64)
		return abi.Int(v), err == nil
	case "uint":
		v, err := strconv.ParseUint(text, 10, 64)
		return abi.Uint(v), err == nil
	case "double":
		return double(text)
	case "bool":
		v, err := strconv.ParseBool(text)
		return abi.Bool(v), err == nil
	}
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		return abi.Int(v), true
	}
	return double(text)
}

// double reads a number that is one in every language: no infinity, no NaN.
func double(text string) (abi.Value, bool) {
	v, err := strconv.ParseFloat(text, 64)
	return abi.Double(v), err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
}

// JSON reads a value from a value of JSON. A text is read for a number too, as
// many devices write them.
func (f *Field) JSON(raw json.RawMessage) (abi.Value, error) {
	if len(raw) == 0 {
		return abi.Value{}, f.wrong("nothing")
	}
	switch raw[0] {
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return abi.Value{}, f.wrong(clip(string(raw)))
		}
		if f.Type == auto && f.Scale == nil && f.Offset == nil {
			return abi.String(text), nil
		}
		return f.Text(text)
	case 't', 'f':
		if f.Type == "bool" || f.Type == auto {
			return abi.Bool(raw[0] == 't'), nil
		}
	case '{', '[', 'n':
		if f.Type == "string" {
			return abi.String(string(raw)), nil
		}
	default:
		return f.Text(whole(string(raw), f.Type))
	}
	return abi.Value{}, f.wrong(clip(string(raw)))
}

// whole is a number as an integer's text, if it is one: 1e3 and 42.0 are.
func whole(text, kind string) string {
	if kind != "int" && kind != "uint" || !strings.ContainsAny(text, ".eE") {
		return text
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v != math.Trunc(v) || math.Abs(v) >= 1<<53 {
		return text
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// Scaled is a number after scale and offset, which make a double of it;
// anything else is as it was.
func (f *Field) Scaled(v abi.Value) abi.Value {
	if f.Scale == nil && f.Offset == nil {
		return v
	}
	var n float64
	switch v.Type() {
	case abi.ValueInt:
		n = float64(v.Int())
	case abi.ValueUint:
		n = float64(v.Uint())
	case abi.ValueDouble:
		n = v.Double()
	default:
		return v
	}
	if f.Scale != nil {
		n *= *f.Scale
	}
	if f.Offset != nil {
		n += *f.Offset
	}
	return abi.Double(n)
}

func (f *Field) wrong(text string) error {
	if f.Type == auto {
		return fmt.Errorf("field %q: %s is no value", f.Name, text)
	}
	return fmt.Errorf("field %q: %s is no %s", f.Name, text, f.Type)
}

// quoted is how much of a payload stands in a reason.
const quoted = 64

func clip(text string) string {
	if len(text) > quoted {
		text = text[:quoted] + "..."
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// Clip is the start of a payload, for a reason.
func Clip(payload []byte) string { return clip(string(payload[:min(len(payload), quoted+1)])) }

// Set is the values of one record, as they are filled in. It is used again for
// the next one.
type Set struct {
	fields []Field
	points [2][]abi.Point // telemetry and attributes
	filled [2][]bool
	out    [2][]abi.Point
}

// NewSet makes a set of fields. Each has a name of its own.
func NewSet(configs []Config) (*Set, error) {
	s := &Set{fields: make([]Field, len(configs))}
	names := map[string]bool{}
	for i, c := range configs {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("fields[%d]: %w", i, err)
		}
		if names[c.Name] {
			return nil, fmt.Errorf("fields[%d]: the name %q is given twice", i, c.Name)
		}
		names[c.Name] = true
		k := kindOf(c.Kind)
		s.fields[i] = Field{c, len(s.points[k])}
		s.points[k] = append(s.points[k], abi.Point{Name: c.Name, Unit: c.Unit})
		s.filled[k] = append(s.filled[k], false)
	}
	return s, nil
}

func kindOf(kind string) int {
	if kind == "attribute" {
		return 1
	}
	return 0
}

// Field is the field with this number, in the order of NewSet.
func (s *Set) Field(i int) *Field { return &s.fields[i] }

// Len is how many fields there are.
func (s *Set) Len() int { return len(s.fields) }

// Clear forgets all values.
func (s *Set) Clear() {
	for k := range s.filled {
		clear(s.filled[k])
	}
}

// Put sets the value of a field.
func (s *Set) Put(i int, v abi.Value) {
	f := &s.fields[i]
	k := kindOf(f.Kind)
	s.points[k][f.at].Value, s.filled[k][f.at] = v, true
}

// Emit adds the values that were put as records of a device at a time, which
// came from another record. A field that got no value is left out.
func (s *Set) Emit(from *abi.Record, device string, at int64, step *snaprail.Step) {
	sourceKey := from.SourceKey
	for k, add := range [2]func(string, int64, ...abi.Point) *abi.Record{step.Telemetry, step.Attributes} {
		points := s.out[k][:0]
		for i := range s.points[k] {
			if s.filled[k][i] {
				points = append(points, s.points[k][i])
			}
		}
		s.out[k] = points
		if len(points) == 0 {
			continue
		}
		r := add(device, at, points...)
		r.Key, r.SourceKey = from.Key, sourceKey
		r.Headers = append(r.Headers, from.Headers...)
		if sourceKey != "" {
			sourceKey += "#attributes" // or the second record would be a repeat of the first
		}
	}
}

// Invalid is the error of a config that makes no sense.
func Invalid(err error) error {
	return &abi.Error{
		Kind: abi.FaultInvalid, Code: abi.CodeInvalidConfig, Text: err.Error(),
		Hint: "Correct the config; the module's README has an example.",
	}
}
