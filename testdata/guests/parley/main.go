// Command parley is a connector for the host's tests: it is asked, told and
// called, and answers as it is told to, rightly or wrongly. It works in event
// mode and, with the manifest of parleyrun, in run mode.
package main

import (
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

var _ = snaprail.Register(&parley{})

func main() {}

type parley struct {
	Devices []string `json:"devices"`
	Healthy bool     `json:"healthy"` // it says so while it opens

	opened abi.OpenInput
	later  map[string]promise // by timer
	jobs   map[string]*abi.Message
	tries  map[string]int // by the name of the order
}

func (p *parley) Open(in *abi.OpenInput, step *snaprail.Step) error {
	if err := snaprail.Config(in, p); err != nil {
		return err
	}
	p.opened = abi.OpenInput{
		Connector: in.Connector, Reason: in.Reason, ABIMinor: in.ABIMinor,
		Lane: in.Lane, Revision: in.Revision, Set: in.Set,
	}
	for _, d := range in.Devices {
		p.opened.Devices = append(p.opened.Devices, abi.Device{ID: d.ID, Type: d.Type, Name: d.Name, Endpoint: d.Endpoint})
	}
	p.later, p.jobs = make(map[string]promise), make(map[string]*abi.Message)
	p.tries = make(map[string]int)
	for _, id := range p.Devices {
		step.PutDevice(id, "parley", id)
	}
	if p.Healthy {
		return snaprail.DeclareHealthy()
	}
	return nil
}

// Close has nothing to do: it is there so that the host calls it.
func (p *parley) Close(string) error { return nil }

func (p *parley) OnEvents(events []abi.Event, step *snaprail.Step) error {
	for i := range events {
		if err := p.happened(&events[i], step); err != nil {
			return err
		}
	}
	return nil
}

func (p *parley) happened(event *abi.Event, step *snaprail.Step) error {
	switch event.Type {
	case abi.EventTimer:
		return p.keep(event.Name, step)
	case abi.EventJob:
		return p.jobEnded(event, step)
	case abi.EventDevice:
		step.Event(event.Name, "device", event.Data, nil)
		return nil
	default:
		return nil
	}
}

func (p *parley) Run(loop *snaprail.Loop) error {
	for loop.Receive(time.Second) {
		for i := range loop.Events() {
			if err := p.happened(&loop.Events()[i], loop.Step()); err != nil {
				return err
			}
		}
		loop.Serve(p)
		if _, err := loop.Emit(); err != nil {
			return err
		}
	}
	return loop.Err()
}

// order is what a message asks for beside its method: its body, as far as it is
// an object.
type order struct {
	Do         string            `json:"do"` // as the method
	N          int               `json:"n"`  // parts; 0: 3
	AfterMS    int               `json:"after_ms"`
	KiB        int               `json:"kib"` // of each part
	Parameters []string          `json:"parameters"`
	Value      json.RawMessage   `json:"value"`
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Tags       map[string]string `json:"tags"`
	Change     string            `json:"change"`
}

func orderOf(m *abi.Message) order {
	var o order
	if json.Unmarshal(m.Body, &o) != nil {
		o = order{}
	}
	if o.Do == "" {
		o.Do = m.Method
	}
	if o.N <= 0 {
		o.N = 3
	}
	return o
}

func (o *order) after() time.Duration {
	if o.AfterMS <= 0 {
		return 10 * time.Millisecond
	}
	return time.Duration(o.AfterMS) * time.Millisecond
}

// OnPublish keeps what was published as a record.
func (p *parley) OnPublish(m *abi.Message, step *snaprail.Step) error {
	if done, err := p.act(m, step); done {
		return err
	}
	step.Event(m.Device, "publish", m.Body, m.Metadata)
	return nil
}

// OnQuery answers with what it was asked, if not told otherwise.
func (p *parley) OnQuery(m *abi.Message, step *snaprail.Step) error {
	if done, err := p.act(m, step); done {
		return err
	}
	return step.Complete(m, echo(m))
}

// OnRPC answers with what it was called with; a one-way call becomes a record.
func (p *parley) OnRPC(m *abi.Message, step *snaprail.Step) error {
	if done, err := p.act(m, step); done {
		return err
	}
	if m.Correlation == "" {
		step.Event(m.Device, "rpc", m.Body, nil)
		return nil
	}
	return step.Complete(m, echo(m))
}

// OnCommand answers with the data and the metadata of the command, and emits
// them.
func (p *parley) OnCommand(m *abi.Message, step *snaprail.Step) error {
	if done, err := p.act(m, step); done {
		return err
	}
	step.Event(m.Device, "command", m.Body, m.Metadata)
	return step.Respond(m, m.Body, m.Metadata)
}

// OnAttributes emits the attributes as they are set now.
func (p *parley) OnAttributes(m *abi.Message, step *snaprail.Step) error {
	if done, err := p.act(m, step); done {
		return err
	}
	r := step.Record(abi.KindAttributes, m.Device, time.Now().UnixNano())
	r.ContentType, r.Payload = "application/json", m.Body
	return step.Success(m)
}

// echo is a message as an answer shows it.
func echo(m *abi.Message) map[string]any {
	out := map[string]any{"device": m.Device, "method": m.Method, "sender": m.Sender}
	if json.Valid(m.Body) {
		out["params"] = json.RawMessage(m.Body)
	}
	if len(m.Via) > 0 {
		out["via"] = m.Via
	}
	if m.Deadline != 0 {
		out["timeout_ms"] = time.Until(time.Unix(0, m.Deadline)).Milliseconds()
	}
	return out
}
