// Command echo is a connector for the host's tests: it emits what it gets, and
// misbehaves when its config tells it to. testdata/guests/README.md lists what
// it can be told.
package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/go/serial"
)

var _ = snaprail.Register(&echo{})

func main() {}

type config struct {
	Device  string            `json:"device"`
	Port    string            `json:"port"`
	KV      string            `json:"kv"`
	EveryMS uint64            `json:"every_ms"`
	Cursor  bool              `json:"cursor"`
	Keyed   bool              `json:"keyed"`
	OnOpen  string            `json:"on_open"`
	Always  string            `json:"always"`
	On      map[string]string `json:"on"`
}

type echo struct {
	config
	port     serial.Port
	canaries [][]byte
	hoard    [][]byte
	spun     uint64
}

func (e *echo) Open(in *abi.OpenInput, step *snaprail.Step) error {
	e.config = config{Device: "echo"}
	if err := snaprail.Config(in, &e.config); err != nil {
		return err
	}
	if err := e.act(e.OnOpen, nil, 0, step); err != nil {
		return err
	}
	if e.Port != "" {
		port, err := serial.Open(serial.Defaults(e.Port))
		if err != nil {
			return err
		}
		e.port = port
	}
	step.PutDevice(e.Device, "echo", e.Device)
	if e.EveryMS > 0 {
		step.Outcome().Timers = append(step.Outcome().Timers,
			abi.Timer{Name: "tick", AfterMS: e.EveryMS, EveryMS: e.EveryMS})
	}
	return nil
}

// Close collects garbage for a reason that starts with gc. Its input leaves
// nothing behind that points to it, so that only the SDK can keep the buffer.
// Any other reason is logged.
func (e *echo) Close(reason string) error {
	if strings.HasPrefix(reason, "gc") {
		return e.collect(nil)
	}
	log.Info("closed: " + reason)
	return nil
}

func (e *echo) Test(in *abi.OpenInput) abi.TestResult {
	var c config
	if err := snaprail.Config(in, &c); err != nil {
		return abi.TestResult{Message: err.Error()}
	}
	if c.Port == "" {
		return abi.TestResult{Success: true, Message: "nothing to open"}
	}
	if _, err := serial.Open(serial.Defaults(c.Port)); err != nil {
		return abi.TestResult{Message: err.Error()}
	}
	return abi.TestResult{Success: true, Message: "opened " + c.Port}
}

func (e *echo) OnEvents(events []abi.Event, step *snaprail.Step) error {
	frames := 0
	for i := range events {
		event := &events[i]
		switch event.Type {
		case abi.EventData:
			frames++
			if err := e.frame(event, i, step); err != nil {
				return err
			}
		case abi.EventTimer:
			if err := e.act(e.On[event.Name], nil, i, step); err != nil {
				return err
			}
			step.Telemetry(e.Device, event.Time, abi.Point{Name: event.Name, Value: abi.Bool(true)})
		case abi.EventDown, abi.EventUp, abi.EventGap:
			e.report(event, step)
		default:
		}
	}
	if e.KV == "" {
		return nil
	}
	return e.count(frames, step)
}

// frame emits a frame, unless an action gives a verdict on it.
func (e *echo) frame(event *abi.Event, input int, step *snaprail.Step) error {
	judged := len(step.Outcome().Verdicts)
	for _, action := range [...]string{e.Always, e.On[strings.TrimSpace(string(event.Data))]} {
		if err := e.act(action, event.Data, input, step); err != nil {
			return err
		}
	}
	if len(step.Outcome().Verdicts) == judged {
		r := step.Payload(e.Device, event.Time, "application/octet-stream", event.Data)
		if e.Keyed {
			r.SourceKey = strings.TrimSpace(string(event.Data))
		}
	}
	if e.Cursor {
		step.SetCursor(event.Data)
	}
	return nil
}

// report emits what happened to a session as an event of the device.
func (e *echo) report(event *abi.Event, step *snaprail.Step) {
	name := map[abi.EventType]string{abi.EventDown: "down", abi.EventUp: "up", abi.EventGap: "gap"}[event.Type]
	why := event.Name
	if event.Err != nil {
		why = event.Err.Error()
	}
	r := step.Record(abi.KindEvent, e.Device, event.Time)
	r.Points = append(r.Points, abi.Point{Name: name, Value: abi.String(why)})
}

// count adds to the kept number of frames and emits it.
func (e *echo) count(frames int, step *snaprail.Step) error {
	kept, _, err := kv.Get(e.KV, nil)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi("0" + string(kept))
	if err != nil {
		return fmt.Errorf("the key %s holds %q: %w", e.KV, kept, err)
	}
	n += frames
	step.Telemetry(e.Device, 0, abi.Point{Name: e.KV, Value: abi.Int(int64(n))})
	return kv.Put(e.KV, []byte(strconv.Itoa(n)))
}
