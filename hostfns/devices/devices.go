// Package devices is the group of a connector's own devices. What a guest changes
// is staged, and becomes durable with the block of the step that changed it, or
// not at all. It reaches nothing outside of the connector, so it needs no grant.
// The composition root builds the Group; nobody else imports it.
package devices

import (
	"context"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Group is the devices of connectors.
type Group struct{}

// New is the group.
func New() *Group { return &Group{} }

// Name implements capability.Group.
func (*Group) Name() string { return "devices" }

// Contained marks the group as one that needs no grant.
func (*Group) Contained() {}

// Functions implements capability.Group.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: "get", Sentence: "read the connector's own devices"},
		{Name: "list", Sentence: "read the connector's own devices"},
		{Name: "put", Sentence: "add devices to the connector and change them"},
		{Name: "disconnect", Sentence: "take devices away from the connector"},
		{Name: "remove", Sentence: "take devices away from the connector"},
	}
}

// Target implements capability.Group: there is nothing to open.
func (*Group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

// Open implements capability.Group.
func (*Group) Open(_ context.Context, scope capability.Scope, _ []byte) (capability.Session, error) {
	if scope.Devices == nil {
		return nil, fault.New(fault.Unsupported, "devices: a converter has none")
	}
	return session{scope.Devices}, nil
}

type session struct{ devices capability.Devices }

// Call implements capability.Session.
func (s session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	switch function {
	case "get":
		return s.get(ctx, in, out)
	case "list":
		return s.list(ctx, in, out)
	case "put":
		return out[:0], s.put(ctx, in)
	case "disconnect":
		return out[:0], s.leave(ctx, abi.ChangeDisconnect, in)
	case "remove":
		return out[:0], s.leave(ctx, abi.ChangeRemove, in)
	}
	return nil, fault.New(fault.Unsupported, "no host function devices.%s", function)
}

func (s session) get(ctx context.Context, in, out []byte) ([]byte, error) {
	var req abi.DeviceQuery
	if err := req.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "devices.get")
	}
	d, found, err := s.devices.Device(ctx, req.ID)
	if err != nil {
		return nil, err
	}
	var page abi.DevicePage
	if found {
		page.Devices = []abi.Device{d}
	}
	return page.Append(out[:0]), nil
}

// maxPage bounds an answer of list in bytes: about, and one device at least.
const maxPage = 256 << 10

func (s session) list(ctx context.Context, in, out []byte) ([]byte, error) {
	var req abi.DeviceQuery
	if err := req.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "devices.list")
	}
	limit := abi.MaxItems
	if req.Limit > 0 {
		limit = min(limit, int(req.Limit))
	}
	list, more, err := s.devices.Devices(ctx, req.After, limit)
	if err != nil {
		return nil, err
	}
	size := 0
	for i := range list {
		if size += len(list[i].Append(nil)); size > maxPage && i > 0 {
			list, more = list[:i], true
			break
		}
	}
	page := abi.DevicePage{Devices: list, More: more}
	return page.Append(out[:0]), nil
}

func (s session) put(ctx context.Context, in []byte) error {
	var c abi.DeviceChange
	if err := c.Decode(in); err != nil {
		return fault.Wrap(fault.Invalid, err, "devices.put")
	}
	if c.Change != abi.ChangePut {
		return fault.New(fault.Invalid, "devices.put: the change %d is no put", c.Change)
	}
	if c.ID == "" || c.Type == "" || c.Name == "" {
		return fault.New(fault.Invalid, "devices.put: a device has an id, a type and a name")
	}
	if err := spec.CheckDeviceChange(&c); err != nil {
		return err
	}
	return s.devices.Change(ctx, c)
}

func (s session) leave(ctx context.Context, change abi.Change, in []byte) error {
	var c abi.DeviceChange
	if err := c.Decode(in); err != nil {
		return fault.Wrap(fault.Invalid, err, "devices")
	}
	if _, found, err := s.devices.Device(ctx, c.ID); err != nil {
		return err
	} else if !found {
		return fault.New(fault.DeviceUnknown, "the connector has no device %.64q", c.ID)
	}
	return s.devices.Change(ctx, abi.DeviceChange{Change: change, ID: c.ID})
}

// Close implements capability.Session.
func (session) Close(context.Context) error { return nil }
