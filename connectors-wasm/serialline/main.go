// Command serialline is a connector that reads delimited frames from serial
// ports, and writes to them what is sent to their devices. README.md says how to configure it.
package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/go/serial"
)

var _ = snaprail.Register(&line{})

func main() {}

// line is the connector: the devices that have an open port, by its handle.
type line struct {
	devices map[uint32]*device
}

type device struct {
	deviceConfig

	line  serial.Port
	asked []question // RPCs that wait for a frame, oldest first
}

// Open opens a port for each device. A device whose port does not open is
// logged and left out; the others work.
func (l *line) Open(in *abi.OpenInput, step *snaprail.Step) error {
	devices, err := readConfig(in)
	if err != nil {
		return err
	}
	l.devices = make(map[uint32]*device, len(devices))
	var failures []error
	for _, d := range devices {
		port, err := serial.Open(d.serialOpen())
		if err != nil {
			d.refused(err)
			failures = append(failures, err)
			continue
		}
		l.devices[port.Handle()] = &device{deviceConfig: d, line: port}
		step.PutDevice(d.Name, d.Type, d.Name)
	}
	if len(l.devices) == 0 {
		return noneOpened(devices, failures)
	}
	return nil
}

// late is how a host says that a port did not open in time, whatever kept it.
const late = "Connection refused per timeout for device "

// timedOut reports whether a port did not open within open_timeout.
func timedOut(err error) bool {
	fault, ok := errors.AsType[*abi.Error](err)
	return ok && (fault.Kind == abi.FaultTimeout || strings.HasPrefix(fault.Text, late))
}

// refused logs why a device has no port: as a ThingsBoard gateway does, and what
// the host knows beside it.
func (d deviceConfig) refused(err error) {
	if timedOut(err) {
		log.Error(late + d.Name)
	}
	if said := refusal(d, err); said != late+d.Name {
		log.Error(said)
	}
}

// refusal says why a device has no port.
func refusal(d deviceConfig, err error) string {
	if fault, ok := errors.AsType[*abi.Error](err); ok && fault.Kind == abi.FaultTimeout {
		return late + d.Name
	}
	return fmt.Sprintf("device %s: port %s did not open: %v", d.Name, d.Port, err)
}

// noneOpened is the first failure, said of all devices.
func noneOpened(devices []deviceConfig, failures []error) error {
	said := abi.Error{Kind: abi.FaultUnavailable}
	if fault, ok := errors.AsType[*abi.Error](failures[0]); ok {
		said = *fault
	}
	said.Text = refusal(devices[0], failures[0])
	if timedOut(failures[0]) {
		said.Code = "device_connect_timeout"
	}
	if n := len(devices) - 1; n > 0 {
		said.Text += fmt.Sprintf(" (and %d more, see the log)", n)
	}
	return &said
}

// OnEvents makes a record of each frame, with the delimiter that ended it.
func (l *line) OnEvents(events []abi.Event, step *snaprail.Step) error {
	var d *device
	for i := range events {
		event := &events[i]
		if i == 0 || event.Handle != events[i-1].Handle { // frames come in rows from one port
			d = l.devices[event.Handle]
		}
		if d == nil {
			if event.Type == abi.EventData {
				step.Reject(i, "no device has this port")
			}
			continue
		}
		switch event.Type {
		case abi.EventData:
			if len(d.asked) == 0 || !d.answer(i, event, step) { // a call costs a guest as much as the rest
				step.Payload(d.Name, event.Time, d.ContentType, event.Data)
			}
		case abi.EventDown, abi.EventUp, abi.EventGap:
			d.report(event)
		default: // not of a port, or of a newer contract
		}
	}
	return nil
}

// report logs what happened to the device's port.
func (d *device) report(event *abi.Event) {
	subject := "device " + d.Name + ": port " + d.Port
	switch event.Type {
	case abi.EventUp:
		log.Info(subject + " is back")
	case abi.EventGap:
		log.Warning(subject + " lost frames: " + event.Name)
	default:
		why := "no reason given"
		if event.Err != nil {
			why = event.Err.Error()
		}
		log.Warning(subject + " is down: " + why)
	}
}

// Close forgets the ports, which the host closes or keeps for the next guest.
func (l *line) Close(string) error {
	clear(l.devices)
	return nil
}

// Test opens every port. It takes over those that are open already, and passes
// when one is, as the connector starts when one is. What no plug mends fails it.
func (l *line) Test(in *abi.OpenInput) abi.TestResult {
	devices, err := readConfig(in)
	if err != nil {
		return snaprail.TestFailed(err)
	}
	result := abi.TestResult{Success: true}
	var failed []string
	for _, d := range devices {
		said := "port " + d.Port + " opened"
		if _, err := serial.Open(d.serialOpen()); err != nil {
			said = refusal(d, err)
			failed = append(failed, said)
			if !mayAppear(err) && result.Success {
				result.Success = false
				result.Details = append(result.Details, snaprail.TestFailed(err).Details...)
			}
		}
		result.Details = append(result.Details, abi.Header{Name: d.Name, Value: []byte(said)})
	}
	result.Success = result.Success && len(failed) < len(devices)
	result.Message = fmt.Sprintf("%d of %d ports opened", len(devices)-len(failed), len(devices))
	if len(failed) > 0 {
		result.Message += ": " + strings.Join(failed, "; ")
	}
	return result
}

// mayAppear reports whether a port that did not open may do so later, without
// anybody's changing a grant or the config.
func mayAppear(err error) bool {
	fault, ok := errors.AsType[*abi.Error](err)
	return ok && fault.Kind != abi.FaultDenied && fault.Kind != abi.FaultInvalid
}
