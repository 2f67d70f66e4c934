package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

type config struct {
	Encoding string        `json:"encoding"`
	Strip    []string      `json:"strip"`
	Fields   []fieldConfig `json:"fields"`
}

type fieldConfig struct {
	Name   string   `json:"name"`
	From   int      `json:"from"`
	To     *int     `json:"to"`
	Type   string   `json:"type"`
	Unit   string   `json:"unit"`
	Kind   string   `json:"kind"`
	Scale  *float64 `json:"scale"`
	Offset *float64 `json:"offset"`
}

// readConfig answers the fields and the endings, the longest ending first.
func readConfig(in *abi.OpenInput) (fields []field, endings []string, err error) {
	c := config{Encoding: "utf-8", Strip: []string{"\r\n", "\n"}}
	if err := snaprail.Config(in, &c); err != nil {
		return nil, nil, err
	}
	if !strings.EqualFold(c.Encoding, "utf-8") {
		return nil, nil, invalid("encoding: %q is not known; utf-8 is", c.Encoding)
	}
	if len(c.Fields) == 0 {
		return nil, nil, invalid("fields: at least one field is needed")
	}
	names := make(map[string]bool)
	for i, fc := range c.Fields {
		if names[fc.Name] {
			return nil, nil, invalid("fields[%d]: the name %q is given twice", i, fc.Name)
		}
		names[fc.Name] = true
		f, err := fc.field()
		if err != nil {
			return nil, nil, invalid("fields[%d]: %v", i, err)
		}
		fields = append(fields, f)
	}
	slices.SortFunc(c.Strip, func(a, b string) int { return len(b) - len(a) })
	return fields, c.Strip, nil
}

func (fc fieldConfig) field() (field, error) {
	f := field{name: fc.Name, unit: fc.Unit, from: fc.From, to: toEnd, scale: 1}
	if fc.Name == "" {
		return f, fmt.Errorf("name is required")
	}
	if fc.To != nil {
		f.to = *fc.To
	}
	if fc.From < 0 || f.to != toEnd && f.to <= f.from {
		return f, fmt.Errorf("%q: from %d to %d is no range of characters", fc.Name, f.from, f.to)
	}
	switch fc.Kind {
	case "", "telemetry":
	case "attribute":
		f.attribute = true
	default:
		return f, fmt.Errorf("%q: kind %q is not telemetry or attribute", fc.Name, fc.Kind)
	}
	f.kind, f.parse = fc.Type, parser(fc.Type)
	if f.parse == nil {
		return f, fmt.Errorf("%q: type %q is not int, uint, double, string or bool", fc.Name, fc.Type)
	}
	if fc.Scale == nil && fc.Offset == nil {
		return f, nil
	}
	if fc.Type == "string" || fc.Type == "bool" {
		return f, fmt.Errorf("%q: scale and offset are for numbers", fc.Name)
	}
	f.scaled = true
	if fc.Scale != nil {
		f.scale = *fc.Scale
	}
	if fc.Offset != nil {
		f.offset = *fc.Offset
	}
	return f, nil
}

func invalid(format string, args ...any) error {
	return &abi.Error{
		Kind: abi.FaultInvalid,
		Code: "invalid_config",
		Text: fmt.Sprintf(format, args...),
		Hint: "Correct the fields; the module's README has an example.",
	}
}
