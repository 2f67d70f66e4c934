package capability

import (
	"path"
	"slices"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Allows reports whether one of the grants of this group covers the resource
// with the right. An empty right needs any grant.
func Allows(grants []spec.Grant, resource string, right spec.Right) bool {
	return slices.ContainsFunc(grants, func(g spec.Grant) bool {
		return holds(g, right) && (resource == "" || matches(g, resource))
	})
}

// Check is Allows as an error that names what is missing.
func Check(group string, grants []spec.Grant, resource string, right spec.Right) error {
	if Allows(grants, resource, right) {
		return nil
	}
	need := right
	if need == "" {
		need = spec.Read
	}
	shown := shown(resource)
	return fault.New(fault.Denied, "%s: no grant covers %q with the right to %s", group, shown, need).
		WithHint("Add a grant to the connector: `snaprail grants add CONNECTOR %s %q%s`.", group, shown, writeFlag(need))
}

func writeFlag(need spec.Right) string {
	if need == spec.Write {
		return " --write"
	}
	return ""
}

// maxShown bounds what an error says of a resource, in bytes: its name may come
// from a guest, and errors are logged and kept.
const maxShown = 256

func shown(resource string) string {
	if len(resource) <= maxShown {
		return resource
	}
	return fault.Clip(resource, maxShown) + "..."
}

func holds(g spec.Grant, right spec.Right) bool {
	if right == "" {
		return true
	}
	if len(g.Rights) == 0 {
		return right == spec.Read
	}
	return slices.Contains(g.Rights, right)
}

func matches(g spec.Grant, resource string) bool {
	return slices.ContainsFunc(g.Resources, func(pattern string) bool {
		ok, err := path.Match(pattern, resource)
		return ok && err == nil
	})
}
