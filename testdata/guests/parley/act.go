package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

// promise is an answer that a timer brings.
type promise struct {
	message *abi.Message
	order   order
	given   int // parts
}

// act does what the message is told to, and reports whether it was told
// anything.
func (p *parley) act(m *abi.Message, step *snaprail.Step) (done bool, err error) {
	o := orderOf(m)
	switch o.Do {
	case "empty":
		return true, step.Empty(m)
	case "list":
		return true, step.Complete(m, list(o.N))
	case "parts":
		return true, parts(m, &o, step, false)
	case "emit":
		return true, parts(m, &o, step, true)
	case "partial", "later", "twice":
		return true, p.promise(m, o, step)
	case "error":
		return true, step.Fail(m, "register_unknown", "the register {0} of {1} is beyond {2}", o.Parameters...)
	case "never":
		return true, nil
	case "fail":
		return true, errors.New("told to fail")
	case "fault":
		return true, snaprail.NewError("register_unknown", "the register {0} of {1} is beyond {2}", o.Parameters...)
	case "panic":
		panic("told to panic")
	case "emit_panic":
		step.Event(m.Device, "emitted", m.Body, nil)
		_, err := snaprail.Emit(step)
		panic(fmt.Sprint("told to panic behind an emit: ", err))
	case "emit_verdict":
		step.Reject(0, "in the middle")
		_, err := snaprail.Emit(step)
		step.Outcome().Verdicts = nil
		return true, step.Complete(m, map[string]string{"error": fmt.Sprint(err)})
	case "retry":
		return true, p.retry(m, &o, step)
	case "reject":
		step.Reject(0, "told to reject")
		return true, nil
	case "skip":
		step.Skip(0, "told to skip")
		return true, nil
	case "sleep":
		time.Sleep(o.after())
		return true, step.Complete(m, echo(m))
	case "where":
		return true, step.Complete(m, p.where())
	case "spawn":
		return true, p.spawn(m, &o, step)
	case "device":
		return true, change(m, &o, step)
	case "healthy":
		return true, errors.Join(snaprail.DeclareHealthy(), step.Success(m))
	case "unhealthy":
		return true, errors.Join(snaprail.DeclareUnhealthy(), step.Success(m))
	}
	return misbehave(m, &o, step), nil
}

// retry hands the message back n times, and then emits it.
func (p *parley) retry(m *abi.Message, o *order, step *snaprail.Step) error {
	if p.tries[o.Name] < o.N {
		p.tries[o.Name]++
		step.Retry(0, o.after(), "told to retry")
		return nil
	}
	step.Event(m.Device, "retried", m.Body, nil)
	return step.Complete(m, map[string]int{"tries": p.tries[o.Name]})
}

// misbehave breaks one of the rules of a conversation, around the SDK, which
// would not let it.
func misbehave(m *abi.Message, o *order, step *snaprail.Step) (done bool) {
	r := abi.Reply{Correlation: m.Correlation, ContentType: "application/json"}
	switch o.Do {
	case "reply": // to what is no question
		r.Body = []byte(`{}`)
	case "stranger": // to a question that nobody asked
		r.Correlation, r.Body = "no-such-correlation", []byte(`{}`)
	case "both": // twice in a step
		r.Body = []byte(`{"answer":1}`)
		step.Reply(r)
		r.Body = []byte(`{"answer":2}`)
	case "scalar":
		r.Status, r.Body = abi.ReplyPartial, []byte(`42`)
	case "scalar_complete":
		r.Body = []byte(`42`)
	case "not_json":
		r.Body = []byte(`{"a":`)
	case "full_empty":
		r.Status, r.Body = abi.ReplyEmpty, []byte(`{}`)
	case "bare_error":
		r.Status = abi.ReplyError
	case "textless_error":
		r.Status, r.Err = abi.ReplyError, &abi.Error{Code: "c"}
	default:
		return false
	}
	step.Reply(r)
	return true
}

func list(n int) []map[string]int {
	all := make([]map[string]int, n)
	for i := range all {
		all[i] = map[string]int{"n": i}
	}
	return all
}

// part is the i-th object of an answer in parts.
func part(i int, o *order) map[string]any {
	p := map[string]any{"n": i}
	if o.KiB > 0 {
		p["fill"] = strings.Repeat("x", o.KiB<<10)
	}
	return p
}

// parts answers in parts within one call, each of them a commit of its own or
// all in one.
func parts(m *abi.Message, o *order, step *snaprail.Step, emit bool) error {
	for i := range o.N {
		if err := step.Partial(m, part(i, o)); err != nil {
			return err
		}
		if !emit {
			continue
		}
		if _, err := snaprail.Emit(step); err != nil {
			return err
		}
	}
	return step.Complete(m, map[string]int{"parts": o.N})
}

// promise answers by a timer: after a while, in parts, or a second time.
func (p *parley) promise(m *abi.Message, o order, step *snaprail.Step) error {
	timer := o.Do + " " + m.Correlation
	p.later[timer] = promise{message: m.Clone(), order: o}
	step.After(timer, o.after())
	if o.Do == "twice" {
		return step.Complete(m, map[string]int{"answer": 1})
	}
	return nil
}

// keep does what was promised.
func (p *parley) keep(timer string, step *snaprail.Step) error {
	due, found := p.later[timer]
	if !found {
		return nil
	}
	m := due.message
	if due.order.Do != "partial" {
		delete(p.later, timer)
		return step.Complete(m, map[string]int{"answer": 2})
	}
	if due.given == due.order.N {
		delete(p.later, timer)
		return step.Complete(m, map[string]int{"parts": due.given})
	}
	if err := step.Partial(m, part(due.given, &due.order)); err != nil {
		return err
	}
	due.given++
	p.later[timer] = due
	step.After(timer, due.order.after())
	return nil
}

// where says what open was told.
func (p *parley) where() map[string]any {
	in, ids := &p.opened, make([]string, len(p.opened.Devices))
	for i := range in.Devices {
		ids[i] = in.Devices[i].ID
	}
	return map[string]any{
		"connector": in.Connector, "reason": in.Reason, "abi_minor": in.ABIMinor, "lane": in.Lane,
		"devices": ids, "revision": in.Revision, "set": in.Set,
	}
}

// spawn asks for a job, whose answer is the answer.
func (p *parley) spawn(m *abi.Message, o *order, step *snaprail.Step) error {
	name := o.Name
	if name == "" {
		name = "job " + m.Correlation
	}
	p.jobs[name] = m.Clone()
	step.Spawn(abi.Job{Name: name, Input: []byte(o.Value), TimeoutMS: uint64(max(o.AfterMS, 0))})
	return nil
}

func (p *parley) jobEnded(event *abi.Event, step *snaprail.Step) error {
	m := p.jobs[event.Name]
	if m == nil {
		step.Event("", "job", event.Data, []byte(event.Name))
		return nil
	}
	delete(p.jobs, event.Name)
	if event.Err != nil {
		return step.Fail(m, event.Err.Code, "the job {0} failed: {1}", event.Name, event.Err.Error())
	}
	return step.Complete(m, event.Data)
}

// OnJob answers with its name and its input, fails on "fail", traps on "panic",
// never ends by itself on "spin"
// and waits for the rest of its time on "sleep".
func (*parley) OnJob(job *abi.Job, step *snaprail.Step) ([]byte, error) {
	switch string(job.Input) {
	case `"fail"`:
		return nil, snaprail.NewError("job_failed", "the job {0} was told to fail", job.Name)
	case `"panic"`:
		panic("told to panic")
	case `"spin"`:
		for { //nolint:revive // it is to be ended from outside
		}
	case `"sleep"`:
		time.Sleep(time.Hour)
	}
	step.Event("", "job", job.Input, []byte(job.Name))
	input := job.Input
	if len(input) == 0 {
		input = []byte("null")
	}
	return fmt.Appendf(nil, `{"job":%q,"input":%s}`, job.Name, input), nil
}

// change changes a device.
func change(m *abi.Message, o *order, step *snaprail.Step) error {
	switch o.Change {
	case "remove":
		step.RemoveDevice(o.ID)
	case "disconnect":
		step.DisconnectDevice(o.ID)
	default:
		d := snaprail.NewDevice(o.ID, "parley", o.Name)
		d.Attributes = o.Value
		for name, value := range o.Tags {
			if err := d.AddTag(name, value); err != nil {
				return err
			}
		}
		step.Put(d)
	}
	return step.Success(m)
}
