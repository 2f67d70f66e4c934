package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/go/template"
)

// What the answer to an RPC is, once it is written.
const (
	replySuccess = "success" // {"success": true}
	replyFrame   = "frame"   // the next frame of the port
)

// headerReply asks for one of them, whatever the config says.
const headerReply = "reply"

// question is an RPC that waits for a frame.
type question struct {
	correlation string
	deadline    int64 // unix ns; 0: none
}

// maxAsked bounds the RPCs of one device that wait for a frame.
const maxAsked = 64

// OnPublish writes what is published to the device's port.
func (l *line) OnPublish(m *abi.Message, step *snaprail.Step) error {
	_, err := l.write(m, step)
	return err
}

// OnCommand writes a command to the device's port.
func (l *line) OnCommand(m *abi.Message, step *snaprail.Step) error {
	d, err := l.write(m, step)
	if d == nil || err != nil {
		return err
	}
	return step.Success(m)
}

// OnAttributes writes an update to the device's port. One that nothing has made
// a text of goes by the device's own mapping, each row with a result of its own;
// without a row there is nothing to be written.
func (l *line) OnAttributes(m *abi.Message, step *snaprail.Step) error {
	if abi.IsJSON(m.ContentType) {
		return l.updates(m, step)
	}
	d, err := l.write(m, step)
	if d == nil || err != nil {
		return err
	}
	d.rest(m.Body)
	return step.Success(m)
}

// rest logs an update as a ThingsBoard gateway does, and leaves the device some
// time.
func (d *device) rest(text []byte) {
	log.Debug("Attribute update request to device " + d.Name + " : " + string(text))
	time.Sleep(time.Duration(d.WriteDelay * float64(time.Second))) //nolint:forbidigo // the rest is what is promised, and there is nothing else to wait for
}

// result is what became of one row, as the host has it for its own mappings.
type result struct {
	Item    string      `json:"item"`
	Success bool        `json:"success"`
	Error   *resultText `json:"error,omitempty"`
}

type resultText struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// updates writes what the device's mapping makes of an update. A row that fails
// does not keep the next one from being written.
func (l *line) updates(m *abi.Message, step *snaprail.Step) error {
	d := l.device(m.Device)
	if d == nil {
		return step.Fail(m, "device_unknown", "the device {0} has no open port", m.Device)
	}
	texts, err := template.Map(d.AttributeUpdates, m.Body)
	if err != nil {
		return err
	}
	if len(texts) == 0 {
		return step.Empty(m)
	}
	results := make([]result, 0, len(texts))
	for _, t := range texts {
		if t.Err == nil {
			if _, t.Err = d.line.Write([]byte(t.Text)); t.Err == nil {
				d.rest([]byte(t.Text))
			}
		}
		one := result{Item: t.Attribute, Success: t.Err == nil}
		if t.Err != nil {
			one.Error = &resultText{"not_written", t.Err.Error()}
			if fault, ok := errors.AsType[*abi.Error](t.Err); ok && fault.Code != "" {
				one.Error.Code = fault.Code
			}
		}
		results = append(results, one)
	}
	return step.Complete(m, results)
}

// OnRPC writes a call to the device's port. One that wants an answer gets it at
// once, or from the next frame.
func (l *line) OnRPC(m *abi.Message, step *snaprail.Step) error {
	if _, text := textOf(m); !text {
		return step.Fail(m, "no_template", "nothing says what the method {0} sends to the device {1}", m.Method, m.Device)
	}
	d, err := l.write(m, step)
	switch {
	case d == nil || err != nil || m.Correlation == "":
		return err
	case d.reply(m) == replySuccess:
		return step.Success(m)
	case len(d.asked) >= maxAsked:
		return step.Fail(m, "too_many", "{0} calls wait for a frame of the device {1} already", "64", d.Name)
	}
	d.asked = append(d.asked, question{m.Correlation, m.Deadline})
	return nil
}

// reply is what the answer to an RPC is.
func (d *device) reply(m *abi.Message) string {
	for _, h := range m.Headers {
		if v := string(h.Value); h.Name == headerReply && (v == replySuccess || v == replyFrame) {
			return v
		}
	}
	return d.RPCReply
}

// write writes a message to the port of its device. A nil device: there is none
// with this name, and the asker has been told.
func (l *line) write(m *abi.Message, step *snaprail.Step) (*device, error) {
	d := l.device(m.Device)
	if d == nil {
		return nil, step.Fail(m, "device_unknown", "the device {0} has no open port", m.Device)
	}
	body, _ := textOf(m)
	_, err := d.line.Write(body)
	return d, err
}

// device is the one with this name. A message to none is for the only one.
func (l *line) device(name string) *device {
	for _, d := range l.devices {
		if d.Name == name || name == "" && len(l.devices) == 1 {
			return d
		}
	}
	return nil
}

// textOf is what is written: a JSON string without its quotes, anything else as
// it stands. text is false for JSON that is no string.
func textOf(m *abi.Message) (body []byte, text bool) {
	if !abi.IsJSON(m.ContentType) {
		return m.Body, true
	}
	var said string
	if json.Unmarshal(m.Body, &said) == nil {
		return []byte(said), true
	}
	return m.Body, false
}

// answer gives a frame to the oldest RPC that waits for one. Such a frame is no
// record.
func (d *device) answer(input int, event *abi.Event, step *snaprail.Step) bool {
	for len(d.asked) > 0 && d.asked[0].deadline != 0 && d.asked[0].deadline < event.Time {
		d.asked = d.asked[1:] // the host has answered it
	}
	if len(d.asked) == 0 || !bytes.HasPrefix(event.Data, []byte(d.RPCReplyPrefix)) {
		return false
	}
	frame := bytes.TrimSuffix(event.Data, []byte(d.Delimiter))
	said := map[string]any{"success": true, "data": string(frame)}
	if !utf8.Valid(frame) {
		said = map[string]any{"success": true, "base64": frame}
	}
	body, err := json.Marshal(said)
	if err != nil {
		return false
	}
	step.Reply(abi.Reply{Correlation: d.asked[0].correlation, ContentType: "application/json", Body: body})
	d.asked = d.asked[1:]
	step.Skip(input, "the answer to an RPC")
	return true
}
