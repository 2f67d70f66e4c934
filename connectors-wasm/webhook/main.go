// Command webhook makes records of the HTTP requests that come to it. README.md says
// how to configure it.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/hooks"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

var _ = snaprail.Register(&webhook{})

func main() {}

// deviceType is that of all devices.
const deviceType = "webhook"

// maxDevice bounds the name of a device, in bytes.
const maxDevice = 200

// webhook is the connector.
type webhook struct {
	config config
	paths  hooks.Paths
	known  snaprail.Known
	room   int // records that the step may still have
}

// Open opens the paths.
func (w *webhook) Open(in *abi.OpenInput, step *snaprail.Step) error {
	if err := w.configure(in); err != nil {
		return err
	}
	paths, err := hooks.Open(w.config.open())
	if err != nil {
		return err
	}
	w.paths = paths
	w.known.Open(in)
	w.name(w.config.Device, step)
	return nil
}

// Test opens the paths, which finds a grant or a secret that is not there.
func (w *webhook) Test(in *abi.OpenInput) abi.TestResult {
	if err := w.configure(in); err != nil {
		return snaprail.TestFailed(err)
	}
	if _, err := hooks.Open(w.config.open()); err != nil {
		return snaprail.TestFailed(err)
	}
	return abi.TestResult{Success: true, Message: "the paths can be opened"}
}

func (w *webhook) configure(in *abi.OpenInput) error {
	*w = webhook{config: usual()}
	if err := snaprail.Config(in, &w.config); err != nil {
		return err
	}
	return w.config.check()
}

// errRoom says that a request has to wait for the next step.
var errRoom = errors.New("no room")

// OnEvents makes records of each request.
func (w *webhook) OnEvents(events []abi.Event, step *snaprail.Step) error {
	w.room = abi.MaxItems
	for i := range events {
		if events[i].Type != abi.EventData {
			continue
		}
		q, err := hooks.Read(events[i])
		if err == nil {
			err = w.take(i, &q, events[i].Time, step)
		}
		if errors.Is(err, errRoom) {
			step.Retry(i, 0, "the step is full")
			continue
		}
		if err != nil {
			step.Reject(i, err.Error())
		}
	}
	return nil
}

// take makes the records of one request. What the caller is to be told is said
// before anything is put into the step: a request that cannot be answered leaves
// nothing there.
func (w *webhook) take(i int, q *abi.HookRequest, at int64, step *snaprail.Step) error {
	if said, ok := w.challenged(q); ok {
		err := w.say(q.ID, 200, said, "text/plain; charset=utf-8")
		if err == nil {
			step.Skip(i, "a challenge")
		}
		return err
	}
	made, err := w.read(q)
	if err == nil {
		err = w.reply(q)
	}
	if err != nil {
		return err
	}
	w.records(q, at, &made, step)
	return nil
}

// sourceKey names the records of a request that is named itself, so that the host
// leaves those of a repeat out, which makes them anew: of one whose answer was lost
// in a crash. What the request was is part of it: another one under the same name is
// no repeat.
func sourceKey(q *abi.HookRequest) string {
	if q.Key == "" {
		return ""
	}
	h := sha256.New()
	for _, part := range []string{q.Method, q.Path, q.Query} {
		_, _ = io.WriteString(h, strconv.Itoa(len(part))+":"+part)
	}
	_, _ = h.Write(q.Body)
	return q.Key + "#" + hex.EncodeToString(h.Sum(nil)[:sumSize])
}

// sumSize is how many bytes of the hash are in a source key.
const sumSize = 16

// reply says what the config does.
func (w *webhook) reply(q *abi.HookRequest) error {
	r := w.config.Reply
	if r == nil {
		return nil
	}
	return w.say(q.ID, r.Status, []byte(r.Body), r.ContentType)
}

// say answers a caller. One who has gone is no fault of the request.
func (w *webhook) say(id uint64, status int, body []byte, contentType string) error {
	var headers []abi.Header
	if contentType != "" {
		headers = append(headers, abi.Header{Name: "Content-Type", Value: []byte(contentType)})
	}
	err := w.paths.Reply(id, status, body, headers...)
	if said, ok := errors.AsType[*abi.Error](err); ok && said.Code == "late_reply" {
		return nil
	}
	return err
}

// challenged answers what Slack asks when an address is entered there.
func (w *webhook) challenged(q *abi.HookRequest) ([]byte, bool) {
	if w.config.Auth != "slack" {
		return nil, false
	}
	var ask struct{ Type, Challenge string }
	if json.Unmarshal(q.Body, &ask) != nil || ask.Type != "url_verification" {
		return nil, false
	}
	return []byte(ask.Challenge), true
}

// reading is what a request says, before it becomes records.
type reading struct {
	contentType string
	payloads    [][]byte
	devices     []string // of each
	isList      bool
}

// read reads a request: all of it, or it is refused.
func (w *webhook) read(q *abi.HookRequest) (made reading, err error) {
	if err := w.split(q, &made); err != nil {
		return made, err
	}
	if len(made.payloads) > w.room {
		return made, errRoom
	}
	made.devices = make([]string, len(made.payloads))
	for n, payload := range made.payloads {
		if made.devices[n], err = w.deviceOf(q, payload); err == nil {
			continue
		}
		if made.isList {
			err = fmt.Errorf("%s/%d: %w", w.config.Each, n, err)
		}
		return made, err
	}
	return made, nil
}

// split finds the payloads of a request.
func (w *webhook) split(q *abi.HookRequest, made *reading) error {
	c := &w.config
	made.contentType, made.payloads = c.ContentType, [][]byte{q.Body}
	if made.contentType == "" {
		made.contentType = hooks.Header(q, "Content-Type")
	}
	if c.Format == "raw" {
		return nil
	}
	if !json.Valid(q.Body) {
		return errors.New("the body is not JSON")
	}
	if c.ContentType == "" {
		made.contentType = "application/json"
	}
	if !c.isEach {
		return nil
	}
	list, ok := c.each.List(q.Body)
	switch {
	case !ok:
		return fmt.Errorf("%s is no list", c.Each)
	case len(list) > abi.MaxItems:
		return fmt.Errorf("%s has %d elements, and may have %d", c.Each, len(list), abi.MaxItems)
	}
	made.isList, made.payloads = true, make([][]byte, len(list))
	for n := range list {
		made.payloads[n] = list[n]
	}
	return nil
}

// records makes the records of a request that was read.
func (w *webhook) records(q *abi.HookRequest, at int64, made *reading, step *snaprail.Step) {
	w.room -= len(made.payloads)
	source := sourceKey(q)
	for n, payload := range made.payloads {
		w.name(made.devices[n], step)
		r := step.Payload(made.devices[n], at, made.contentType, payload)
		if r.SourceKey = source; source != "" && made.isList {
			r.SourceKey += "/" + strconv.Itoa(n)
		}
		if w.config.key.Set {
			if text, ok := w.config.key.Text(payload); ok {
				r.Key = []byte(text)
			}
		} else if w.config.KeyHeader != "" {
			r.Key = []byte(hooks.Header(q, w.config.KeyHeader))
		}
		r.Headers = append(r.Headers, abi.Header{Name: "path", Value: []byte(q.Path)})
		for _, name := range w.config.Headers {
			if value := hooks.Header(q, name); value != "" {
				r.Headers = append(r.Headers, abi.Header{Name: name, Value: []byte(value)})
			}
		}
	}
}

// deviceOf is the device that a record is of.
func (w *webhook) deviceOf(q *abi.HookRequest, payload []byte) (string, error) {
	c := &w.config
	device := c.Device
	switch {
	case c.device.Set:
		text, ok := c.device.Text(payload)
		if !ok {
			return "", fmt.Errorf("there is no device at %s", c.DevicePointer)
		}
		device = text
	case c.DeviceHeader != "":
		if device = hooks.Header(q, c.DeviceHeader); device == "" {
			return "", fmt.Errorf("there is no header %s, which names the device", c.DeviceHeader)
		}
	case c.DevicePart > 0:
		parts := strings.Split(strings.Trim(q.Path, "/"), "/")
		if c.DevicePart > len(parts) {
			return "", fmt.Errorf("the path %s has no part %d, which names the device", q.Path, c.DevicePart)
		}
		device = parts[c.DevicePart-1]
	}
	if device == "" || len(device) > maxDevice || !utf8.ValidString(device) {
		return "", fmt.Errorf("the name of a device has 1 to %d bytes", maxDevice)
	}
	return device, nil
}

// name tells the host of a device when it is first seen.
func (w *webhook) name(device string, step *snaprail.Step) {
	if !w.known.Name(step, deviceType, device) {
		log.Warning("more than " + strconv.Itoa(snaprail.MaxKnown) + " devices: " + device + " and others are not listed")
	}
}
