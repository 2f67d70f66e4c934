// Command sparkplug is an edge node of Sparkplug B 3.0: it publishes the records
// of the tenant's connectors to hosts over MQTT, with births and deaths, and
// passes the hosts' commands on to those connectors. README.md says how to
// configure it, and which rules of the specification it keeps.
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

var _ = snaprail.Register(&node{})

func main() {}

// version is the module's, as the manifest has it.
const version = "1.0.0"

// The timers.
const (
	timerBirth   = "birth"   // try to be born
	timerDevices = "devices" // look which devices are silent
)

// codeNotActive is what a guest is answered that is only tested, and would be let
// write if it ran.
const codeNotActive = "not_active"

// node is the connector.
type node struct {
	config  *config
	edge    *edge
	session *mqtt.Session

	connection uint64 // the last that was looked at; 0: none
	host       host
	early      *word    // that came before the connection was there
	dead       bool     // hosts were told, and it was not born since
	made       *kv.Ring // commands that were passed on
	unkept     bool     // of them was told
	trouble    log.Seldom
}

// Open connects, with the death certificate of this connection as its will. The
// birth comes later: a guest that is opened for a swap may not publish yet.
func (n *node) Open(in *abi.OpenInput, step *snaprail.Step) error {
	c, err := readConfig(in)
	if err != nil {
		return err
	}
	n.config, n.edge, n.connection, n.host, n.early, n.dead = c, newEdge(c), 0, host{}, nil, false
	n.trouble = log.Seldom{}
	n.edge.load()
	n.loadMade()
	if err := n.connect(); err != nil {
		return err
	}
	if in.Reason != abi.ReasonSwap { // the next connection is to have the next number, however soon it comes
		if err := n.look(); err != nil {
			log.Warning("after connecting: " + err.Error())
		}
	}
	step.After(timerBirth, 0)
	if c.DeviceTimeout > 0 {
		step.Every(timerDevices, max(snaprail.Seconds(c.DeviceTimeout)/4, 100*time.Millisecond))
	}
	return nil
}

func (n *node) connect() (err error) {
	next, err := nextBDSeq()
	if err != nil {
		return err
	}
	n.session, err = mqtt.Open(n.config.dial(n.edge.address, n.edge.death(next, time.Now().UnixNano())))
	return err
}

// Test connects under another name and without a will, so that hosts see nothing
// of it, and asks whether it may publish. It publishes nothing.
func (n *node) Test(in *abi.OpenInput) abi.TestResult {
	c, err := readConfig(in)
	if err != nil {
		return snaprail.TestFailed(err)
	}
	args := c.dial(address{c.Group, c.Node}, mqtt.Message{})
	args.ClientID, args.Will = "", nil
	session, err := mqtt.Open(args)
	if err != nil {
		return snaprail.TestFailed(err)
	}
	if _, err := session.Info(); err != nil {
		return snaprail.TestFailed(err)
	}
	if _, err := session.Publish(); err != nil && !snaprail.IsError(err, codeNotActive) { // nothing: the answer is whether that is granted
		return snaprail.TestFailed(err)
	}
	return abi.TestResult{Success: true, Message: "the broker answers and lets the node subscribe to its commands"}
}

// Close says goodbye, unless a newer guest goes on with the session
// (tck-id-operational-behavior-edge-node-intentional-disconnect-ndeath). Hosts see one
// death: this one, or else the will, which the broker publishes unless it is told
// goodbye. A node that waits for its host has died before.
func (n *node) Close(reason string) error {
	if n.session == nil || n.edge == nil || reason == abi.ReasonSwap || reason == abi.ReasonTest {
		return nil
	}
	if !n.edge.born {
		if n.dead || n.config.PrimaryHost != "" && n.host.Known && !n.host.Online {
			return n.session.Close()
		}
		return nil
	}
	n.edge.born = false
	results, err := n.session.Publish(n.edge.death(n.edge.bdSeq, time.Now().UnixNano()))
	if err != nil || len(results) != 1 || results[0].Code != "" {
		return err // the will is what is left
	}
	return n.session.Close()
}

// OnEvents follows the connection and the primary host, and does what hosts say, as
// far as there is time: each command may wait for a device.
func (n *node) OnEvents(events []abi.Event, step *snaprail.Step) error {
	began := time.Now()
	for i := range events {
		event := &events[i]
		switch event.Type {
		case abi.EventData:
			if time.Since(began) > stepTime {
				step.Retry(i, 0, noTime)
				continue
			}
			messages, err := mqtt.Received(*event)
			if err != nil {
				step.Reject(i, err.Error())
				continue
			}
			for m := range messages {
				if !n.receive(&messages[m], step, began) {
					step.Retry(i, 0, noTime)
					break
				}
			}
		case abi.EventUp:
			n.attempt(step)
		case abi.EventDown:
			n.lost(event)
		case abi.EventGap:
			log.Warning("commands were lost: " + event.Name)
		case abi.EventTimer:
			n.tick(event.Name, step)
		default: // of a newer contract
		}
	}
	return nil
}

// noTime is why an event is asked for again.
const noTime = "what came before it took the time of the step"

func (n *node) tick(timer string, step *snaprail.Step) {
	switch timer {
	case timerBirth:
		n.attempt(step)
	case timerDevices:
		if err := n.silence(time.Now()); err != nil {
			n.trouble.Warning("a device's death was not told: " + err.Error())
		}
	}
}

// attempt tries to be born, and later again. While the primary host is away there
// is nothing to try: its word brings the next attempt.
func (n *node) attempt(step *snaprail.Step) {
	err := n.ready()
	if err == nil || snaprail.IsError(err, codeHostOffline) {
		return
	}
	n.trouble.Warning("the node is not born: " + err.Error())
	step.After(timerBirth, time.Second)
}

// lost forgets the connection. What it was like shows when there is a new one.
func (n *node) lost(event *abi.Event) {
	n.connection, n.edge.born = 0, false
	why := "no reason given"
	if event.Err != nil {
		why = event.Err.Error()
	}
	log.Warning("the broker is away: " + why)
}

// Deliver publishes records. It holds them back while the broker or the primary
// host is away: the outbox is the store of store and forward.
func (n *node) Deliver(in *abi.DeliverInput, step *snaprail.Step) error {
	if err := n.ready(); err != nil {
		after, _ := handover.Wait(err)
		step.Retry(0, after, err.Error()) // no error: what was kept of the connection stays
		return nil
	}
	now, at := time.Now().UnixNano(), 0
	for p := range in.Parts {
		part := &in.Parts[p]
		for i := range part.Batch.Records {
			if r := &part.Batch.Records[i]; r.Kind == abi.KindGap {
				step.Skip(at, "a gap")
			} else if reason := n.edge.record(at, part, r, now); reason != "" {
				step.Reject(at, reason)
			}
			at++
		}
	}
	if failed, err := n.flush(); err != nil && failed >= 0 {
		after, _ := handover.Wait(err)
		step.Retry(failed, after, err.Error())
	}
	n.edge.save()
	return nil
}

// silence tells of devices that have had no data for too long.
func (n *node) silence(now time.Time) error {
	if !n.edge.born {
		return nil
	}
	for _, d := range n.edge.sorted() {
		if d.born && now.UnixNano()-d.seen > int64(snaprail.Seconds(n.config.DeviceTimeout)) {
			n.edge.deviceDeath(d, now.UnixNano())
		}
	}
	if _, err := n.flush(); err != nil {
		return err
	}
	n.edge.save()
	return nil
}

// Of one call of the host.
const (
	maxMessages = 128
	maxBytes    = 768 << 10
)

// flush sends what is queued. When something is not sent, the node has to be born
// again, because the numbers have a hole; failed is the first record of which
// nothing is known to be sent, or -1.
func (n *node) flush() (failed int, err error) {
	out := n.edge.out
	n.edge.out = n.edge.out[:0]
	for len(out) > 0 {
		batch, size := 0, 0
		for batch < len(out) && batch < maxMessages && (batch == 0 || size+len(out[batch].Payload) <= maxBytes) {
			size += len(out[batch].Payload)
			batch++
		}
		if at, err := n.publish(out[:batch]); err != nil {
			n.edge.born = false
			return firstRecord(out[at:]), err
		}
		out = out[batch:]
	}
	return -1, nil
}

// publish sends messages and answers the first that was not sent.
func (n *node) publish(batch []outgoing) (at int, err error) {
	messages := make([]mqtt.Message, len(batch))
	for i := range batch {
		messages[i] = batch[i].Message
	}
	results, err := n.session.Publish(messages...)
	if err != nil {
		return 0, err
	}
	for i, r := range results {
		if r.Code != "" {
			return i, &abi.Error{Kind: abi.FaultUnavailable, Code: r.Code, Text: r.Text}
		}
	}
	return 0, nil
}

func firstRecord(out []outgoing) int {
	for i := range out {
		if out[i].record >= 0 {
			return out[i].record
		}
	}
	return -1
}

// keyBDSeq is where the number of the next connection is kept.
const keyBDSeq = "bdseq"

func nextBDSeq() (uint64, error) {
	value, found, err := kv.Get(keyBDSeq, nil)
	if err != nil || !found {
		return 0, err
	}
	n, wrong := strconv.ParseUint(string(value), 10, 8)
	if wrong != nil {
		log.Warning("the number of the next connection was not kept as it should: it begins at 0")
		n = 0
	}
	return n, nil
}
