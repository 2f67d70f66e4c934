package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

// Qualities of values that could not be read (OPC UA Part 4, 7.39).
const (
	badNoCommunication = 0x80310000
	badConfiguration   = 0x80890000
	badDeviceFailure   = 0x808B0000
)

// works reports whether a device of the endpoint told something in its last round,
// or was not asked yet.
func (b *bus) works() bool {
	return len(b.devices) == 0 || slices.ContainsFunc(b.devices, func(d *device) bool { return d.broken == nil })
}

// trouble is the error of a poll of an endpoint no device of which works: the first
// one's, whichever was polled, so that it is the same one for as long as nothing
// changes. The device is left alone as long as the step says.
func (b *bus) trouble(polled *device, step *snaprail.Step) error {
	err := *b.devices[0].broken
	if n := len(b.devices) + len(b.bad); n > 1 {
		err.Text = fmt.Sprintf("none of the %d devices works; %s", n, err.Text)
	}
	if polled != nil {
		polled.booked = true
	}
	err.RetryAfterMS = step.Outcome().NextPollMS
	return &err
}

// failed deals with a read that was refused. It is false when the device does not
// answer at all.
func (d *device) failed(r *read, err error, step *snaprail.Step) bool {
	if d.reason == nil {
		d.reason = d.troubleAt(r, err)
	}
	refused, ok := errors.AsType[*exception](err)
	if !ok {
		d.told(r, err.Error(), badNoCommunication, step)
		return false
	}
	d.silent = 0
	if refused.code == illegalAddress && len(r.items) > 1 {
		d.split(r) // some of what stands between the items is not there
		return true
	}
	d.told(r, err.Error(), badDeviceFailure, step)
	return true
}

// troubleAt is a read that did not work, as the connector's trouble.
func (d *device) troubleAt(r *read, err error) *abi.Error {
	text := err.Error()
	if fault, ok := errors.AsType[*abi.Error](err); ok {
		text = fault.Text
	}
	return &abi.Error{
		Kind: abi.FaultUnavailable, Code: because(err).code, Text: fmt.Sprintf("device %s: %s: %s", d.id, r, text),
		Hint: "Check the line, the unit id and the registers; the values have a bad quality until the device answers.",
	}
}

// told logs what became of a read when it is not what it was the last time. That
// its values are not known any more is told once, by the last ones with a quality
// that is bad.
func (d *device) told(r *read, text string, quality uint32, step *snaprail.Step) {
	before := r.quality
	if r.quality = quality; quality == before {
		return
	}
	if quality == 0 {
		log.Info(fmt.Sprintf("device %s: %s: answered again", d.id, r))
		return
	}
	log.Warning(fmt.Sprintf("device %s: %s: %s", d.id, r, text))
	var points []abi.Point
	for _, i := range r.items {
		last := d.last[i]
		last.bad = true
		d.last[i] = last
		if it := &d.items[i]; !it.attribute {
			points = append(points, abi.Point{Name: it.Tag, Unit: it.Unit, Value: last.value, Quality: quality})
		}
	}
	if len(points) > 0 {
		step.Telemetry(d.id, time.Now().UnixNano(), points...)
	}
}

// denied reports whether the connector was not granted what it asked for.
func denied(err error) bool {
	fault, ok := errors.AsType[*abi.Error](err)
	return ok && fault.Kind == abi.FaultDenied
}

// worthwhile reports whether asking again may help: the device was silent, or the
// line noisy. A port that is away stays away.
func worthwhile(err error) bool {
	if _, ok := errors.AsType[*damaged](err); ok {
		return true
	}
	fault, ok := errors.AsType[*abi.Error](err)
	return ok && fault.Kind == abi.FaultTimeout
}
