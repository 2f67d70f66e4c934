package control

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The group of HTTP calls, and how its grants name networks of private
// addresses. Without such a grant it reaches public addresses alone.
const (
	groupHTTP   = "http"
	groupDeploy = "deploy"
	networkMark = "cidr:"
)

// mayGrant refuses grants that the tenant's users may not give: beyond the
// tenant's list, or, when nobody has set one, beyond what reaches nothing of
// the server's own surroundings. The tenant that operates the server may give
// everything unless it has a list.
func (t *Tenant) mayGrant(grants []spec.Grant) error {
	list := t.runtime.Ceiling().Grantable
	if list == nil && t.operates() {
		return nil
	}
	var beyond []fault.Field
	for i, g := range grants {
		if detail := t.beyond(list, g); detail != "" {
			beyond = append(beyond, fault.Field{Pointer: fmt.Sprintf("/grants/%d", i), Detail: detail})
		}
	}
	if len(beyond) == 0 {
		return nil
	}
	return fault.New(fault.NotGrantable, "the tenant may not grant this: %s", summary(beyond)).WithFields(beyond...)
}

// beyond says what of a grant the list does not cover; "": nothing.
func (t *Tenant) beyond(list []spec.Grant, g spec.Grant) string {
	group, known := t.cfg.Groups.Group(g.Group)
	if known && (capability.IsContained(group) || capability.IsInward(group)) {
		return ""
	}
	if list == nil {
		if g.Group == groupDeploy {
			return "" // it makes what the tenant's users may make themselves
		}
		if g.Group != groupHTTP {
			return fmt.Sprintf("%s reaches what is the server's, and the tenant may grant http to public addresses alone", g.Group)
		}
		for _, r := range g.Resources {
			if strings.HasPrefix(r, networkMark) {
				return fmt.Sprintf("%s is a network, and the tenant may grant http to public addresses alone", r)
			}
		}
		return ""
	}
	rights := rightsOf(g)
	for _, r := range g.Resources {
		if !slices.ContainsFunc(list, func(may spec.Grant) bool { return allows(may, g.Group, rights, r, group) }) {
			return fmt.Sprintf("%s is not within what the tenant may grant", grantSentence(spec.Grant{Group: g.Group, Resources: []string{r}, Rights: g.Rights}))
		}
	}
	if len(g.Resources) == 0 && !slices.ContainsFunc(list, func(may spec.Grant) bool { return may.Group == g.Group && includes(rightsOf(may), rights) }) {
		return fmt.Sprintf("%s is not within what the tenant may grant", grantSentence(g))
	}
	return ""
}

func includes(have, want []spec.Right) bool {
	return !slices.ContainsFunc(want, func(r spec.Right) bool { return !slices.Contains(have, r) })
}

// allows reports whether one entry of a tenant's list covers a resource. An
// entry without resources covers all of its group.
func allows(may spec.Grant, group string, rights []spec.Right, resource string, g capability.Group) bool {
	if may.Group != group || !includes(rightsOf(may), rights) {
		return false
	}
	return len(may.Resources) == 0 || slices.ContainsFunc(may.Resources, func(p string) bool { return covers(p, resource, g) })
}

// covers reports whether everything that the second pattern matches is matched
// by the first one. It says no when it cannot tell. A group whose resources are
// no paths has the last word: a text of its patterns may mean another one.
func covers(wide, narrow string, g capability.Group) bool {
	if wide == narrow || wide == "*" {
		return true
	}
	if own, ok := g.(capability.Matcher); ok {
		return own.Matches(wide, narrow)
	}
	if !strings.ContainsAny(narrow, `*?[\`) {
		ok, err := path.Match(wide, narrow)
		return ok && err == nil
	}
	prefix, open := strings.CutSuffix(wide, "*")
	rest, within := strings.CutPrefix(narrow, prefix)
	return open && within && !strings.ContainsAny(prefix, `*?[\`) && !strings.Contains(rest, "/") // for which a star does not stand
}
