package capability

import (
	"slices"
	"strings"
)

// Registry is the fixed set of groups that this process offers. It is built
// once, in cmd, and never changes.
type Registry struct {
	groups map[string]Group
}

// NewRegistry is a registry of these groups. A later group of the same name
// takes the place of an earlier one.
func NewRegistry(groups ...Group) Registry {
	m := make(map[string]Group, len(groups))
	for _, g := range groups {
		m[g.Name()] = g
	}
	return Registry{groups: m}
}

// Group is the group of this name.
func (r Registry) Group(name string) (Group, bool) {
	g, ok := r.groups[name]
	return g, ok
}

// Groups lists all groups by name.
func (r Registry) Groups() []Group {
	all := make([]Group, 0, len(r.groups))
	for _, g := range r.groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b Group) int { return strings.Compare(a.Name(), b.Name()) })
	return all
}

// Opens reports whether a guest opens this group's sessions itself.
func Opens(g Group) bool {
	_, ok := Find(g, OpenFunction)
	return ok
}

// Find is the group's function of this name.
func Find(g Group, name string) (Function, bool) {
	for _, f := range g.Functions() {
		if f.Name == name {
			return f, true
		}
	}
	return Function{}, false
}

// Contained is a Group that reaches nothing outside of the connector: its own
// log, its own state, the time. A guest that names it gets it without a grant.
type Contained interface {
	Group
	Contained()
}

// Inward is a Group that reaches nothing beyond the tenant: its other
// connectors. It needs a grant, and whoever may grant anything may give it.
type Inward interface {
	Group
	Inward()
}

// IsInward reports whether the group reaches nothing beyond the tenant.
func IsInward(g Group) bool {
	_, ok := g.(Inward)
	return ok
}

// IsContained reports whether the group needs no grant.
func IsContained(g Group) bool {
	_, ok := g.(Contained)
	return ok
}
