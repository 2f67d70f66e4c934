package supervisor

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/interlock"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// meant is a message as it is judged: one that names no device is for the only
// one, where there is one alone. unregistered says that the connector has no such
// device.
func (t *Tenant) meant(ctx context.Context, id string, m *abi.Message) (judged *abi.Message, unregistered bool, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		judged, unregistered = m, false
		if m.Device != "" {
			d, found, err := t.devices.Lookup(r, id, m.Device)
			unregistered = !found || d.Gone()
			return err
		}
		only, n := "", 0
		for d, err := range t.devices.Here(r, id) {
			if err != nil {
				return err
			}
			if only, n = d.ID, n+1; n > 1 {
				return nil
			}
		}
		if n == 1 {
			named := *m
			named.Device = only
			judged = &named
		}
		return nil
	})
	return judged, unregistered, err
}

// What one event of the trail has of the writes of a message, in bytes. What does
// not fit is in other events: whoever writes much hides nothing by it.
const (
	eventWrites = 220
	shownTag    = 120
	shownValue  = 80
)

// writeEvents are what the trail has of a message's writes, or of those that were
// refused: each of them.
func (t *Tenant) writeEvents(c *spec.Connector, m *abi.Message, writes []interlock.Write, w Word, p interlock.Permit, refused error) []identity.Event {
	e := identity.Event{
		Who: w.By, Action: identity.DeviceWrite, Connector: c.ID, Name: c.Name,
		On: t.vault.Mask().Text(strings.TrimSpace(interlock.MethodOf(m) + " " + m.Device)), Outcome: identity.Done,
	}
	var before, after string
	switch {
	case refused != nil:
		f := fault.Of(refused)
		e.Outcome, e.Code, before = identity.Refused, f.Kind.String(), t.vault.Mask().Text(f.Text)
	case p.DryRun:
		before = "dry run, nothing is written"
	}
	if p.Override != "" {
		after += "; by override " + p.Override
	}
	if w.Approver.Name != "" {
		asked := interlock.Asked{By: w.Person, For: w.For}
		after += "; asked for by " + fault.Clip(asked.String(), 40) + "; approved by " + fault.Clip(w.Approver.Name, 40)
	}
	var events []identity.Event
	for _, part := range t.parts(writes) {
		text := fault.Clip(before, identity.MaxDetail-len(part)-len(after)-len("; "))
		if text != "" && part != "" {
			text += "; "
		}
		e.Detail = text + part + after
		events = append(events, e)
	}
	return events
}

// parts are the writes in as many texts as it takes; without any, one that is
// empty.
func (t *Tenant) parts(writes []interlock.Write) []string {
	all := []string{""}
	for i := range writes {
		one := t.shownText(writes[i].Tag, shownTag) + "=" + t.shownText(writes[i].Value, shownValue)
		last := &all[len(all)-1]
		switch {
		case *last == "":
			*last = one
		case len(*last)+len(one) > eventWrites:
			all = append(all, one)
		default:
			*last += ", " + one
		}
	}
	for i := range all {
		if len(all) > 1 {
			all[i] = fmt.Sprintf("%d of %d: %s", i+1, len(all), all[i])
		}
	}
	return all
}

// shownText is a text without the tenant's secrets; of a long one its beginning,
// with what tells it from others.
func (t *Tenant) shownText(text string, most int) string {
	masked := t.vault.Mask().Text(text)
	if len(masked) <= most {
		return masked
	}
	return fmt.Sprintf("%s...(%d bytes, sha256 %.8x)", fault.Clip(masked, most-40), len(masked), sha256.Sum256([]byte(masked)))
}

func (t *Tenant) noteWrites(events []identity.Event) {
	for _, e := range events {
		t.super.cfg.Audit.Note(t.name, e)
	}
}
