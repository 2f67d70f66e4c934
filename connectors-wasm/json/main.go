// Command json is a converter that takes values out of JSON by path. README.md
// says how to configure it.
package main

import (
	"encoding/json"
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/reading"
)

var _ = snaprail.Register(&converter{})

func main() {}

// converter is the guest as it was opened.
type converter struct {
	each   path
	isEach bool
	device path
	clock  *clock
	fields []field
	set    *reading.Set
}

type field struct {
	path     path
	optional bool
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

// Convert takes each record's payload apart. One that does not fit is rejected
// whole.
func (c *converter) Convert(batch *abi.Batch, step *snaprail.Step) error {
	for i := range batch.Records {
		if err := c.convert(&batch.Records[i], step); err != nil {
			step.Reject(i, err.Error())
		}
	}
	return nil
}

// maxEach bounds the records that one payload becomes.
const maxEach = abi.MaxItems

func (c *converter) convert(r *abi.Record, step *snaprail.Step) error {
	if !json.Valid(r.Payload) {
		return fmt.Errorf("the payload %q is not JSON", reading.Clip(r.Payload))
	}
	top := &document{raw: r.Payload}
	elements := []*document{top}
	if c.isEach {
		list := top.at(c.each)
		if list != nil {
			list.open()
		}
		if list == nil || list.array == nil {
			return fmt.Errorf("each: there is no list in %q", reading.Clip(r.Payload))
		}
		elements = list.array
	}
	if len(elements) > maxEach {
		return fmt.Errorf("each: the list has %d elements, and %d are taken", len(elements), maxEach)
	}
	for _, d := range elements { // all of it is read before any of it counts
		if _, _, err := c.read(r, top, d); err != nil {
			return err
		}
	}
	for n, d := range elements {
		device, at, err := c.read(r, top, d)
		if err != nil {
			return err
		}
		one := *r
		if n > 0 && one.SourceKey != "" {
			one.SourceKey = fmt.Sprintf("%s#%d", one.SourceKey, n)
		}
		c.set.Emit(&one, device, at, step)
	}
	return nil
}

// read puts the values of one element into the set. Paths lead from the element
// on, and from the top of the payload where the element has nothing.
func (c *converter) read(r *abi.Record, top, d *document) (device string, at int64, err error) {
	device, at = r.Device, r.Time
	if c.device != nil {
		if device, err = text(find(top, d, c.device)); err != nil {
			return "", 0, fmt.Errorf("device: %w in %q", err, reading.Clip(r.Payload))
		}
	}
	if c.clock != nil {
		if at, err = c.clock.read(find(top, d, c.clock.path), at); err != nil {
			return "", 0, fmt.Errorf("time: %w in %q", err, reading.Clip(r.Payload))
		}
	}
	c.set.Clear()
	for i := range c.fields {
		f := &c.fields[i]
		found := find(top, d, f.path)
		if found.null() {
			if f.optional {
				continue
			}
			return "", 0, fmt.Errorf("field %q: there is no value in %q", c.set.Field(i).Name, reading.Clip(r.Payload))
		}
		value, err := c.set.Field(i).JSON(found.raw)
		if err != nil {
			return "", 0, err
		}
		c.set.Put(i, value)
	}
	return device, at, nil
}

func find(top, d *document, p path) *document {
	if found := d.at(p); found != nil || top == d {
		return found
	}
	return top.at(p)
}

// text is a name: a text, or a number as it stands.
func text(d *document) (string, error) {
	if d.null() {
		return "", fmt.Errorf("there is none")
	}
	var name string
	if json.Unmarshal(d.raw, &name) == nil {
		if name == "" {
			return "", fmt.Errorf("it is empty")
		}
		return name, nil
	}
	var number json.Number
	if json.Unmarshal(d.raw, &number) == nil {
		return number.String(), nil
	}
	return "", fmt.Errorf("it is no text")
}
