package main

import (
	"fmt"
	"regexp"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/reading"
)

type config struct {
	Patterns  []patternConfig `json:"patterns"`
	All       bool            `json:"all"`
	Unmatched string          `json:"unmatched"`
}

type patternConfig struct {
	Pattern string        `json:"pattern"`
	Fields  []fieldConfig `json:"fields"`
}

type fieldConfig struct {
	reading.Config

	Group string `json:"group"` // its name or its number; none: the field's name
}

func newConverter(in *abi.OpenInput) (*converter, error) {
	var cfg config
	if err := snaprail.Config(in, &cfg); err != nil {
		return nil, err
	}
	switch cfg.Unmatched {
	case "", "reject", "skip", "pass":
	default:
		return nil, fmt.Errorf("unmatched: %q is not reject, skip or pass", cfg.Unmatched)
	}
	if len(cfg.Patterns) == 0 {
		return nil, fmt.Errorf("patterns: at least one is needed")
	}
	c := &converter{all: cfg.All, unmatched: cfg.Unmatched}
	for i, pc := range cfg.Patterns {
		p, err := pc.pattern()
		if err != nil {
			return nil, fmt.Errorf("patterns[%d]: %w", i, err)
		}
		c.patterns = append(c.patterns, p)
	}
	return c, nil
}

// pattern compiles an expression. Without fields, each of its groups with a name
// is one.
func (pc patternConfig) pattern() (p pattern, err error) {
	if p.expression, err = regexp.Compile(pc.Pattern); err != nil {
		return p, fmt.Errorf("pattern: %w", err)
	}
	fields := pc.Fields
	if len(fields) == 0 {
		for _, name := range p.expression.SubexpNames() {
			if name != "" {
				fields = append(fields, fieldConfig{Config: reading.Config{Name: name}})
			}
		}
	}
	if len(fields) == 0 {
		return p, fmt.Errorf("pattern: no group has a name, and no fields say which are wanted: write (?P<name>...)")
	}
	configs := make([]reading.Config, len(fields))
	for i, f := range fields {
		configs[i] = f.Config
		group, err := f.group(p.expression)
		if err != nil {
			return p, fmt.Errorf("fields[%d]: %w", i, err)
		}
		p.groups = append(p.groups, group)
	}
	p.set, err = reading.NewSet(configs)
	return p, err
}

// group is the number of the field's group.
func (f fieldConfig) group(expression *regexp.Regexp) (int, error) {
	name := f.Group
	if name == "" {
		name = f.Name
	}
	if i := expression.SubexpIndex(name); i >= 0 {
		return i, nil
	}
	var n int
	if _, err := fmt.Sscanf(name+"\n", "%d\n", &n); err == nil && n >= 0 && n <= expression.NumSubexp() {
		return n, nil
	}
	return 0, fmt.Errorf("the pattern has no group %q", name)
}
