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
