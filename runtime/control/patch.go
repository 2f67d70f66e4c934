package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
)

// patchTries is how often a patch without a revision is tried anew when
// somebody else was faster.
const patchTries = 5

// PatchConnector changes what a JSON merge patch (RFC 7396) of a
// ConnectorInput says, and leaves the rest as it is. revision as in
// UpdateConnector.
func (t *Tenant) PatchConnector(ctx context.Context, idOrName string, patch json.RawMessage, revision uint64) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return ConnectorView{}, err
	}
	for try := 1; ; try++ {
		v, err := t.patch(ctx, idOrName, patch, revision)
		if revision == 0 && try < patchTries && fault.Is(err, fault.StaleRevision) {
			continue
		}
		return v, err
	}
}

func (t *Tenant) patch(ctx context.Context, idOrName string, patch json.RawMessage, revision uint64) (ConnectorView, error) {
	c, err := t.hold(ctx, idOrName)
	if err != nil {
		return ConnectorView{}, err
	}
	if err := current(&c.Connector, revision); err != nil {
		return ConnectorView{}, err
	}
	in, err := patched(&c.Connector, patch)
	if err != nil {
		return ConnectorView{}, err
	}
	v, err := t.update(ctx, c, in, c.Revision)
	if err != nil {
		t.refusal(identity.ConnectorUpdate, &c.Connector, err)
		return ConnectorView{}, err
	}
	return v, nil
}

// patched is what a patch makes of a connector.
func patched(c *spec.Connector, patch json.RawMessage) (in ConnectorInput, err error) {
	if param.TooDeep(patch) { // merging keeps a copy for each level
		return in, fault.New(fault.Invalid, "the patch is nested deeper than %d levels", param.MaxJSONDepth)
	}
	said := objectOf(patch)
	if said == nil {
		return in, fault.New(fault.BodyInvalid, "the patch is no JSON object").
			WithHint("Send an object of the fields that change; null takes one away.")
	}
	_, config := said["config"]
	_, params := said["params"]
	if config && !params && len(c.Params) > 0 && string(said["config"]) != "null" {
		return in, invalid([]fault.Field{{Pointer: "/config", Detail: "counts only without params, and there are some: change those, or send \"params\": null too"}})
	}
	held := inputOf(c)
	if config && len(said) == 1 { // all else stays as it is
		if held.Config, err = merge(held.Config, said["config"]); string(bytes.TrimSpace(held.Config)) == "null" {
			held.Config = nil
		}
		return held, err
	}
	_, module := said["module"]
	for _, name := range []string{"category", "provider_type", "version"} {
		if _, typed := said[name]; typed && !module {
			held.Module = "" // the type says which
		}
	}
	if module {
		held.Category, held.ProviderType = "", "" // the module says which
	}
	whole, err := json.Marshal(held)
	if err == nil {
		whole, err = merge(whole, patch)
	}
	if err != nil {
		return in, fault.Wrap(fault.Internal, err, "patch of connector %s", c.ID)
	}
	if err := json.Unmarshal(whole, &in); err != nil {
		return in, unreadable(err)
	}
	return in, nil
}

// unreadable says which field of a patch is of another type than it should be.
func unreadable(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at := "/" + string(bytes.ReplaceAll([]byte(wrong.Field), []byte("."), []byte("/")))
		return fault.New(fault.BodyInvalid, "%s is a %s, and cannot be", at, wrong.Value).
			WithFields(fault.Field{Pointer: at, Detail: fmt.Sprintf("cannot be a %s", wrong.Value)})
	}
	return fault.Wrap(fault.BodyInvalid, err, "the patch does not make a connector")
}

// inputOf is what a caller would have to send to change nothing.
func inputOf(c *spec.Connector) ConnectorInput {
	return ConnectorInput{
		Name: c.Name, Module: c.Module, Category: c.Category, ProviderType: c.ProviderType,
		Params: c.Params, Config: c.Config, Converter: c.Converter, Grants: c.Grants, Limits: c.Limits, Poll: c.Poll,
		Default: &c.Default, Enabled: &c.Enabled, Set: c.Set, Remote: c.Remote, DeviceManager: c.DeviceManager, Mapping: c.Mapping, OnChange: c.OnChange, Feed: c.Feed,
	}
}

// merge applies a JSON merge patch (RFC 7396).
func merge(target, patch json.RawMessage) (json.RawMessage, error) {
	changes := objectOf(patch)
	if changes == nil || param.Sealed(target) { // of a secret there are no parts
		return patch, nil
	}
	fields := objectOf(target)
	if fields == nil {
		fields = map[string]json.RawMessage{}
	}
	for name, change := range changes {
		if string(bytes.TrimSpace(change)) == "null" {
			delete(fields, name)
			continue
		}
		merged, err := merge(fields[name], change)
		if err != nil {
			return nil, err
		}
		fields[name] = merged
	}
	return written(fields), nil
}

// written is a JSON object. Its values were part of JSON before, and are not
// read again.
func written(fields map[string]json.RawMessage) json.RawMessage {
	size := 2
	for name, value := range fields {
		size += len(name) + len(value) + 4
	}
	raw := append(make([]byte, 0, size), '{')
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if len(raw) > 1 {
			raw = append(raw, ',')
		}
		raw = append(append(param.AppendText(raw, name), ':'), fields[name]...)
	}
	return append(raw, '}')
}

// objectOf is the fields of a JSON object; nil: it is none.
func objectOf(raw json.RawMessage) (fields map[string]json.RawMessage) {
	if members, plain := param.Object(raw); plain {
		return members
	}
	if json.Unmarshal(raw, &fields) != nil {
		return nil
	}
	return fields
}
