// Package deploy is the group through which a guest says what a device needs
// elsewhere: connectors of its own, devices, HTTP resources, topics, and what only
// a person can take down. The composition root builds the Group; nobody else
// imports it.
//
// A grant names what may be made, with the right to write: connector:TYPE,
// device:ID, http:NAME, topic:NAME; connector:* is any type. A note needs none. An
// HTTP resource needs a grant of the group http for its requests, too.
package deploy

import (
	"context"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

const name = "deploy"

// The functions, which are the kinds of resources too.
const (
	functionConnector = "connector"
	functionDevice    = "device"
	functionHTTP      = "http"
	functionTopic     = "topic"
	functionNote      = "note"
)

// maxName bounds the name of a resource, in bytes.
const maxName = 256

// Group is what deployments are made of.
type Group struct{}

// New is the group.
func New() *Group { return &Group{} }

// Name implements capability.Group.
func (*Group) Name() string { return name }

// Functions implements capability.Group. What is made has names, so the session
// checks the rights.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: functionConnector, Sentence: "make other connectors when a device is deployed, with no more grants than its own"},
		{Name: functionDevice, Sentence: "register devices when one is deployed"},
		{Name: functionHTTP, Sentence: "have the server make HTTP resources when a device is deployed, and take them away again"},
		{Name: functionTopic, Sentence: "make Kafka topics when a device is deployed"},
		{Name: functionNote, Sentence: "note what a person has to take down when a device is torn down"},
	}
}

// Target implements capability.Group: there is nothing to open.
func (*Group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

// Open implements capability.Group.
func (*Group) Open(_ context.Context, scope capability.Scope, _ []byte) (capability.Session, error) {
	return session{scope}, nil
}

type session struct{ scope capability.Scope }

// request is one of the messages of the group.
type request interface {
	Decode(src []byte) error
}

// Call implements capability.Session.
func (s session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	var (
		c abi.DeployConnector
		d abi.DeployDevice
		h abi.DeployHTTP
		t abi.DeployTopic
		n abi.DeployNote
	)
	to := s.scope.Deployment
	switch function {
	case functionConnector:
		return s.serve(ctx, function, &c, in, out,
			func() string { return c.ProviderType }, func() (abi.Deployed, error) { return to.Connector(ctx, &c) })
	case functionDevice:
		return s.serve(ctx, function, &d, in, out,
			func() string { return deviceID(&d) }, func() (abi.Deployed, error) { return to.Device(ctx, &d) })
	case functionHTTP:
		return s.serve(ctx, function, &h, in, out,
			func() string { return h.Name }, func() (abi.Deployed, error) { return to.HTTP(ctx, &h) })
	case functionTopic:
		return s.serve(ctx, function, &t, in, out,
			func() string { return t.Name }, func() (abi.Deployed, error) { return to.Topic(ctx, &t) })
	case functionNote:
		return s.serve(ctx, function, &n, in, out,
			func() string { return n.Name }, func() (abi.Deployed, error) { return to.Note(ctx, &n) })
	}
	return nil, fault.New(fault.Unsupported, "no host function deploy.%s", function)
}

func deviceID(d *abi.DeployDevice) string {
	if d.Device == nil {
		return ""
	}
	return d.Device.ID
}

// serve reads a request, checks it, and has it done.
func (s session) serve(ctx context.Context, function string, q request, in, out []byte,
	what func() string, do func() (abi.Deployed, error),
) ([]byte, error) {
	if err := q.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "deploy.%s", function)
	}
	if n := len(what()); n < 1 || n > maxName {
		return nil, fault.New(fault.Invalid, "deploy.%s: what is made is named, in 1 to %d bytes", function, maxName)
	}
	if s.scope.Deployment == nil {
		return nil, fault.New(fault.WrongState, "deploy.%s: nothing is deployed now", function).
			WithHint("call it from deploy or tear_down alone")
	}
	if err := s.may(ctx, function, function+":"+what()); err != nil {
		return nil, err
	}
	answer, err := do()
	if err != nil {
		return nil, err
	}
	return answer.Append(out[:0]), nil
}

// may refuses what no grant covers.
func (s session) may(ctx context.Context, function, resource string) error {
	if function == functionNote {
		return nil
	}
	err := capability.Check(name, s.scope.Grants, resource, spec.Write)
	if s.scope.Caller == nil {
		return err
	}
	if err != nil {
		s.scope.Caller.Refused(function, resource, err)
		return err
	}
	return s.scope.Caller.Allow(ctx, function, spec.Write)
}

// Close implements capability.Session.
func (session) Close(context.Context) error { return nil }
