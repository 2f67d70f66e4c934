package actor

import (
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Link settles what a guest may call: no grant, no import (I2). A required
// capability without a grant is an error; an optional one is linked to
// refusals. Contained groups need no grant, only to be named.
func Link(m *abi.Manifest, grants []spec.Grant, groups capability.Registry) (engine.Link, error) {
	link := make(engine.Link, len(m.Capabilities))
	for _, c := range m.Capabilities {
		g, known := groups.Group(c.Group)
		switch {
		case !known && c.Optional:
			continue
		case !known:
			return nil, fault.New(fault.ImportUnknown, "the module needs the group %q, which this server does not have", c.Group)
		case capability.IsContained(g) || granted(grants, c.Group):
			link[c.Group] = engine.Linked
		case c.Optional:
			link[c.Group] = engine.Denied
		default:
			return nil, fault.New(fault.CapabilityNotGranted, "the module needs %q, which is not granted: %s", c.Group, c.Reason).
				WithHint("Say what it may reach: `snaprail grants add CONNECTOR %s %s%s`.", c.Group, capability.FormsText(g), writeFlag(c.Rights))
		}
	}
	return link, nil
}

func granted(grants []spec.Grant, group string) bool {
	return slices.ContainsFunc(grants, func(g spec.Grant) bool { return g.Group == group })
}

func writeFlag(rights []string) string {
	if slices.Contains(rights, string(spec.Write)) {
		return " --write"
	}
	return ""
}
