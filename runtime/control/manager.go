package control

import (
	"slices"

	"github.com/snaprail/snaprail/runtime/device"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// managedBy is where the devices of a connector are kept, as it is stored: what
// is built in, or the id of the connector that the caller named.
func managedBy(r store.Reader, m spec.DeviceManager, connector string) (spec.DeviceManager, error) {
	if !m.Own() {
		return m, nil
	}
	wrong := func(detail string) error {
		return invalid([]fault.Field{{Pointer: "/device_manager", Detail: detail}})
	}
	c, err := find(r, string(m))
	switch {
	case fault.Is(err, fault.NotFound):
		return "", wrong("is persistent, memory or the name of a connector, and there is none of this name")
	case err != nil:
		return "", err
	case c.Category != device.CategoryManager:
		return "", wrong("is a connector of the category " + device.CategoryManager + ", and this one is of " + orNone(c.Category))
	case c.ID == connector:
		return "", wrong("is another connector: none keeps its own devices so")
	}
	return spec.DeviceManager(c.ID), nil
}

// unmanaging refuses to delete a connector that keeps the devices of others.
func unmanaging(r store.Reader, c *spec.Connector) error {
	if c.Category != device.CategoryManager {
		return nil
	}
	for e, err := range store.All(r, store.Connectors, "") {
		if err != nil {
			return err
		}
		other, err := find(r, e.ID)
		if err != nil {
			return err
		}
		if string(other.DeviceManager) == c.ID && other.ID != c.ID {
			return fault.New(fault.WrongState, "the connector %s keeps the devices of %s", c.Name, other.Name).
				WithHint("Give that one another device_manager first.")
		}
	}
	return nil
}

// managerName is what a manager is called in a document, which other servers read
// too.
func managerName(all []ConnectorView, m spec.DeviceManager) spec.DeviceManager {
	if !m.Own() {
		return m
	}
	if i := slices.IndexFunc(all, func(v ConnectorView) bool { return v.ID == string(m) }); i >= 0 {
		return spec.DeviceManager(all[i].Name)
	}
	return m
}
