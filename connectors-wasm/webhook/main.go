// Command webhook makes records of the HTTP requests that come to it. README.md says
// how to configure it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
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

// Bounds of the guest's own.
const (
	maxDevice = 200    // bytes of the name of a device
	maxKnown  = 10_000 // devices that are named to the host
)

// webhook is the connector.
type webhook struct {
	config config
	paths  hooks.Paths
	known  map[string]bool // devices that were named to the host
	seen   seen
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
	for _, d := range in.Devices {
		w.known[d.ID] = true
	}
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
	*w = webhook{config: usual(), known: map[string]bool{}}
	if err := snaprail.Config(in, &w.config); err != nil {
		return err
	}
	return w.config.check()
}

// errRoom says that a request has to wait for the next step.
var errRoom = errors.New("no room")

// OnEvents makes records of each request.
func (w *webhook) OnEvents(events []abi.Event, step *snaprail.Step) error {
	if err := w.seen.load(); err != nil { // not in Open: the guest before may still have worked then
		return err
	}
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
	return w.seen.keep()
}

func (w *webhook) take(i int, q *abi.HookRequest, at int64, step *snaprail.Step) error {
	if said, ok := w.challenged(q); ok {
		step.Skip(i, "a challenge")
		return w.paths.Reply(q.ID, 200, said, abi.Header{Name: "Content-Type", Value: []byte("text/plain; charset=utf-8")})
	}
	if q.Key != "" && w.seen.has(q.Key) {
		step.Skip(i, "it came before")
		return w.reply(q)
	}
	if err := w.records(q, at, step); err != nil {
		return err
	}
	if q.Key != "" {
		w.seen.add(q.Key)
	}
	return w.reply(q)
}

// reply says what the config does. A caller who has gone is no fault of the request.
func (w *webhook) reply(q *abi.HookRequest) error {
	r := w.config.Reply
	if r == nil {
		return nil
	}
	var headers []abi.Header
	if r.ContentType != "" {
		headers = append(headers, abi.Header{Name: "Content-Type", Value: []byte(r.ContentType)})
	}
	err := w.paths.Reply(q.ID, r.Status, []byte(r.Body), headers...)
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

// records makes the records of one request.
func (w *webhook) records(q *abi.HookRequest, at int64, step *snaprail.Step) error {
	contentType := w.config.ContentType
	if contentType == "" {
		contentType = hooks.Header(q, "Content-Type")
	}
	if w.config.Format == "raw" {
		return w.record(q, at, contentType, q.Body, 0, false, step)
	}
	if !json.Valid(q.Body) {
		return errors.New("the body is not JSON")
	}
	if w.config.ContentType == "" {
		contentType = "application/json"
	}
	if !w.config.isEach {
		return w.record(q, at, contentType, q.Body, 0, false, step)
	}
	list, ok := w.config.each.List(q.Body)
	switch {
	case !ok:
		return fmt.Errorf("%s is no list", w.config.Each)
	case len(list) > abi.MaxItems:
		return fmt.Errorf("%s has %d elements, and may have %d", w.config.Each, len(list), abi.MaxItems)
	case len(list) > w.room:
		return errRoom
	}
	for n, element := range list { // all of them, or none
		if _, err := w.deviceOf(q, element); err != nil {
			return fmt.Errorf("%s/%d: %w", w.config.Each, n, err)
		}
	}
	for n, element := range list {
		if err := w.record(q, at, contentType, element, n, true, step); err != nil {
			return err
		}
	}
	return nil
}

func (w *webhook) record(q *abi.HookRequest, at int64, contentType string, payload []byte, n int, each bool, step *snaprail.Step) error {
	if w.room == 0 {
		return errRoom
	}
	device, err := w.deviceOf(q, payload)
	if err != nil {
		return err
	}
	w.name(device, step)
	w.room--
	r := step.Payload(device, at, contentType, payload)
	if q.Key != "" {
		if r.SourceKey = q.Key; each {
			r.SourceKey += "/" + strconv.Itoa(n)
		}
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
	return nil
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
	if w.known[device] {
		return
	}
	if len(w.known) >= maxKnown {
		log.Warning("more than " + strconv.Itoa(maxKnown) + " devices: " + device + " is not listed")
		return
	}
	w.known[device] = true
	step.PutDevice(device, deviceType, device)
}
