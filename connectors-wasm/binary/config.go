package main

import (
	"fmt"
	"strconv"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/reading"
)

type config struct {
	Input     string          `json:"input"`
	Endian    string          `json:"endian"`
	MinLength int             `json:"min_length"`
	MaxLength int             `json:"max_length"`
	Checksum  *checksumConfig `json:"checksum"`
	Fields    []fieldConfig   `json:"fields"`
}

type checksumConfig struct {
	Type   string `json:"type"`
	From   int    `json:"from"`
	At     *int   `json:"at"` // none: at the end
	Endian string `json:"endian"`
}

type fieldConfig struct {
	Name    string   `json:"name"`
	At      int      `json:"at"`
	Type    string   `json:"type"`
	Length  int      `json:"length"`
	Endian  string   `json:"endian"`
	Bit     uint     `json:"bit"`
	Bits    uint     `json:"bits"`
	Missing string   `json:"missing"`
	Unit    string   `json:"unit"`
	Kind    string   `json:"kind"`
	Scale   *float64 `json:"scale"`
	Offset  *float64 `json:"offset"`
}

func newConverter(in *abi.OpenInput) (*converter, error) {
	var cfg config
	if err := snaprail.Config(in, &cfg); err != nil {
		return nil, err
	}
	switch cfg.Input {
	case "", "raw", "hex", "base64":
	default:
		return nil, fmt.Errorf("input: %q is not raw, hex or base64", cfg.Input)
	}
	if len(cfg.Fields) == 0 {
		return nil, fmt.Errorf("fields: at least one field is needed")
	}
	c := &converter{input: cfg.Input, length: [2]int{cfg.MinLength, cfg.MaxLength}}
	if cfg.Checksum != nil {
		sum, err := cfg.Checksum.checksum(cfg.Endian)
		if err != nil {
			return nil, fmt.Errorf("checksum: %w", err)
		}
		c.checksum = sum
	}
	configs := make([]reading.Config, len(cfg.Fields))
	for i, f := range cfg.Fields {
		p, err := f.place(cfg.Endian)
		if err != nil {
			return nil, fmt.Errorf("fields[%d]: %w", i, err)
		}
		c.layout = append(c.layout, p)
		configs[i] = reading.Config{Name: f.Name, Unit: f.Unit, Kind: f.Kind, Scale: f.Scale, Offset: f.Offset}
		if p.kind == text || p.kind == raw || p.kind == boolean {
			configs[i].Type = "string" // which has no scale either
		}
	}
	set, err := reading.NewSet(configs)
	c.set = set
	return c, err
}

func (f fieldConfig) place(endian string) (p place, err error) {
	is, ok := types[f.Type]
	if !ok {
		return p, fmt.Errorf("%q: type %q is not known; the README lists them", f.Name, f.Type)
	}
	p = place{at: f.At, size: is.size, kind: is.kind, bit: f.Bit, bits: f.Bits}
	if p.size == 0 {
		p.size = f.Length
	} else if f.Length != 0 && f.Length != p.size {
		return p, fmt.Errorf("%q: a %s has %d bytes, and not %d", f.Name, f.Type, p.size, f.Length)
	}
	if p.size < 0 || p.kind == bcd && (p.size < 1 || p.size > 8) {
		return p, fmt.Errorf("%q: length %d: a bcd has 1 to 8 bytes, a string and bytes any number", f.Name, p.size)
	}
	if f.Endian != "" {
		endian = f.Endian
	}
	if p.little, p.swap, err = order(endian); err != nil {
		return p, fmt.Errorf("%q: %w", f.Name, err)
	}
	if p.swap && p.size%2 != 0 {
		p.swap = false // one register, or none
	}
	return p, f.check(&p)
}

// check checks bits and what stands for no value.
func (f fieldConfig) check(p *place) error {
	whole := uint(p.size) * 8
	if p.bit != 0 || p.bits != 0 {
		if p.kind != unsigned && p.kind != signed && p.kind != boolean {
			return fmt.Errorf("%q: bits are parts of integers and bools", f.Name)
		}
		if p.bit >= whole || p.bits > whole-p.bit {
			return fmt.Errorf("%q: bits %d to %d are not in %d bits", f.Name, p.bit, p.bit+p.bits, whole)
		}
	}
	if p.kind == boolean && p.bits == 0 {
		p.bits = 1
		if f.Bit == 0 {
			p.bits = 8 // any of them
		}
	}
	if f.Missing == "" {
		return nil
	}
	if p.kind == text || p.kind == raw || p.kind == bcd || p.kind == boolean {
		return fmt.Errorf("%q: missing is for numbers", f.Name)
	}
	n, err := strconv.ParseUint(f.Missing, 0, 64)
	if err != nil {
		return fmt.Errorf("%q: missing: %q is no number such as 0x7fff: the bits as they stand there", f.Name, f.Missing)
	}
	p.absent = &n
	return nil
}

func (c *checksumConfig) checksum(endian string) (*checksum, error) {
	size, ok := sizes[c.Type]
	if !ok {
		return nil, fmt.Errorf("type %q is not crc16_modbus, crc16_ccitt, crc32, sum8 or xor8", c.Type)
	}
	if c.Endian != "" {
		endian = c.Endian
	} else if c.Type == "crc16_modbus" {
		endian = "little" // as Modbus has it, whatever the registers are
	}
	little, _, err := order(endian)
	s := &checksum{kind: c.Type, from: c.From, at: -size, little: little}
	if c.At != nil {
		s.at = *c.At
	}
	if s.from < 0 || s.at >= 0 && s.at < s.from {
		return nil, fmt.Errorf("from %d to %d is no part", s.from, s.at)
	}
	return s, err
}

func order(name string) (little, swap bool, err error) {
	switch name {
	case "", "big":
	case "little":
		little = true
	case "big_swap":
		swap = true
	case "little_swap":
		little, swap = true, true
	default:
		return false, false, fmt.Errorf("endian: %q is not big, little, big_swap or little_swap", name)
	}
	return little, swap, nil
}
