package main

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/reading"
)

type config struct {
	Each       *string       `json:"each"`
	Device     string        `json:"device"`
	Time       string        `json:"time"`
	TimeFormat string        `json:"time_format"`
	Fields     []fieldConfig `json:"fields"`
}

type fieldConfig struct {
	reading.Config

	Path     *string `json:"path"` // none: the field's name
	Optional bool    `json:"optional"`
}

func newConverter(in *abi.OpenInput) (c *converter, err error) {
	var cfg config
	if err := snaprail.Config(in, &cfg); err != nil {
		return nil, err
	}
	c = &converter{}
	if cfg.Each != nil {
		c.isEach = true
		if c.each, err = parsePath(*cfg.Each); err != nil {
			return nil, fmt.Errorf("each: %w", err)
		}
	}
	if cfg.Device != "" {
		if c.device, err = parsePath(cfg.Device); err != nil {
			return nil, fmt.Errorf("device: %w", err)
		}
	}
	if cfg.Time != "" {
		if c.clock, err = newClock(cfg.Time, cfg.TimeFormat); err != nil {
			return nil, err
		}
	}
	if len(cfg.Fields) == 0 {
		return nil, fmt.Errorf("fields: at least one field is needed")
	}
	configs := make([]reading.Config, len(cfg.Fields))
	for i, f := range cfg.Fields {
		configs[i] = f.Config
		p := path{{name: f.Name}}
		if f.Path != nil {
			if p, err = parsePath(*f.Path); err != nil {
				return nil, fmt.Errorf("fields[%d]: %w", i, err)
			}
		}
		c.fields = append(c.fields, field{p, f.Optional})
	}
	c.set, err = reading.NewSet(configs)
	return c, err
}

// clock reads the time of a reading.
type clock struct {
	path path
	unit time.Duration // 0: RFC 3339
}

func newClock(at, format string) (*clock, error) {
	p, err := parsePath(at)
	if err != nil {
		return nil, fmt.Errorf("time: %w", err)
	}
	units := map[string]time.Duration{
		"": 0, "rfc3339": 0, "s": time.Second, "ms": time.Millisecond, "us": time.Microsecond, "ns": time.Nanosecond,
	}
	unit, ok := units[format]
	if !ok {
		return nil, fmt.Errorf("time_format: %q is not rfc3339, s, ms, us or ns", format)
	}
	return &clock{p, unit}, nil
}

// read answers unix ns. Where there is no time, it is that of the record.
func (c *clock) read(d *document, otherwise int64) (int64, error) {
	if d.null() {
		return otherwise, nil
	}
	if c.unit == 0 {
		var at time.Time
		if err := json.Unmarshal(d.raw, &at); err != nil {
			return 0, fmt.Errorf("%s is not as RFC 3339 has it", reading.Clip(d.raw))
		}
		return at.UnixNano(), nil
	}
	var n json.Number
	if err := json.Unmarshal(d.raw, &n); err != nil {
		return 0, fmt.Errorf("%s is no number", reading.Clip(d.raw))
	}
	if whole, err := n.Int64(); err == nil && whole <= math.MaxInt64/int64(c.unit) && whole >= math.MinInt64/int64(c.unit) {
		return whole * int64(c.unit), nil
	}
	f, err := n.Float64()
	if ns := f * float64(c.unit); err == nil && math.Abs(ns) < math.MaxInt64 {
		return int64(ns), nil
	}
	return 0, fmt.Errorf("%s is no time", reading.Clip(d.raw))
}
