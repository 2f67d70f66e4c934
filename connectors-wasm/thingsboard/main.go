// Command thingsboard passes the records of the tenant's connectors on to a
// ThingsBoard platform through its MQTT gateway API, and the platform's attribute
// updates and RPCs back to those connectors. README.md says how to configure it.
package main

import (
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/handover"
	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
)

var _ = snaprail.Register(&gateway{})

func main() {}

// The timers.
const (
	timerConnect = "connect" // tell the platform of the devices
	timerDevices = "devices" // look which of them are silent
)

// codeNotActive is what a guest is answered that is only tested, and would be let
// write if it ran.
const codeNotActive = "not_active"

// gateway is the connector.
type gateway struct {
	config     *config
	session    *mqtt.Session
	devices    *registry
	connection uint64 // the last that was looked at; 0: none
	asked      asked
	made       *kv.Ring // RPCs that were passed on
	unkept     bool     // of them was told
	trouble    log.Seldom
}

// Open connects. The platform is told of devices later: a guest that is opened for
// a swap may not publish yet.
func (g *gateway) Open(in *abi.OpenInput, step *snaprail.Step) error {
	c, err := readConfig(in)
	if err != nil {
		return err
	}
	g.config, g.connection, g.asked, g.trouble = c, 0, newAsked(time.Now().UnixMilli()), log.Seldom{}
	g.devices = load()
	g.loadDone()
	g.session, err = mqtt.Open(c.dial(
		mqtt.Subscription{Filter: topicAttributes, QoS: 1}, mqtt.Subscription{Filter: topicResponse, QoS: 1},
		mqtt.Subscription{Filter: topicRPC, QoS: 1},
		mqtt.Subscription{Filter: topicOwnRPC + "+", QoS: 1}, mqtt.Subscription{Filter: topicOwnResponse + "+", QoS: 1},
	))
	if err != nil {
		return err
	}
	step.After(timerConnect, 0)
	if c.DeviceTimeout > 0 {
		step.Every(timerDevices, max(snaprail.Seconds(c.DeviceTimeout)/4, 100*time.Millisecond))
	}
	return nil
}

// Test logs in, and asks whether it may publish. It publishes nothing.
func (g *gateway) Test(in *abi.OpenInput) abi.TestResult {
	c, err := readConfig(in)
	if err != nil {
		return snaprail.TestFailed(err)
	}
	session, err := mqtt.Open(c.dial())
	if err == nil {
		_, err = session.Publish() // nothing: the answer is whether that is granted
	}
	if err != nil && !snaprail.IsError(err, codeNotActive) {
		return snaprail.TestFailed(err)
	}
	return abi.TestResult{Success: true, Message: "the platform knows the gateway"}
}

// OnEvents follows the connection, and does what the platform says, as far as there
// is time: each message may wait for a device.
func (g *gateway) OnEvents(events []abi.Event, step *snaprail.Step) error {
	began := time.Now()
	for i := range events {
		event := &events[i]
		switch event.Type {
		case abi.EventData:
			if time.Since(began) > stepTime {
				step.Retry(i, 0, "those before it took the time of the step")
				continue
			}
			messages, err := mqtt.Received(*event)
			if err != nil {
				step.Reject(i, err.Error())
				continue
			}
			for m := range messages {
				g.receive(&messages[m], step)
			}
		case abi.EventUp:
			g.attempt(step)
		case abi.EventDown:
			g.lost(event)
		case abi.EventGap:
			log.Warning("messages of the platform were lost: " + event.Name)
		case abi.EventTimer:
			g.tick(event.Name, step)
		default: // of a newer contract
		}
	}
	return nil
}

func (g *gateway) tick(timer string, step *snaprail.Step) {
	switch timer {
	case timerConnect:
		g.attempt(step)
	case timerDevices:
		if err := g.silence(time.Now().UnixNano()); err != nil {
			g.trouble.Warning("the platform was not told of a device that is silent: " + err.Error())
		}
	}
}

func (g *gateway) attempt(step *snaprail.Step) {
	if err := g.ready(); err != nil {
		g.trouble.Warning("the platform has not been told of the devices: " + err.Error())
		step.After(timerConnect, time.Second)
	}
}

func (g *gateway) lost(event *abi.Event) {
	g.connection = 0
	why := "no reason given"
	if event.Err != nil {
		why = event.Err.Error()
	}
	log.Warning("the platform is away: " + why)
}

// ready makes sure that there is a connection, on which the platform has been told
// of all devices.
func (g *gateway) ready() error {
	info, err := g.session.Info()
	if err != nil {
		return err
	}
	if !info.Up {
		g.connection = 0
		return &abi.Error{Kind: abi.FaultUnavailable, Code: "not_connected", Text: "the platform is away: " + info.Reason, RetryAfterMS: 1000}
	}
	if info.Connections == g.connection {
		return nil
	}
	var out []message
	for _, d := range g.devices.list {
		d.connected = false
		if !d.Gone {
			out = append(out, g.connect(d)...)
		}
	}
	if err := g.sendAll(out...); err != nil {
		return err
	}
	g.connection = info.Connections
	g.trouble.Over()
	return nil
}

// connect is what tells the platform of a device, and asks for the attributes that
// it is to be sent.
func (g *gateway) connect(d *device) []message {
	d.connected = true
	d.seen = time.Now().UnixNano()
	body := append([]byte(`{"device":`), quoted(d.Name)...)
	body = append(append(body, `,"type":`...), quoted(d.Type)...)
	out := []message{{Message: mqtt.Message{Topic: topicConnect, QoS: 1, Payload: append(body, '}')}}}
	if len(g.config.SharedAttributes) > 0 {
		out = append(out, message{Message: g.request(d.Name, false, g.config.SharedAttributes, question{device: d.Name, keys: g.config.SharedAttributes})})
	}
	return out
}

// Deliver publishes records. It holds them back while the platform is away.
func (g *gateway) Deliver(in *abi.DeliverInput, step *snaprail.Step) error {
	if err := g.ready(); err != nil {
		after, _ := handover.Wait(err)
		step.Retry(0, after, err.Error())
		return nil
	}
	items, connects := g.items(in, step)
	if err := g.sendAll(connects...); err != nil {
		for _, it := range items {
			g.devices.byName[it.device].connected = false
		}
		after, _ := handover.Wait(err)
		step.Retry(items[0].record, after, err.Error()) // connects are of items
		return nil
	}
	g.publish(items, step)
	g.devices.save()
	return nil
}

// items are what records say, and the messages that connect devices before it.
func (g *gateway) items(in *abi.DeliverInput, step *snaprail.Step) (items []item, connects []message) {
	now, at := time.Now().UnixNano(), -1
	for p := range in.Parts {
		part := &in.Parts[p]
		for i := range part.Batch.Records {
			at++
			r := &part.Batch.Records[i]
			if r.Kind == abi.KindGap {
				step.Skip(at, "a gap")
				continue
			}
			d, reason := g.devices.find(g.config, part.Connector, r.Device)
			var entries []entry
			if reason == "" {
				entries, reason = g.config.entriesOf(r, part.Received)
			}
			switch {
			case reason != "":
				step.Reject(at, reason)
				continue
			case len(entries) == 0:
				step.Skip(at, "no value that the platform takes")
				continue
			}
			it := newItem(at, d.Name, r.Kind, entries)
			if it.size > g.config.MaxPayload {
				step.Reject(at, "the record is larger than a message to the platform may be: see max_payload")
				continue
			}
			d.seen = now
			if !d.connected {
				connects = append(connects, g.connect(d)...)
			}
			items = append(items, it)
		}
	}
	return items, connects
}

// publish sends items, and judges their records. What the platform will never take
// is sent once more record by record, so that only the guilty one is rejected.
func (g *gateway) publish(items []item, step *snaprail.Step) {
	for messages := pack(items, g.config.MaxPayload); len(messages) > 0; {
		results, err := g.send(messages)
		held := -1
		hold := func(m message) {
			if held < 0 || m.first() < held {
				held = m.first()
			}
		}
		var alone []message
		for i, m := range messages {
			switch {
			case i >= len(results):
				hold(m)
			case results[i].Code == "":
			case results[i].Retry || !forGood(results[i].Code):
				hold(m)
				err = refused(results[i])
			case len(m.items) == 1:
				step.Reject(m.first(), "the platform refuses it: "+refused(results[i]).Error())
			default:
				alone = append(alone, m.apart()...)
			}
		}
		if held >= 0 {
			for _, m := range alone {
				hold(m)
			}
			after, _ := handover.Wait(err)
			step.Retry(held, after, err.Error())
			return
		}
		messages = alone
	}
}

// forGood reports whether a code is the word on a message itself: nothing that
// somebody puts right elsewhere, such as a grant, will get it through.
func forGood(code string) bool {
	switch code {
	case "invalid", "packet_too_large", "payload_format_invalid", "topic_name_invalid":
		return true
	default:
		return false
	}
}

func refused(r mqtt.PublishResult) *abi.Error {
	kind := abi.FaultDenied
	if r.Retry {
		kind = abi.FaultUnavailable
	}
	return &abi.Error{Kind: kind, Code: r.Code, Text: r.Text}
}

// Of one call of the host.
const (
	maxMessages = 128
	maxBytes    = 768 << 10
)

// send publishes messages in their order. With an error there are results of the
// first of them only.
func (g *gateway) send(messages []message) (results []mqtt.PublishResult, err error) {
	for len(results) < len(messages) {
		size := 0
		var batch []mqtt.Message
		for _, m := range messages[len(results):] {
			if size += len(m.Payload); len(batch) == maxMessages || len(batch) > 0 && size > maxBytes {
				break
			}
			batch = append(batch, m.Message)
		}
		sent, err := g.session.Publish(batch...)
		if err == nil && len(sent) != len(batch) {
			err = &abi.Error{Kind: abi.FaultInternal, Code: "internal", Text: "not every message has a result"}
		}
		if err != nil {
			return results, err
		}
		results = append(results, sent...)
	}
	return results, nil
}

// sendAll is send of messages that have to be sent, all of them.
func (g *gateway) sendAll(messages ...message) error {
	results, err := g.send(messages)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Code != "" {
			return refused(r)
		}
	}
	return nil
}

// silence tells the platform of devices that have had no data for too long.
func (g *gateway) silence(now int64) error {
	var out []message
	for _, d := range g.devices.list {
		if d.connected && now-d.seen > int64(snaprail.Seconds(g.config.DeviceTimeout)) {
			out = append(out, g.disconnect(d))
		}
	}
	if err := g.sendAll(out...); err != nil {
		return err
	}
	g.devices.save()
	return nil
}

func (g *gateway) disconnect(d *device) message {
	d.connected, d.Gone = false, true
	g.devices.changed(d)
	body := append([]byte(`{"device":`), quoted(d.Name)...)
	return message{Message: mqtt.Message{Topic: topicDisconnect, QoS: 1, Payload: append(body, '}')}}
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }
