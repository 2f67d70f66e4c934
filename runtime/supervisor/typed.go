package supervisor

import (
	"context"
	"encoding/json"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// typeAtOnce bounds the connectors that one transaction names the type of.
const typeAtOnce = 50

// nameTypes gives the connectors of a time before types the names of theirs, by
// which they are found: those of their modules. It is no change of them, so that
// their revisions stay. One whose module is gone, or has no type, stays as it is.
func nameTypes(ctx context.Context, space store.Space) error {
	var ids []string
	if err := space.View(ctx, func(r store.Reader) error {
		for e, err := range store.All(r, store.Connectors, "") {
			if err != nil {
				return err
			}
			var c spec.Connector
			if json.Unmarshal(e.Value, &c) != nil {
				continue // it says so itself when it is to run
			}
			if typed, err := nameType(r, &c); err != nil {
				return err
			} else if typed {
				ids = append(ids, e.ID)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for len(ids) > 0 {
		n := min(len(ids), typeAtOnce)
		if err := space.Update(ctx, func(w store.Writer) error { return writeTypes(w, ids[:n]) }); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

func writeTypes(w store.Writer, ids []string) error {
	for _, id := range ids {
		e, err := w.Get(store.Connectors, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		var c spec.Connector
		if err := json.Unmarshal(e.Value, &c); err != nil {
			return fault.Wrap(fault.Integrity, err, "connector %s", id)
		}
		if _, err := nameType(w, &c); err != nil {
			return err
		}
		raw, err := json.Marshal(c)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "connector %s", id)
		}
		if _, err := w.Put(store.Connectors, id, raw); err != nil {
			return err
		}
	}
	return nil
}

// nameType names the type of a connector that has none; false: it has one, or
// there is none to be had.
func nameType(r store.Reader, c *spec.Connector) (bool, error) {
	if c.Category != "" && c.ProviderType != "" {
		return false, nil
	}
	e, err := r.Get(store.Modules, c.Module)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var m spec.Module
	if json.Unmarshal(e.Value, &m) != nil || m.Manifest.Category == "" || m.Manifest.ProviderType == "" {
		return false, nil //nolint:nilerr // a damaged module is told of when it is to run
	}
	c.Category, c.ProviderType = m.Manifest.Category, m.Manifest.ProviderType
	return true, nil
}
