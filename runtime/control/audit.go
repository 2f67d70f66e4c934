package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// AuditQuery says which events of an audit trail are wanted.
type AuditQuery struct {
	Connector string    // by id or name; one that is gone by its id alone
	Action    string    // such as connector.update, or connector for all of those
	Since     time.Time // zero: from the oldest that is kept
	// Server asks for the server's own trail, of what belongs to no tenant.
	Server bool
}

// Audit is a page of the tenant's audit trail, the newest event first. A page
// that has a next one may hold fewer events than were asked for, or none.
func (t *Tenant) Audit(ctx context.Context, q AuditQuery, p Page) (list []identity.Event, next string, err error) {
	if err := t.may(ctx, identity.Audits, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	want := identity.Query{Limit: limit, Action: q.Action, Since: q.Since}
	if p.After != "" {
		if want.Before, err = strconv.ParseUint(p.After, 10, 64); err != nil || want.Before == 0 {
			return nil, "", fault.New(fault.Invalid, "after %.40q is no place in the trail", p.After).
				WithHint("Send the next of the page before.")
		}
	}
	space := t.space
	if q.Server {
		if err := t.may(ctx, identity.Server, identity.Read); err != nil {
			return nil, "", err
		}
		space = t.cfg.Store.System()
	}
	err = space.View(ctx, func(r store.Reader) error {
		if q.Connector != "" {
			want.Connector = q.Connector
			if c, err := find(r, q.Connector); err == nil {
				want.Connector = c.ID
			}
		}
		var before uint64
		if list, before, err = identity.List(r, want); err != nil {
			return err
		}
		if next = ""; before > 0 {
			next = strconv.FormatUint(before, 10)
		}
		return named(r, list)
	})
	return list, next, err
}

// VerifyAudit sees whether the tenant's trail, or the server's own, is as it was
// written. note is an event that was noted earlier; nil: none.
func (t *Tenant) VerifyAudit(ctx context.Context, server bool, note *identity.Anchor) (v identity.Verdict, err error) {
	if err := t.may(ctx, identity.Audits, identity.Read); err != nil {
		return v, err
	}
	space := t.space
	if server {
		if err := t.may(ctx, identity.Server, identity.Read); err != nil {
			return v, err
		}
		space = t.cfg.Store.System()
	}
	err = space.View(ctx, func(r store.Reader) error {
		v, err = identity.Verify(r, note)
		return err
	})
	return v, err
}

// named fills in what connectors are called that are still there.
func named(r store.Reader, list []identity.Event) error {
	names := map[string]string{}
	for i := range list {
		e := &list[i]
		if e.Connector == "" || e.Name != "" {
			continue
		}
		if _, asked := names[e.Connector]; !asked {
			c, err := find(r, e.Connector)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
			names[e.Connector] = c.Name
		}
		e.Name = names[e.Connector]
	}
	return nil
}

// event is something that was done to a connector.
func (t *Tenant) event(action identity.Action, c *spec.Connector) identity.Event {
	return identity.Event{Who: t.who, Action: action, Connector: c.ID, Name: c.Name, Outcome: identity.Done}
}

// record puts something that was done into the tenant's own trail.
func (t *Tenant) record(ctx context.Context, e identity.Event) {
	e.Who, e.Outcome = t.who, identity.Done
	t.tell(ctx, t.id, e)
}

// tell puts something that was done, in a transaction that is over, into a
// tenant's own trail. It was done whatever becomes of this: an event that
// cannot be written now waits with what is noted, and the log has it.
func (t *Tenant) tell(ctx context.Context, id string, e identity.Event) {
	e.Tenant, e.Time = "", time.Now()
	space, err := t.cfg.Store.Tenant(id)
	if err == nil {
		err = identity.Record(context.WithoutCancel(ctx), space, e)
	}
	if err == nil {
		return
	}
	t.cfg.Log.Error("what was done is not in the tenant's audit trail yet", "tenant", id, "action", e.Action, "on", e.On, "module", e.Module, "error", err)
	t.cfg.Audit.Note(id, e)
}

// by is who calls, for what is stored.
func (t *Tenant) by() string {
	if t.who == (identity.Who{}) {
		return ""
	}
	return t.who.String()
}

// refusal notes in the trail that something was refused, if it is of a kind that
// anybody would ask about later; mistakes in a request are not.
func (t *Tenant) refusal(action identity.Action, c *spec.Connector, err error) {
	f := fault.Of(err)
	if f == nil {
		return
	}
	switch f.Kind {
	case fault.ConsentRequired, fault.AboveCeiling, fault.CapabilityNotGranted, fault.Denied, fault.NotConnected, fault.ModuleInUse,
		fault.NotGrantable, fault.QuotaReached:
	default:
		return
	}
	e := t.event(action, c)
	e.Outcome, e.Code, e.Detail = identity.Refused, f.Kind.String(), f.Text
	for _, field := range f.Fields {
		e.Detail += "; " + field.Detail
	}
	e.Detail = t.runtime.Vault().Mask().Text(e.Detail)
	t.cfg.Audit.Note(t.id, e)
}

// changes are the events of a connector that was, and is now: the change
// itself, and what it did to grants and limits.
func (t *Tenant) changes(action identity.Action, was, is *spec.Connector) []identity.Event {
	e := t.event(action, is)
	e.Module, e.Detail = is.Module, strings.Join(changed(was, is), "; ")
	events := []identity.Event{e}
	if grants := grantChanges(was.Grants, is.Grants); len(grants) > 0 {
		e := t.event(identity.GrantsChange, is)
		e.Detail = strings.Join(grants, "; ")
		events = append(events, e)
	}
	limits := fieldChanges("", was.Limits, is.Limits)
	if was.Converter != nil && is.Converter != nil {
		limits = append(limits, fieldChanges("converter.", was.Converter.Limits, is.Converter.Limits)...)
	}
	if len(limits) > 0 {
		e := t.event(identity.LimitsChange, is)
		e.Detail = strings.Join(limits, "; ")
		events = append(events, e)
	}
	return events
}

// changed says what of a connector is another now. Of a config it says that it
// is: it may hold what is nobody's business.
func changed(was, is *spec.Connector) (parts []string) {
	if was.Name != is.Name && was.Name != "" {
		parts = append(parts, fmt.Sprintf("name was %q", was.Name))
	}
	if was.Module != is.Module {
		parts = append(parts, arrow("module", was.Module, is.Module))
	}
	if old, now := converterOf(was.Converter), converterOf(is.Converter); old != now {
		parts = append(parts, arrow("converter", old, now))
	}
	if !sameJSON(was.Config, is.Config) {
		parts = append(parts, "config")
	}
	if was.Converter != nil && is.Converter != nil && !sameJSON(was.Converter.Config, is.Converter.Config) {
		parts = append(parts, "converter's config")
	}
	if was.Poll != is.Poll {
		parts = append(parts, "poll")
	}
	if keys := changedParams(was.Params, is.Params); len(keys) > 0 {
		parts = append(parts, "params "+strings.Join(keys, ", "))
	}
	if was.Default != is.Default {
		parts = append(parts, fmt.Sprintf("is_default %t", is.Default))
	}
	return parts
}

// sameJSON reports whether two texts differ in nothing but blanks.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y bytes.Buffer
	if len(a) == 0 || len(b) == 0 || json.Compact(&x, a) != nil || json.Compact(&y, b) != nil {
		return bytes.Equal(a, b)
	}
	return bytes.Equal(x.Bytes(), y.Bytes())
}

func arrow(what, old, now string) string {
	cut := func(digest string) string { return orNone(fault.Clip(digest, 12)) }
	if old == "" {
		return what + " " + cut(now)
	}
	return what + " " + cut(old) + " to " + cut(now)
}

// fieldChanges compares two values by their JSON, field by field.
func fieldChanges(prefix string, was, is any) (list []string) {
	if reflect.DeepEqual(was, is) {
		return nil
	}
	old, now := fieldsOf(was), fieldsOf(is)
	for name := range old {
		if _, there := now[name]; !there {
			now[name] = nil
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if string(old[name]) != string(now[name]) {
			list = append(list, fmt.Sprintf("%s%s %s to %s", prefix, name, orDefault(old[name]), orDefault(now[name])))
		}
	}
	return list
}

func fieldsOf(v any) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	if raw, err := json.Marshal(v); err == nil {
		_ = json.Unmarshal(raw, &fields)
	}
	return fields
}

func orDefault(raw json.RawMessage) string {
	if raw == nil {
		return "default"
	}
	return strings.Trim(string(raw), `"`)
}
