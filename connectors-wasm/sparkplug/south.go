package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/connectors"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

// receive does what a message says, as long as the step has time, and reports whether
// it came to the end. What is wrong with it is the sender's, and goes to the log.
func (n *node) receive(m *abi.MQTTMessage, step *snaprail.Step, began time.Time) (done bool) {
	if n.config.PrimaryHost != "" && m.Topic == stateTopic(n.config.PrimaryHost) {
		if err := n.state(m.Payload); err != nil && !snaprail.IsError(err, codeHostOffline) {
			log.Warning("after the word of the primary host: " + err.Error())
			step.After(timerBirth, time.Second)
		}
		return true
	}
	message, device, ok := n.edge.command(m.Topic)
	if !ok {
		return true
	}
	var p payload
	if err := p.Decode(m.Payload); err != nil {
		log.Warning("a command that cannot be read, to " + m.Topic + ": " + err.Error())
		return true
	}
	d := n.edge.self
	if message == dcmd {
		if d = n.edge.devices[device]; d == nil || !d.born {
			log.Warning("a command to the device " + clip(device) + ", which is not born")
			return true
		}
	}
	if message == ncmd && len(p.Metrics) == 1 && p.Metrics[0].Name == rebirthName {
		n.command(d, &p.Metrics[0], step) // as often as it is asked for
		return true
	}
	id := commandID(m)
	from := n.madeOf(id, len(p.Metrics))
	for i := from; i < len(p.Metrics); i++ {
		if i > from && time.Since(began) > stepTime {
			n.keepMade(id, i)
			return false
		}
		n.beginWrite(id, i+1)
		n.command(d, &p.Metrics[i], step)
	}
	if p.Time == 0 {
		n.forgetMade(id) // the host says the same again with the same bytes
	} else if from < len(p.Metrics) {
		n.keepMade(id, len(p.Metrics))
	}
	return true
}

func (n *node) command(d *thing, m *metric, step *snaprail.Step) {
	if d == n.edge.self && m.Name == rebirthName {
		if m.Value.Type() == abi.ValueBool && m.Value.Bool() {
			n.edge.born = false
			n.attempt(step)
		}
		return
	}
	t := d.find(m)
	if t == nil {
		log.Warning("a command to a metric that was not born: " + clip(m.Name))
		return
	}
	body := []byte("null")
	if !m.Null {
		v, err := m.typed(t.kind)
		if err != nil {
			log.Warning("a command to " + clip(t.name) + ": " + err.Error())
			return
		}
		body = text(v)
	}
	if err := n.write(d, t, body); err != nil {
		log.Warning("the command to " + clip(t.name) + " of " + clip(d.device) + " failed: " + err.Error())
	}
}

// find is the metric that a command names, by its alias or its name.
func (d *thing) find(m *metric) *tag {
	if m.Name != "" {
		return d.byName[m.Name]
	}
	for _, t := range d.tags {
		if m.Alias != 0 && t.alias == m.Alias {
			return t
		}
	}
	return nil
}

// write asks the connector of a device to write a value.
func (n *node) write(d *thing, t *tag, value []byte) error {
	name := strings.TrimPrefix(t.name, n.config.AttributesPrefix)
	m := &abi.Message{Device: d.device, ContentType: "application/json"}
	switch n.config.Writes {
	case writesAttributes:
		m.Type = abi.MessageAttributes
		m.Body = object(name, value)
	case writesRPC:
		m.Type, m.Method = abi.MessageRPC, n.config.WriteMethod
		m.Body = rpcBody(name, value)
	default:
		return &abi.Error{Kind: abi.FaultDenied, Code: "writes_off", Text: "the configuration lets hosts write nothing"}
	}
	replies, err := connectors.Call(d.connector, m, snaprail.Seconds(n.config.WriteTimeout))
	if err != nil {
		return err
	}
	for i := range replies {
		if replies[i].Status == abi.ReplyError && replies[i].Err != nil {
			return replies[i].Err
		}
	}
	return refusal(replies)
}

// refusal is the error of an answer that lists what became of each item, as the
// connectors of this host give it.
func refusal(replies []abi.Reply) error {
	for i := range replies {
		var items []struct {
			Success *bool `json:"success"`
			Error   struct {
				Code string `json:"code"`
				Text string `json:"text"`
			} `json:"error"`
		}
		if json.Unmarshal(replies[i].Body, &items) != nil {
			continue
		}
		for _, item := range items {
			if item.Success != nil && !*item.Success {
				return &abi.Error{Code: item.Error.Code, Text: item.Error.Text}
			}
		}
	}
	return nil
}

func object(name string, value []byte) []byte {
	body := append([]byte{'{'}, quoted(name)...)
	body = append(append(body, ':'), value...)
	return append(body, '}')
}

func rpcBody(name string, value []byte) []byte {
	body := append([]byte(`{"item":`), quoted(name)...)
	body = append(append(body, `,"value":`...), value...)
	return append(body, '}')
}
