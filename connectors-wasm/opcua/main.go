// Command opcua is a connector that watches or polls nodes of an OPC UA server,
// and writes to them, calls its methods and browses it when it is asked to.
// README.md says how to configure it.
package main

import (
	"bytes"
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/go/opcua"
)

var _ = snaprail.Register(&plant{})

func main() {}

// plant is the connector: one server, and the items that are of interest.
type plant struct {
	config

	server  opcua.Server
	numbers map[uint32]int // indexes of the items
	ids     []uint32       // their numbers
	kinds   []opcua.Kind   // of the items, as far as they were seen
	at      []place        // of the items
	devices []device
	filled  []int // indexes of devices that have points, in the order of their first ones

	records, values int  // of the step
	full            bool // the step is
	changes         []opcua.Data
	found           []int  // indexes of the items of an event; -1: none
	look            uint64 // of fits, at the records that are to be
}

// place is where the values of an item go.
type place struct {
	device int
	turn   uint64 // of the record that has the last one
	look   uint64
}

// device is what the next record of a device is made of.
type device struct {
	name   string
	points []abi.Point
	turn   uint64 // of that record
	look   uint64
}

// The names of the one subscription and of the one timer.
const (
	subscription = "items"
	timer        = "poll"
)

// Open connects, and says what is to be watched, or when to poll.
func (p *plant) Open(in *abi.OpenInput, step *snaprail.Step) error {
	c, err := readConfig(in)
	if err != nil {
		return err
	}
	p.config = c
	p.arrange()
	if p.server, err = opcua.Open(c.options()); err != nil {
		return err
	}
	for _, d := range p.devices {
		step.PutDevice(d.name, "opcua", d.name)
	}
	if len(c.Items) == 0 {
		return nil
	}
	if c.Poll > 0 {
		step.Every(timer, snaprail.Seconds(c.Poll))
		return p.server.Unsubscribe(subscription) // of a version before
	}
	step.ClearTimer(timer)
	of, numbers := c.numbers()
	p.numbers, p.ids = of, numbers
	statuses, err := p.server.Subscribe(subscription, c.Interval*1000, c.watched(numbers))
	if err != nil {
		return err
	}
	for i, s := range statuses {
		if s.Bad() {
			log.Warning(fmt.Sprintf("item %s: the server does not watch %s: %v; it is tried again", c.Items[i].Name, c.Items[i].Node, s))
		}
	}
	return nil
}

// arrange finds the devices of the items, in their order.
func (p *plant) arrange() {
	n := len(p.Items)
	p.numbers, p.ids = nil, nil
	p.kinds, p.at, p.devices, p.filled = make([]opcua.Kind, n), make([]place, n), nil, nil
	known := map[string]int{}
	for i := range p.Items {
		name := p.Items[i].Device
		d, there := known[name]
		if !there {
			d = len(p.devices)
			known[name], p.devices = d, append(p.devices, device{name: name, turn: 1})
		}
		p.at[i].device = d
	}
}

// OnEvents makes records of what was published, and polls when it is time.
func (p *plant) OnEvents(events []abi.Event, step *snaprail.Step) error {
	p.records, p.values, p.full = 0, 0, false
	for i := range events {
		event := &events[i]
		switch event.Type {
		case abi.EventData:
			p.changed(i, event, step)
		case abi.EventTimer:
			if event.Name == timer {
				if err := p.poll(event.Time, step); err != nil {
					return err
				}
			}
		case abi.EventDown, abi.EventUp, abi.EventGap:
			p.report(event)
		default: // of a newer contract
		}
	}
	return nil
}

// changed makes records of an event: one for each device, in the order of the
// values, of which an item may have several. What the step has no room for comes
// again in the next one.
func (p *plant) changed(input int, event *abi.Event, step *snaprail.Step) {
	_, values, err := opcua.ChangesInto(p.changes, *event)
	p.changes = values
	if err != nil {
		step.Reject(input, err.Error())
		return
	}
	if p.full = p.full || !p.fits(values); p.full {
		step.Retry(input, 0, "the step is full")
		return
	}
	for i := range values {
		if at := p.found[i]; at >= 0 {
			p.put(at, &values[i], event.Time, step)
		}
	}
	p.flush(event.Time, step)
}

// fits finds the items of values, and reports whether the step has room for the
// records that they make. One event always fits into a step of its own.
func (p *plant) fits(values []opcua.Data) bool {
	p.found = p.found[:0]
	records, filled, at := 0, 0, -1
	p.look++
	for i := range values {
		id := values[i].Item
		if at++; at >= len(p.ids) || p.ids[at] != id { // servers tell of items in their order, most often
			known, there := p.numbers[id]
			if !there {
				p.found = append(p.found, -1) // of a version before
				continue
			}
			at = known
		}
		p.found = append(p.found, at)
		if p.at[at].look == p.look { // the second value of an item begins new records
			records, filled = records+filled, 0
			p.look++
		}
		p.at[at].look = p.look
		if d := &p.devices[p.at[at].device]; d.look != p.look {
			d.look = p.look
			filled++
		}
	}
	records += filled
	if p.records > 0 && (p.records+records > abi.MaxItems || p.values+len(values) > abi.MaxBatchPoints) {
		return false
	}
	p.records, p.values = p.records+records, p.values+len(values)
	return true
}

// put adds a value to the record of its device. Another value of an item that is
// in it already begins the next one.
func (p *plant) put(at int, v *opcua.Data, now int64, step *snaprail.Step) {
	it, d := &p.Items[at], &p.devices[p.at[at].device]
	if p.at[at].turn == d.turn {
		p.flush(now, step)
	}
	p.at[at].turn = d.turn
	n := len(d.points)
	if n == 0 {
		p.filled = append(p.filled, p.at[at].device)
	}
	if n < cap(d.points) {
		d.points = d.points[:n+1]
	} else {
		d.points = append(d.points, abi.Point{})
	}
	to := &d.points[n] // field by field: that is what a guest does best
	to.Name, to.Unit = it.Name, it.Unit
	to.Quality, to.SourceTime = v.Status, opcua.UnixNS(v.SourceTicks)
	if number, ok := opcua.Number(v.Variant); ok {
		p.kinds[at], to.Value = opcua.KindDouble, abi.Double(number)
		return
	}
	to.Value = p.value(at, v)
}

// value is what a record has of a value of an item.
func (p *plant) value(at int, v *opcua.Data) abi.Value {
	if kind, array := opcua.KindOf(v.Variant); kind != opcua.KindNull && !array {
		p.kinds[at] = kind
	}
	value, single := opcua.Value(v.Variant)
	if !single && len(v.Variant) > 0 {
		value = abi.Bytes(v.Variant) // an array or a structure, as it is
	}
	if value.Type() == abi.ValueBytes { // of a reply, which the next call of the host overwrites
		value = abi.Bytes(bytes.Clone(value.Bytes()))
	}
	return value
}

// flush makes the records that have points.
func (p *plant) flush(now int64, step *snaprail.Step) {
	for _, i := range p.filled {
		d := &p.devices[i]
		r := step.Record(abi.KindTelemetry, d.name, now)
		r.Points, d.points = d.points, r.Points // for each other's memory: there is nothing to copy
		d.turn++
	}
	p.filled = p.filled[:0]
}

// poll reads all items. One that fails as a whole is tried again at the next
// time; the host tells of a connection that is lost.
func (p *plant) poll(now int64, step *snaprail.Step) error {
	nodes := make([]opcua.Node, len(p.Items))
	for i := range p.Items {
		nodes[i].Node = p.Items[i].Node
	}
	values, err := p.server.Read(nodes...)
	if err != nil {
		log.Warning("poll: " + err.Error())
		return nil //nolint:nilerr // the next poll tries again
	}
	for i := range values {
		if i > 0 && i%abi.MaxItems == 0 { // or there might be more records than a step may have
			p.flush(now, step)
			if _, err := snaprail.Emit(step); err != nil {
				return err
			}
		}
		p.put(i, &values[i], now, step)
	}
	p.flush(now, step)
	return nil
}

func (p *plant) report(event *abi.Event) {
	switch event.Type {
	case abi.EventUp:
		log.Info(p.Endpoint + " is back")
	case abi.EventGap:
		log.Warning(p.Endpoint + ": values were lost: " + event.Name)
	default:
		why := "no reason given"
		if event.Err != nil {
			why = event.Err.Error()
		}
		log.Warning(p.Endpoint + " is lost: " + why)
	}
}

// shown is how many items that cannot be read a test names.
const shown = 50

// Test connects and reads every item. It shows the certificates of both ends.
func (p *plant) Test(in *abi.OpenInput) abi.TestResult {
	c, err := readConfig(in)
	if err != nil {
		return snaprail.TestFailed(err)
	}
	server, err := opcua.Open(c.options())
	if err != nil {
		return snaprail.TestFailed(err)
	}
	info, err := server.Info()
	if err != nil {
		return snaprail.TestFailed(err)
	}
	result := abi.TestResult{Success: true}
	detail := func(name, text string) {
		result.Details = append(result.Details, abi.Header{Name: name, Value: []byte(text)})
	}
	detail("security", info.Policy+" "+info.Mode)
	detail("client_certificate", info.Fingerprint)
	if info.ServerFingerprint != "" {
		detail("server_certificate", info.ServerFingerprint)
	}
	nodes := make([]opcua.Node, len(c.Items))
	for i := range c.Items {
		nodes[i].Node = c.Items[i].Node
	}
	values, err := server.Read(nodes...)
	if err != nil {
		return snaprail.TestFailed(err)
	}
	bad := 0
	for i, v := range values {
		if s := opcua.Status(v.Status); s.Bad() {
			bad++
			result.Success = false
			if bad > shown {
				continue
			}
			detail(c.Items[i].Name, fmt.Sprintf("%s cannot be read: %v", c.Items[i].Node, s))
		}
	}
	if bad > shown {
		detail("...", fmt.Sprintf("%d more items cannot be read", bad-shown))
	}
	result.Message = fmt.Sprintf("connected with %s %s; %d of %d items read", info.Policy, info.Mode, len(values)-bad, len(values))
	return result
}
