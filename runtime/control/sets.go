package control

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/probe"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxSetName bounds the name of a set, in bytes.
const maxSetName = 64

// SetView is a set of connectors with its probe.
type SetView struct {
	lifecycle.SetStatus

	Probe    *probe.Status // nil: it has none
	Warnings []string      // what a server.config asked for and did not get
}

// setName reports whether a set may have the name.
func setName(name string) bool {
	if name == "" || len(name) > maxSetName || strings.Trim(name, "._-") != name {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}

// Sets lists the sets of connectors, by name: those that a connector is of.
func (t *Tenant) Sets(ctx context.Context, p Page) (list []SetView, next string, err error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	all, err := t.runtime.Sets(ctx)
	if err != nil {
		return nil, "", err
	}
	for _, s := range all {
		if s.Name <= p.After {
			continue
		}
		if len(list) == limit {
			return list, list[limit-1].Name, nil
		}
		list = append(list, t.setView(s))
	}
	return list, "", nil
}

// Set is one set of connectors.
func (t *Tenant) Set(ctx context.Context, name string) (SetView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return SetView{}, err
	}
	return t.set(ctx, name)
}

func (t *Tenant) set(ctx context.Context, name string) (SetView, error) {
	all, err := t.runtime.Sets(ctx)
	if err != nil {
		return SetView{}, err
	}
	at := slices.IndexFunc(all, func(s lifecycle.SetStatus) bool { return s.Name == name })
	if at < 0 {
		return SetView{}, fault.New(fault.NotFound, "no connector is of the set %q", fault.Clip(name, maxSetName))
	}
	return t.setView(all[at]), nil
}

func (t *Tenant) setView(s lifecycle.SetStatus) SetView {
	return SetView{SetStatus: s, Probe: t.runtime.Probe(s.Name)}
}

// minProbePort keeps probes off the ports of the system.
const minProbePort = 1024

// ProbeSet has a TCP port open for as long as the set is healthy; 0: no port.
// The ports are the machine's, so it is for the administrators of the server.
// fault.Exists: the port is taken.
func (t *Tenant) ProbeSet(ctx context.Context, name string, port int) (SetView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return SetView{}, err
	}
	if _, err := t.set(ctx, name); err != nil {
		return SetView{}, err
	}
	if err := t.probe(ctx, name, port); err != nil {
		return SetView{}, err
	}
	return t.set(ctx, name)
}

func (t *Tenant) probe(ctx context.Context, name string, port int) error {
	if err := t.may(ctx, identity.Server, identity.Write); err != nil {
		return err
	}
	if port != 0 && (port < minProbePort || port > 65535) {
		return invalid([]fault.Field{{Pointer: "/tcp_probe_port", Detail: "is 0, or from " + strconv.Itoa(minProbePort) + " to 65535"}})
	}
	had := 0
	if is := t.runtime.Probe(name); is != nil {
		had = is.Port
	}
	if err := t.runtime.AssignProbe(ctx, name, port); err != nil {
		return err
	}
	err := t.keepProbe(ctx, name, port)
	if err != nil { // the one that it had is free, unless somebody was very fast
		_ = t.runtime.AssignProbe(context.WithoutCancel(ctx), name, had)
	}
	return err
}

func (t *Tenant) keepProbe(ctx context.Context, name string, port int) error {
	raw, err := json.Marshal(spec.Set{Name: name, ProbePort: port, Updated: time.Now().UTC()})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "set")
	}
	return t.space.Update(ctx, func(w store.Writer) error {
		e := identity.Event{Who: t.who, Action: identity.SetProbe, On: name, Detail: "port " + strconv.Itoa(port), Outcome: identity.Done}
		if err := identity.Append(w, e); err != nil {
			return err
		}
		if port != 0 {
			_, err := w.Put(store.Sets, name, raw)
			return err
		}
		if err := w.Delete(store.Sets, name); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		return nil
	})
}
