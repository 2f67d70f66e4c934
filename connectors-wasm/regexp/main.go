// Command regexp is a converter that takes values out of text by regular
// expressions. README.md says how to configure it.
package main

import (
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/reading"
)

var _ = snaprail.Register(&converter{})

func main() {}

// converter is the guest as it was opened.
type converter struct {
	patterns  []pattern
	all       bool
	unmatched string
}

// pattern is one of the expressions, with the fields of its groups.
type pattern struct {
	expression *regexp.Regexp
	groups     []int // by field
	set        *reading.Set
}

// Open reads the config.
func (c *converter) Open(in *abi.OpenInput, _ *snaprail.Step) error {
	opened, err := newConverter(in)
	if err != nil {
		return reading.Invalid(err)
	}
	*c = *opened
	return nil
}

// Convert matches each record's payload. One that no expression matches is
// rejected, unless the config says otherwise.
func (c *converter) Convert(batch *abi.Batch, step *snaprail.Step) error {
	for i := range batch.Records {
		r := &batch.Records[i]
		matched, err := c.match(r, step)
		switch {
		case err != nil:
			step.Reject(i, err.Error())
		case matched:
		case c.unmatched == "skip":
			step.Skip(i, "no expression matches")
		case c.unmatched == "pass":
			pass(r, step)
		default:
			step.Reject(i, fmt.Sprintf("no expression matches %q", reading.Clip(r.Payload)))
		}
	}
	return nil
}

// match makes the records of the first expression that matches.
func (c *converter) match(r *abi.Record, step *snaprail.Step) (bool, error) {
	if !utf8.Valid(r.Payload) {
		return false, fmt.Errorf("the payload %q is not UTF-8", reading.Clip(r.Payload))
	}
	for i := range c.patterns {
		p := &c.patterns[i]
		most := 1
		if c.all {
			most = -1
		}
		found := p.expression.FindAllSubmatchIndex(r.Payload, most)
		if len(found) == 0 {
			continue
		}
		return true, p.emit(r, found, step)
	}
	return false, nil
}

// emit makes a record of each match, or of none when a value is not of its type.
func (p *pattern) emit(r *abi.Record, found [][]int, step *snaprail.Step) error {
	for check := true; ; check = false {
		for n, match := range found {
			if err := p.read(r.Payload, match); err != nil {
				return err
			}
			if !check {
				one := *r
				if n > 0 && one.SourceKey != "" {
					one.SourceKey = fmt.Sprintf("%s#%d", one.SourceKey, n)
				}
				p.set.Emit(&one, r.Device, r.Time, step)
			}
		}
		if !check {
			return nil
		}
	}
}

// read puts one match into the set. A group that took no part in it has no
// value.
func (p *pattern) read(payload []byte, match []int) error {
	p.set.Clear()
	for i, group := range p.groups {
		from, to := match[2*group], match[2*group+1]
		if from < 0 {
			continue
		}
		value, err := p.set.Field(i).Text(string(payload[from:to]))
		if err != nil {
			return err
		}
		p.set.Put(i, value)
	}
	return nil
}

// pass leaves a record as it is.
func pass(r *abi.Record, step *snaprail.Step) {
	to := step.Record(r.Kind, r.Device, r.Time)
	to.ContentType, to.Payload, to.Key, to.SourceKey = r.ContentType, r.Payload, r.Key, r.SourceKey
	to.Points = append(to.Points, r.Points...)
	to.Headers = append(to.Headers, r.Headers...)
}
