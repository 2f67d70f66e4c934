package control

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// errPlanned takes back a transaction that was only to be tried.
var errPlanned = errors.New("planned")

// plan tries what a document makes of its connector, in a transaction that is
// taken back, and says what would be changed. in is what is to be written: what
// is kept of secrets is filled in.
func (t *Tenant) plan(ctx context.Context, doc ConnectorInput, change *Change) (in ConnectorInput, err error) {
	in = doc
	in.Enabled = nil // activation makes a test, and follows the change
	was, err := t.read(ctx, doc.Name)
	switch {
	case fault.Is(err, fault.NotFound):
		change.Action = ActionCreate
	case err != nil:
		return in, err
	default:
		change.Action, change.ID, change.was = ActionUpdate, was.ID, was.Revision
	}
	is, schema, err := t.tried(ctx, &in, &was, change)
	if err != nil {
		return in, err
	}
	if change.Action == ActionCreate {
		if doc.Enabled != nil && *doc.Enabled {
			change.Cost = CostRestart
		}
		return in, nil
	}
	change.Fields, change.Cost = compared(&was, &is, schema)
	if doc.Enabled != nil && *doc.Enabled != was.Enabled {
		change.Fields = append(change.Fields, "/is_enabled")
		change.Cost = CostRestart
	}
	if len(change.Fields) == 0 {
		change.Action = ActionUnchanged
	}
	return in, nil
}

// tried is what the connector would be.
func (t *Tenant) tried(ctx context.Context, in *ConnectorInput, was *spec.Connector, change *Change) (is spec.Connector, schema *param.Schema, err error) {
	trial := *in
	if err := t.typed(ctx, &trial); err != nil {
		return is, nil, err
	}
	if change.Action == ActionCreate {
		if err := t.propose(ctx, &trial); err != nil {
			return is, nil, err
		}
	}
	book, err := t.book(ctx)
	if err != nil {
		return is, nil, err
	}
	found, err := t.check(ctx, &trial)
	if err != nil {
		return is, nil, err
	}
	id := was.ID
	if id == "" {
		if id, err = newID("con"); err != nil {
			return is, nil, err
		}
	}
	var notes []string
	err = t.space.Update(ctx, func(w store.Writer) error {
		now := time.Now().UTC()
		if schema, err = book.Schema(w, trial.Module); err != nil {
			return err
		}
		in.Params = kept(in.Params, was, schema, change)
		trial.Params = in.Params
		d := draft{Tenant: t, in: &trial, found: found, pages: book, now: now}
		d.is = spec.Connector{ID: id, Status: spec.StatusDraft, Created: now}
		if was.ID != "" {
			d.was, d.is = *was, *was
		}
		if err := d.settle(w); err != nil {
			return err
		}
		if was.ID == "" {
			if err := t.roomForConnector(w); err != nil {
				return err
			}
		}
		is, notes = d.is, d.notes
		return errPlanned
	})
	if errors.Is(err, errPlanned) {
		err = nil
		change.Warnings = append(change.Warnings, notes...)
	}
	return is, schema, err
}

// kept are the rows of a document, of which those of secrets without a value
// keep the one that is there.
func kept(rows []spec.Param, was *spec.Connector, schema *param.Schema, change *Change) []spec.Param {
	rows = slices.Clone(rows)
	for i := range rows {
		row := &rows[i]
		if row.Type != spec.ParamSecret && !schema.Secret(row.Key) || row.Type == spec.ParamFile {
			continue
		}
		wanted := row.Secret != nil && row.Secret.Set || needed(schema, row.Key)
		row.Secret = nil
		if param.RefersToSecret(row.Value) {
			continue
		}
		if row.Value != "" {
			change.Warnings = append(change.Warnings, "the document holds the value of the secret "+row.Key)
			continue
		}
		row.Type = spec.ParamSecret
		for _, old := range was.Params {
			if old.Key == row.Key && old.Secret != nil && old.Secret.Set {
				row.Secret = old.Secret
			}
		}
		if row.Secret == nil && wanted {
			change.Warnings = append(change.Warnings, "the secret "+row.Key+" is not set")
		}
	}
	return rows
}

// needed reports whether a connector cannot do without the parameter.
func needed(schema *param.Schema, key string) bool {
	return slices.ContainsFunc(schema.Flat(), func(f param.FlatField) bool { return f.Key == key && f.Required })
}

// compared is what of a connector is another, and what that does to it when it
// runs.
func compared(was, is *spec.Connector, schema *param.Schema) (fields []string, cost Cost) {
	note := func(c Cost, pointers ...string) {
		if len(pointers) == 0 {
			return
		}
		fields = append(fields, pointers...)
		cost = worse(cost, c)
	}
	old, now := inputOf(was), inputOf(is)
	for _, in := range []*ConnectorInput{&old, &now} {
		in.Params, in.Config, in.Enabled = nil, nil, nil
		in.Grants = slices.Clone(in.Grants)
		for i := range in.Grants {
			in.Grants[i].GrantedBy, in.Grants[i].GrantedAt = "", time.Time{}
		}
	}
	for _, pointer := range differing(old, now) {
		c := CostInPlace
		if pointer == "/grants" && narrower(old.Grants, now.Grants) {
			c = CostReconnect
		}
		note(c, pointer)
	}
	before, after := settings(was), settings(is)
	for _, key := range slices.Sorted(maps.Keys(union(before, after))) {
		if before[key] != after[key] {
			note(costOf(schema, key), "/config/"+key)
		}
	}
	if !was.Enabled {
		cost = CostNone
	}
	return fields, cost
}

// costOf is what a change of one setting costs. Where the schema does not say,
// a session may depend on it.
func costOf(schema *param.Schema, key string) Cost {
	switch schema.Cost(key) {
	case param.CostNone:
		return CostInPlace
	case param.CostRestart:
		return CostRestart
	}
	return CostReconnect
}

// worse is the higher of two costs.
func worse(a, b Cost) Cost {
	order := []Cost{CostNone, CostInPlace, CostReconnect, CostRestart}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// narrower reports whether a grant is not among those of now as it was.
func narrower(old, now []spec.Grant) bool {
	return slices.ContainsFunc(old, func(had spec.Grant) bool {
		return !slices.ContainsFunc(now, func(has spec.Grant) bool {
			return has.Group == had.Group && within(had.Resources, has.Resources) && within(rightsOf(had), rightsOf(has))
		})
	})
}

func within[T comparable](part, whole []T) bool {
	return !slices.ContainsFunc(part, func(x T) bool { return !slices.Contains(whole, x) })
}

// settings are the parts of a configuration by their keys, in a form to compare:
// of a secret, its fingerprint.
func settings(c *spec.Connector) map[string]string {
	all := map[string]string{}
	rows := c.Params
	if len(rows) == 0 && len(c.Config) > 0 {
		flat, err := param.Flatten(c.Config)
		if err != nil {
			return map[string]string{"": string(c.Config)} // what no rows can name is compared as a whole
		}
		for _, row := range flat {
			all[row.Key] = row.Value
		}
		return all
	}
	for _, row := range rows {
		if row.Secret != nil {
			row.Secret = &spec.SecretInfo{Set: row.Secret.Set, Fingerprint: row.Secret.Fingerprint}
		}
		raw, err := json.Marshal(row)
		if err == nil {
			all[row.Key] = string(raw)
		}
	}
	return all
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// differing are the pointers of the fields in which two values of one type
// differ, as JSON.
func differing(a, b any) (pointers []string) {
	object := func(v any) map[string]string {
		var fields map[string]json.RawMessage
		raw, err := json.Marshal(v)
		if err != nil || json.Unmarshal(raw, &fields) != nil {
			return nil
		}
		all := map[string]string{}
		for name, value := range fields {
			if text := string(value); text != "null" && text != "[]" && text != "{}" && text != `""` {
				all[name] = text
			}
		}
		return all
	}
	old, now := object(a), object(b)
	for _, name := range slices.Sorted(maps.Keys(union(old, now))) {
		if old[name] != now[name] {
			pointers = append(pointers, "/"+name)
		}
	}
	return pointers
}
