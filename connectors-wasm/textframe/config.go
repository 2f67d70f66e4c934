package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/template"
)

type config struct {
	Encoding string        `json:"encoding"`
	Strip    []string      `json:"strip"`
	Fields   []fieldConfig `json:"fields"`
	// What is sent to a device.
	AttributeUpdates []template.Update `json:"attributeUpdates"`
	RPC              map[string]string `json:"rpc"`
	Command          map[string]string `json:"command"`
	Publish          *string           `json:"publish"`
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

// newConverter makes a converter of the config.
func newConverter(in *abi.OpenInput) (*converter, error) {
	cfg := config{Encoding: "utf-8", Strip: []string{"\r\n", "\n"}}
	if err := snaprail.Config(in, &cfg); err != nil {
		return nil, err
	}
	if !strings.EqualFold(cfg.Encoding, "utf-8") {
		return nil, invalid("encoding: %q is not known; utf-8 is", cfg.Encoding)
	}
	south := newEncoder(&cfg)
	if len(cfg.Fields) == 0 && south == nil {
		return nil, invalid("fields: at least one field is needed, or something to send")
	}
	cfg.Strip = slices.DeleteFunc(cfg.Strip, func(ending string) bool { return ending == "" })
	slices.SortFunc(cfg.Strip, func(a, b string) int { return len(b) - len(a) })
	c := &converter{
		endings:    cfg.Strip,
		south:      south,
		fields:     make([]field, 0, len(cfg.Fields)),
		telemetry:  make([]abi.Point, 0, len(cfg.Fields)), // fields point into them
		attributes: make([]abi.Point, 0, len(cfg.Fields)),
	}
	names := make(map[string]bool)
	for i, fc := range cfg.Fields {
		if names[fc.Name] {
			return nil, invalid("fields[%d]: the name %q is given twice", i, fc.Name)
		}
		names[fc.Name] = true
		if err := c.add(fc); err != nil {
			return nil, invalid("fields[%d]: %v", i, err)
		}
	}
	return c, nil
}

// add adds a field, with its point.
func (c *converter) add(fc fieldConfig) error {
	f, err := fc.field()
	if err != nil {
		return err
	}
	point := abi.Point{Name: fc.Name, Unit: fc.Unit}
	switch fc.Kind {
	case "", "telemetry":
		c.telemetry = append(c.telemetry, point)
		f.point = &c.telemetry[len(c.telemetry)-1]
	case "attribute":
		c.attributes = append(c.attributes, point)
		f.point = &c.attributes[len(c.attributes)-1]
	default:
		return fmt.Errorf("%q: kind %q is not telemetry or attribute", fc.Name, fc.Kind)
	}
	c.fields = append(c.fields, f)
	return nil
}

func (fc fieldConfig) field() (field, error) {
	f := field{name: fc.Name, from: fc.From, to: toEnd, kind: kindOf(fc.Type), scale: 1}
	if fc.Name == "" {
		return f, fmt.Errorf("name is required")
	}
	if fc.To != nil {
		f.to = *fc.To
	}
	if fc.From < 0 || f.to != toEnd && f.to <= f.from {
		return f, fmt.Errorf("%q: from %d to %d is no range of characters", fc.Name, f.from, f.to)
	}
	if f.kind == unknown {
		return f, fmt.Errorf("%q: type %q is not int, uint, double, string or bool", fc.Name, fc.Type)
	}
	if fc.Scale == nil && fc.Offset == nil {
		f.plain = f.kind == signed && f.to != toEnd && f.to-f.from <= 18
		return f, nil
	}
	if f.kind == text || f.kind == boolean {
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
