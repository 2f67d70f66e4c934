package control

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// propose puts what came with a connector's modules where the caller says
// nothing: config field by field, and limits up to the tenant's ceiling. Grants
// are never taken from there.
func (t *Tenant) propose(ctx context.Context, in *ConnectorInput) error {
	if err := t.proposed(ctx, in.Module, &in.Config, &in.Limits); err != nil {
		return err
	}
	if in.Converter == nil {
		return nil
	}
	filled := *in.Converter
	in.Converter = &filled
	return t.proposed(ctx, filled.Module, &filled.Config, &filled.Limits)
}

func (t *Tenant) proposed(ctx context.Context, digest string, config *json.RawMessage, limits *spec.Limits) error {
	m, err := t.shelf.Get(ctx, digest)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return nil // check says what is wrong with it
	}
	if err != nil || m.Proposal == nil {
		return err
	}
	if *config, err = merged(m.Proposal.Config, *config); err != nil {
		return err
	}
	ceiling := t.runtime.Ceiling()
	for _, d := range spec.LimitTable() {
		if v := d.Of(&m.Proposal.Limits); v > 0 && d.Of(limits) == 0 {
			d.Set(limits, min(max(v, d.Min), ceiling.Most(d)))
		}
	}
	return nil
}

// merged is a config with the fields of another one that it does not have. One
// that is no object stays as it is.
func merged(proposed, given json.RawMessage) (json.RawMessage, error) {
	var fields, own map[string]json.RawMessage
	isObject := func(raw json.RawMessage, fields *map[string]json.RawMessage) bool {
		return json.Unmarshal(raw, fields) == nil
	}
	if len(proposed) == 0 || !isObject(proposed, &fields) || len(given) > 0 && !isObject(given, &own) {
		return given, nil
	}
	maps.Copy(fields, own)
	all, err := json.Marshal(fields)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "config")
	}
	return all, nil
}
