package control

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxConsents bounds how many modules a connector remembers, and so how far
// back it can go without being asked again.
const maxConsents = 32

// consented sees that nobody gives a connector a module that asks for more than
// the one before it without having read what that is. It notes in the connector
// whose word each module runs on, and answers the events of that.
//
// A converter where there was none needs no consent: there is nothing that it
// asks for more than, and a converter is given no grants, whatever it asks for.
// Were converters to get grants, one that is added to a connector that has some
// would have to be asked about here.
//
// It has to come before the change is applied to the connector.
func (t *Tenant) consented(r store.Reader, c *spec.Connector, in *ConnectorInput, now time.Time) ([]identity.Event, error) {
	var events []identity.Event
	var missing []fault.Field
	for _, p := range []struct{ at, old, next string }{
		{"/module", c.Module, in.Module},
		{"/converter/module", converterOf(c.Converter), converterOf(in.Converter)},
	} {
		if p.next == "" || p.next == p.old {
			continue
		}
		old, next, err := modulesOf(r, p.old, p.next)
		if err != nil {
			return nil, err
		}
		if p.old != "" {
			t.chosen(c, old, now) // it runs, so somebody chose it
		}
		if t.chose(c, next) {
			continue
		}
		if p.old != "" {
			more := Compare(old, next, t.cfg.Groups).More
			if len(more) > 0 && !agreed(in.Consent, p.next) {
				for _, sentence := range more {
					missing = append(missing, fault.Field{Pointer: p.at, Detail: sentence})
				}
				continue
			}
			if len(more) > 0 {
				e := t.event(identity.ConsentGive, c)
				e.Module, e.Detail = p.next, strings.Join(more, " ")
				events = append(events, e)
			}
		}
		t.chosen(c, next, now)
	}
	if len(missing) > 0 {
		return nil, consentRequired(missing, in)
	}
	return events, nil
}

func consentRequired(missing []fault.Field, in *ConnectorInput) error {
	var digests []string
	for _, digest := range []string{in.Module, converterOf(in.Converter)} {
		at := map[bool]string{true: "/module", false: "/converter/module"}[digest == in.Module]
		if slices.ContainsFunc(missing, func(f fault.Field) bool { return f.Pointer == at }) {
			digests = append(digests, digest)
		}
	}
	n := "one thing"
	if len(missing) > 1 {
		n = fmt.Sprintf("%d things", len(missing))
	}
	return fault.New(fault.ConsentRequired, "the new module asks for more than the one that it replaces (%s)", n).
		WithHint("Read what it asks for, grant it if you agree, and send \"consent\": [%q] (command line: --consent %s).",
			strings.Join(digests, `", "`), strings.Join(digests, ",")).
		WithFields(missing...)
}

// agreed reports whether a list of digests, which may be cut as any may, holds
// this one.
func agreed(consent []string, digest string) bool {
	const shortest = 8
	return slices.ContainsFunc(consent, func(c string) bool { return len(c) >= shortest && strings.HasPrefix(digest, c) })
}

// chose reports whether the connector has run on this module by somebody's
// word, and the module asked for the same then.
func (t *Tenant) chose(c *spec.Connector, m spec.Module) bool {
	key := consentKey(m, t.cfg.Groups)
	return slices.ContainsFunc(c.Consents, func(k spec.Consent) bool { return k.Module == m.Digest && k.Asks == key })
}

// chosen notes that the caller chose a module.
func (t *Tenant) chosen(c *spec.Connector, m spec.Module, now time.Time) {
	if t.chose(c, m) {
		return
	}
	c.Consents = append(slices.Clone(c.Consents), spec.Consent{
		Module: m.Digest, Asks: consentKey(m, t.cfg.Groups), By: t.by(), At: now,
	})
	if n := len(c.Consents) - maxConsents; n > 0 {
		c.Consents = c.Consents[n:]
	}
}

func converterOf(c *spec.Converter) string {
	if c == nil {
		return ""
	}
	return c.Module
}

// modulesOf reads the module that is there and the one that is to be. One that
// is gone asked for nothing.
func modulesOf(r store.Reader, was, next string) (from, to spec.Module, err error) {
	if to, err = moduleIn(r, next); err != nil || was == "" {
		return from, to, err
	}
	from, err = moduleIn(r, was)
	if fault.Is(err, fault.NotFound) {
		return spec.Module{Digest: was}, to, nil
	}
	return from, to, err
}

func moduleIn(r store.Reader, digest string) (m spec.Module, err error) {
	e, err := r.Get(store.Modules, digest)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(e.Value, &m); err != nil {
		return m, fault.Wrap(fault.Integrity, err, "module %s", digest)
	}
	return m, nil
}
