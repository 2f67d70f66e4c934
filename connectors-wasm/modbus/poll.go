package main

import (
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

// The bounds of one poll. A call may take five seconds.
const (
	pollBudget  = 2500 * time.Millisecond
	longestRest = 30 * time.Second
)

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
