package main

import (
	"bytes"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// The bounds of what is kept of devices, so that births are never larger than a
// message may be.
const (
	maxDevices     = 4096
	maxMetrics     = 65_536    // of all devices
	maxName        = 1024      // bytes of the name of a metric
	maxKept        = 256       // bytes of a string that a birth holds
	maxDeviceBytes = 900 << 10 // of a birth, by cost
)

// tag is a metric of a device as it was born, and its last value.
type tag struct {
	name, unit string
	alias      uint64
	kind       datatype
	value      abi.Value // as fit has it
	null       bool
	kept       bool // the value is here: strings may be too long
	quality    int
	told       int // the quality that the hosts know
	time       int64
}

// thing is a device, or the node itself, with its metrics.
type thing struct {
	id        string // of the topic; "" is the node
	device    string // as the connector calls it
	connector string
	born      bool
	changed   bool  // its metrics are others than those that were born
	seen      int64 // when it last had data, unix ns
	cost      int
	tags      []*tag
	byName    map[string]*tag
	place     int // where it is kept, if it is
	placed    bool
}

func newThing(id, device string) *thing {
	return &thing{id: id, device: device, byName: map[string]*tag{}}
}

// cost is what a tag adds to a birth at most, in bytes.
func (t *tag) cost() int {
	n := len(t.name) + len(t.unit) + 96
	switch kindOf(t.kind).form {
	case formString, formBytes:
		n += maxKept
	default: // a number
	}
	return n
}

// declare gives a device the metric of a point: it is added, or becomes one of
// another type or unit, and the device has to be born again. The reason is why
// there is no room for it.
func (d *thing) declare(name string, p *abi.Point, asked datatype, room int) (t *tag, refused string) {
	if t = d.byName[name]; t == nil {
		return d.add(name, p, asked, room)
	}
	if p.Value.Type() != abi.ValueNone && asked == typeUnknown {
		if _, ok := fit(t.kind, convert(t.kind, p.Value, false)); !ok {
			d.become(t, widen(t.kind, p.Value))
		}
	}
	if p.Unit != "" && p.Unit != t.unit && len(p.Unit) <= maxName {
		d.cost += len(p.Unit) - len(t.unit)
		t.unit = strings.Clone(p.Unit)
		d.changed = true
	}
	return t, ""
}

func (d *thing) add(name string, p *abi.Point, asked datatype, room int) (t *tag, refused string) {
	kind := asked
	if kind == typeUnknown {
		kind = naturalType(p.Value)
	}
	t = &tag{name: strings.Clone(name), unit: strings.Clone(p.Unit), kind: kind, null: true, kept: true, quality: qualityGood}
	switch {
	case len(name) == 0 || len(name) > maxName || len(p.Unit) > maxName:
		return nil, "a metric without a name, or one longer than 1024 bytes"
	case room <= 0:
		return nil, "there are too many metrics"
	case d.cost+t.cost() > maxDeviceBytes:
		return nil, "the birth of the device would be larger than a message may be"
	}
	d.cost += t.cost()
	d.tags = append(d.tags, t)
	d.byName[t.name] = t
	d.changed = true
	return t, ""
}

// become makes a metric one of another type.
func (d *thing) become(t *tag, kind datatype) {
	was := t.cost()
	if refit, ok := fit(kind, convert(kind, t.value, false)); ok && !t.null {
		t.value = refit
	} else {
		t.null, t.kept = true, true
	}
	t.kind = kind
	d.cost += t.cost() - was
	d.changed = true
}

// set keeps a value for the next birth, unless a newer one is there already.
func (t *tag) set(v abi.Value, null bool, quality int, at int64) {
	if at < t.time {
		return
	}
	t.time, t.quality, t.null, t.kept = at, quality, null, true
	switch {
	case null:
		t.value = abi.Value{}
	case v.Type() == abi.ValueString:
		if t.kept = len(v.String()) <= maxKept; t.kept {
			t.value = abi.String(strings.Clone(v.String()))
		}
	case v.Type() == abi.ValueBytes:
		if t.kept = len(v.Bytes()) <= maxKept; t.kept {
			t.value = abi.Bytes(bytes.Clone(v.Bytes()))
		}
	default:
		t.value = v
	}
	if !t.kept {
		t.value = abi.Value{}
	}
}

// birth is the metric in a birth, with name, type and what was last known.
func (t *tag) birth(now int64) metric {
	m := metric{
		Name: t.name, Alias: t.alias, Time: t.time / 1e6, Type: t.kind, Unit: t.unit,
		Quality: t.quality, Value: t.value, Null: t.null || !t.kept,
	}
	if t.time == 0 {
		m.Time = now
	}
	t.told = t.quality
	return m
}
