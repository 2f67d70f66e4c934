package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/device/twin"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// The words of twins that callers need.
type (
	// Reading is one value of a device.
	Reading = twin.Reading
	// Sample is one reading of a history.
	Sample = twin.Sample
	// Range says which part of a history is wanted.
	Range = twin.Range
)

// TwinView is what is known of a device now.
type TwinView struct {
	Connector string // id
	Device    string
	twin.Twin
	Desired twin.Desired
	Delta   map[string]json.RawMessage // what of it the device does not report so
	// Sent says what became of the update that a change of Desired led to.
	Sent *TwinSent
}

// TwinSent is what became of an update of attributes.
type TwinSent struct {
	Success bool
	Replies []Reply
	Fault   *fault.Fault // nil: it was sent
}

// Twin is what is known of a device of a connector: its latest readings and
// attributes, and what is wanted of it. fault.DeviceUnknown: nothing is, and the
// connector has no such device.
func (t *Tenant) Twin(ctx context.Context, connector, device string) (v TwinView, err error) {
	if err := t.may(ctx, identity.Devices, identity.Read); err != nil {
		return v, err
	}
	return t.twin(ctx, connector, device)
}

func (t *Tenant) twin(ctx context.Context, connector, device string) (v TwinView, err error) {
	if len(device) > spec.MaxDeviceID {
		return v, fault.New(fault.DeviceUnknown, "a device's name has at most %d bytes", spec.MaxDeviceID)
	}
	var known bool
	err = t.space.View(ctx, func(r store.Reader) error {
		c, err := find(r, connector)
		if err != nil {
			return err
		}
		v = TwinView{Connector: c.ID, Device: device}
		if v.Desired, err = twin.ReadDesired(r, c.ID, device); err != nil {
			return err
		}
		d, found, err := t.runtime.Devices().Lookup(r, c.ID, device)
		known = found && !d.Gone()
		return err
	})
	if err == nil {
		v.Twin, err = t.runtime.Twins().Of(ctx, v.Connector, device)
	}
	if err != nil {
		return v, err
	}
	if !known && len(v.Telemetry)+len(v.Attributes)+len(v.Desired.Values) == 0 {
		return v, fault.New(fault.DeviceUnknown, "nothing is known of the device %.100q", device)
	}
	v.Delta = v.Desired.Delta(v.Attributes)
	return v, nil
}

// History are the readings of a device in the window that is kept, by tag.
func (t *Tenant) History(ctx context.Context, connector, device string, in Range) (map[string][]Sample, error) {
	if err := t.may(ctx, identity.Devices, identity.Read); err != nil {
		return nil, err
	}
	v, err := t.twin(ctx, connector, device)
	if err != nil {
		return nil, err
	}
	return t.runtime.Twins().History(ctx, v.Connector, device, in)
}

// Desire replaces what is wanted of a device, and sends the device what of it is
// not reported so: an update of attributes, which the interlock of a grant may
// refuse. What is wanted stays either way, and the view says what became of the
// update. revision is the one that was read; 0: whichever there is. A device
// that is wanted something of need not have been heard of. fault.Exhausted: as
// much is wanted of the connector's devices as may be.
func (t *Tenant) Desire(ctx context.Context, connector, device string, values map[string]json.RawMessage, revision uint64, wait time.Duration) (v TwinView, err error) {
	if err := t.may(ctx, identity.Devices, identity.Use); err != nil {
		return v, err
	}
	if device == "" || len(device) > spec.MaxDeviceID {
		return v, fault.New(fault.Invalid, "a device's name has 1 to %d bytes", spec.MaxDeviceID)
	}
	if wait < 0 || wait > supervisor.LongestWait {
		return v, fault.New(fault.Invalid, "a caller waits 1ms to %s", supervisor.LongestWait)
	}
	var c spec.Connector
	err = t.space.Update(ctx, func(w store.Writer) error {
		if c, err = find(w, connector); err != nil {
			return err
		}
		want := twin.Desired{Values: values, At: time.Now().UTC(), By: t.by()}
		if _, err = twin.WriteDesired(w, c.ID, device, want, revision); err != nil {
			return err
		}
		e := t.event(identity.DeviceDesire, &c)
		e.On = device
		return identity.Append(w, e)
	})
	if err != nil {
		return v, err
	}
	if v, err = t.twin(ctx, c.ID, device); err != nil || len(v.Delta) == 0 {
		return v, err
	}
	v.Sent = t.sendDelta(ctx, &c, device, v.Delta, wait)
	return v, nil
}

// sendDelta sends an update of attributes and waits for the replies.
func (t *Tenant) sendDelta(ctx context.Context, c *spec.Connector, device string, delta map[string]json.RawMessage, wait time.Duration) *TwinSent {
	in := MessageInput{Type: abi.MessageAttributes, Device: device, Body: twin.Body(delta), Wait: wait}
	e, err := t.send(ctx, c, in)
	t.noteMessage(c, &in, err)
	if err != nil {
		return &TwinSent{Fault: fault.Of(err)}
	}
	defer e.Close()
	sent := &TwinSent{Success: true}
	for len(sent.Replies) < abi.MaxItems {
		r, err := e.Next(ctx)
		if err != nil {
			if !isEnd(err) {
				sent.Success, sent.Fault = false, fault.Of(err)
			}
			break
		}
		if r.Fault != nil {
			sent.Success, sent.Fault = false, r.Fault
		}
		sent.Replies = append(sent.Replies, r)
		if r.Final() {
			break
		}
	}
	return sent
}

// The bounds of a mapping of payloads.
const (
	maxMappings    = 64
	maxMappingText = 256 // bytes
)

// checkMapping checks what is declared of payloads.
func checkMapping(at string, all []spec.Mapping, wrong func(pointer, format string, args ...any)) {
	if len(all) > maxMappings {
		wrong(at, "has at most %d entries", maxMappings)
		return
	}
	for i, m := range all {
		at := fmt.Sprintf("%s/%d", at, i)
		for name, text := range map[string]string{"tag": m.Tag, "pointer": m.Pointer, "unit": m.Unit} {
			if len(text) > maxMappingText || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				wrong(at+"/"+name, "has at most %d bytes, none of them a control character", maxMappingText)
			}
		}
		if m.Tag == "" {
			wrong(at+"/tag", "is empty")
		}
		if m.Pointer != "" && m.Pointer[0] != '/' {
			wrong(at+"/pointer", "is a JSON Pointer (as in /data/temperature), or empty for the whole payload")
		}
	}
}
