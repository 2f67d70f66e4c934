// Command modbus is a connector that polls the registers of Modbus devices, over
// serial lines (RTU) and TCP, and writes to them what is sent to them. README.md
// says how to configure it.
package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

var _ = snaprail.Register(&bus{})

func main() {}

// bus is one endpoint, a line or an address, with the devices behind it.
type bus struct {
	link    link
	devices []*device
	bad     []*misfit
}

// misfit is a device whose config does not hold: it is left out, and the others work.
type misfit struct {
	id     string
	reason error
	tags   []string // of it, as far as they can be read
	told   bool
}

// device is one unit on the bus.
type device struct {
	unit

	id     string
	reads  []read
	next   int           // the read that comes next
	left   int           // reads of this round
	last   map[int]known // by the place of the item
	silent int           // polls in a row without an answer
	good   bool          // a read of this round has worked
	reason *abi.Error    // of the first read of it that did not work
	broken *abi.Error    // the reason of the last round when it told nothing; nil: it told something

	began    time.Time     // the last poll
	booked   bool          // whether it said when the next is to be
	interval time.Duration // between polls, where it did not
}

// known is what was told last of an item.
type known struct {
	value abi.Value
	bad   bool // and is not so any more, perhaps
}

// The bounds of one poll. A call may take five seconds.
const (
	pollBudget  = 2500 * time.Millisecond
	longestRest = 30 * time.Second
)

// Open opens the endpoint, and plans what is read of each device. One whose config
// does not hold is left out, unless there is no other.
func (b *bus) Open(in *abi.OpenInput, _ *snaprail.Step) error {
	*b = bus{}
	if in.Lane == "" {
		if len(in.Devices) > 0 {
			return invalid(in.Devices[0].ID, "", "it has no endpoint: a serial port such as /dev/ttyUSB0, or host:port")
		}
		return nil // nobody is to be reached yet
	}
	c, err := readConfig(in)
	if err != nil {
		return err
	}
	for i := range in.Devices {
		d := &in.Devices[i]
		u, err := c.unitOf(d)
		if err != nil {
			log.Error(err.Error() + "; it is left out")
			b.bad = append(b.bad, &misfit{id: strings.Clone(d.ID), reason: err, tags: u.tags()})
			continue
		}
		b.devices = append(b.devices, &device{unit: u, id: d.ID, reads: u.plan(), last: map[int]known{}})
	}
	if len(b.devices) == 0 && len(b.bad) > 0 {
		return b.bad[0].reason
	}
	b.link, err = openLink(endpointOf(in), c)
	return err
}

// endpointOf is what the lane reaches: its own name, unless a manifest divides the
// connector otherwise.
func endpointOf(in *abi.OpenInput) string {
	if len(in.Devices) > 0 && in.Devices[0].Endpoint != "" {
		return in.Devices[0].Endpoint
	}
	return in.Lane
}

// Poll reads the device whose turn it is. Where no device of the endpoint works, a
// poll that has nothing to tell fails with the reason, so that the connector shows it.
func (b *bus) Poll(_ []byte, step *snaprail.Step) error {
	d := b.device(step.Device())
	if d == nil {
		if m := b.misfit(step.Device()); m != nil {
			m.tell(step)
		}
	} else if err := b.poll(d, step); err != nil {
		return err
	}
	if out := step.Outcome(); len(out.Batch.Records) > 0 || b.works() {
		return nil
	}
	return b.trouble(d, step)
}

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

func (b *bus) device(id string) *device {
	for _, d := range b.devices {
		if d.id == id || id == "" && len(b.devices) == 1 && len(b.bad) == 0 {
			return d
		}
	}
	return nil
}

func (b *bus) misfit(id string) *misfit {
	for _, m := range b.bad {
		if m.id == id {
			return m
		}
	}
	return nil
}

// noDevice answers a message to a device that is not polled.
func (b *bus) noDevice(m *abi.Message, step *snaprail.Step) error {
	if bad := b.misfit(m.Device); bad != nil {
		return step.Fail(m, "invalid_config", "{0}", bad.reason.Error())
	}
	return step.Fail(m, "device_unknown", "there is no device {0} here", m.Device)
}

// tell says once that nothing is known of the device, and why.
func (m *misfit) tell(step *snaprail.Step) {
	if m.told {
		return
	}
	m.told = true
	now := time.Now().UnixNano()
	text := abi.Point{Name: "config_error", Value: abi.String(m.reason.Error()), Quality: badConfiguration}
	event := step.Record(abi.KindEvent, m.id, now)
	event.Points = append(event.Points, text)
	var points []abi.Point
	for _, tag := range m.tags {
		points = append(points, abi.Point{Name: tag, Quality: badConfiguration})
	}
	if len(points) > 0 {
		step.Telemetry(m.id, now, points...)
	}
}

// poll makes the device's reads, as many as fit into a call, and the others right
// after. A device that does not answer is left alone for a while, so that it does
// not take the line from others.
//
// What was not granted is no matter of the device. Its poll fails once the values are
// told to be bad, so that the connector shows it.
func (b *bus) poll(d *device, step *snaprail.Step) error {
	began := time.Now()
	d.begin(began)
	for ; d.left > 0; d.left-- {
		if time.Since(began) > pollBudget {
			d.booked = true
			step.NextPoll(time.Millisecond)
			return nil
		}
		d.next %= len(d.reads)
		r := &d.reads[d.next]
		before := r.quality
		d.next++
		switch err := b.read(d, r, step); {
		case err == nil:
			d.told(r, "", 0, step)
			d.silent, d.good, d.broken = 0, true, nil
		case !d.failed(r, err, step):
			d.left = 0
			if denied(err) && before != 0 {
				d.next--
				return err
			}
			if !worthwhile(err) {
				return nil // the endpoint is away, which the host shows, and costs nobody time
			}
			d.end()
			d.silent++
			if rest := min(time.Second<<min(d.silent, 6), longestRest); d.silent > 1 && rest > d.interval {
				d.booked = true
				step.NextPoll(rest)
			}
			return nil
		}
	}
	d.end()
	return nil
}

// end ends a round: one of which no read has worked says why.
func (d *device) end() {
	if !d.good {
		d.broken = d.reason
	}
}

// denied reports whether the connector was not granted what it asked for.
func denied(err error) bool {
	fault, ok := errors.AsType[*abi.Error](err)
	return ok && fault.Kind == abi.FaultDenied
}

// begin begins a round of reads, unless one is to be gone on with.
func (d *device) begin(now time.Time) {
	if !d.booked && !d.began.IsZero() {
		d.interval = now.Sub(d.began)
	}
	d.began, d.booked = now, false
	if d.left == 0 {
		d.left, d.good, d.reason = len(d.reads), false, nil
	}
}

// read makes one read, and a record of what it says.
func (b *bus) read(d *device, r *read, step *snaprail.Step) error {
	data, at, err := b.ask(d, r)
	if err != nil {
		return err
	}
	var telemetry, attributes []abi.Point
	for _, i := range r.items {
		it := &d.items[i]
		v := it.decode(r.cut(it, data))
		if !d.changed(i, it, v) && it.onChange {
			continue
		}
		point := abi.Point{Name: it.Tag, Unit: it.Unit, Value: v}
		if it.attribute {
			attributes = append(attributes, point)
		} else {
			telemetry = append(telemetry, point)
		}
	}
	if len(telemetry) > 0 {
		step.Telemetry(d.id, at, telemetry...)
	}
	if len(attributes) > 0 {
		step.Attributes(d.id, at, attributes...)
	}
	return nil
}

// changed keeps a value, and reports whether it differs from the one that was told
// last.
func (d *device) changed(i int, it *item, v abi.Value) bool {
	last, ok := d.last[i]
	if ok && !last.bad && it.onChange && near(v, last.value, it.Deadband) {
		return false
	}
	d.last[i] = known{value: v}
	return true
}

// Qualities of values that could not be read (OPC UA Part 4, 7.39).
const (
	badNoCommunication = 0x80310000
	badConfiguration   = 0x80890000
	badDeviceFailure   = 0x808B0000
)

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

// ask makes a read, again if the device does not answer or what it says is damaged.
func (b *bus) ask(d *device, r *read) (data []byte, at int64, err error) {
	request := r.request()
	for tries := 0; ; tries++ {
		var answer []byte
		answer, at, err = b.link.ask(byte(d.UnitID), request, r.answerSize(), false)
		if err == nil {
			err = verdictOf(request, answer)
		}
		if err == nil {
			data, err = r.data(answer)
		}
		if err == nil {
			return data, at, nil
		}
		if tries >= d.Retries || !worthwhile(err) {
			return nil, 0, err
		}
	}
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

// OnEvents logs when the endpoint goes and comes back.
func (b *bus) OnEvents(events []abi.Event, _ *snaprail.Step) error {
	for i := range events {
		switch e := &events[i]; e.Type {
		case abi.EventUp:
			log.Info("the connection is back")
		case abi.EventDown:
			why := "no reason given"
			if e.Err != nil {
				why = e.Err.Error()
			}
			log.Warning("the connection is lost: " + why)
		default: // nothing that a poll would not notice
		}
	}
	return nil
}

// Test looks whether the config holds together, and whether the endpoint of the
// devices opens, as far as the host names any. To ask a device is to write, which a
// test may not where the host says so. A device that is silent may come back, and one
// that answers is enough; a config that does not hold fails the test.
func (b *bus) Test(in *abi.OpenInput) abi.TestResult {
	*b = bus{}
	c, err := readConfig(in)
	if err == nil {
		err = c.check()
	}
	var step snaprail.Step
	if err == nil && len(in.Devices) > 0 {
		err = b.Open(in, &step)
	}
	if err != nil && (len(b.bad) == 0 || len(b.devices) > 0) {
		return snaprail.TestFailed(err)
	}
	n := len(b.devices) + len(b.bad)
	if n == 0 {
		return abi.TestResult{Success: true, Message: "the config holds together; there is no device yet that could be asked"}
	}
	result := abi.TestResult{Success: len(b.bad) == 0}
	detail := func(name, text string) {
		if len(result.Details) < shown {
			result.Details = append(result.Details, abi.Header{Name: name, Value: []byte(text)})
		}
	}
	for _, m := range b.bad {
		if !result.Success && len(result.Details) == 0 {
			result.Details = snaprail.TestFailed(m.reason).Details // its code and hint
		}
		detail(m.id, m.reason.Error())
	}
	counts := map[string]int{}
	for _, d := range b.devices {
		said, err := d.tried(b, &step)
		if denied(err) {
			return snaprail.TestFailed(err) // it concerns all of them
		}
		counts[said]++
		detail(d.id, said)
	}
	switch {
	case counts[untried] > 0:
		result.Message = fmt.Sprintf("%s opens for %d devices, which are asked when the connector runs", endpointOf(in), n)
	default:
		result.Message = fmt.Sprintf("%d of %d devices answer", counts[answers], n)
		result.Success = result.Success && counts[answers] > 0
	}
	if len(b.bad) > 0 {
		result.Message = fmt.Sprintf("the config of %d of %d devices does not hold; %v", len(b.bad), n, b.bad[0].reason)
	}
	return result
}

// shown is how many devices a test names.
const shown = 50

// What a test says of a device that it did not fail with.
const (
	answers = "answers"
	untried = "is not asked by a test: its endpoint opens"
)

// tried makes the first read of a device.
func (d *device) tried(b *bus, step *snaprail.Step) (said string, err error) {
	if len(d.reads) == 0 {
		return untried, nil
	}
	err = b.read(d, &d.reads[0], step)
	switch {
	case err == nil:
		return answers, nil
	case snaprail.IsError(err, "not_active"):
		return untried, nil
	}
	return err.Error(), err
}
