package control

import (
	"reflect"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/interlock"
	"github.com/snaprail/snaprail/runtime/spec"
)

// within makes grants of those that a connector is to have, and refuses what the
// one that deploys does not have itself. What is written to a resource stays
// under each interlock that covers it at the one that deploys: there is a grant
// for each of them. Rates and steps are counted for each connector by itself.
func (s *site) within(parent *spec.Connector, wanted []abi.DeployGrant) (grants []spec.Grant, err error) {
	for _, want := range wanted {
		g := spec.Grant{Group: want.Group, Resources: want.Resources, Reason: "deployed by " + fault.Clip(parent.Name, 64)}
		for _, right := range want.Rights {
			g.Rights = append(g.Rights, spec.Right(right))
		}
		group, _ := s.cfg.Groups.Group(g.Group)
		if group != nil && capability.IsContained(group) {
			continue
		}
		own, err := inherited(parent, g, group)
		if err != nil {
			return nil, err
		}
		grants = append(grants, own...)
	}
	return grants, nil
}

// inherited is one grant that is asked for, as what the connector that deploys
// has lets it be.
func inherited(parent *spec.Connector, g spec.Grant, group capability.Group) ([]spec.Grant, error) {
	locks := locksOn(parent, g)
	if len(g.Resources) == 0 {
		has := slices.ContainsFunc(parent.Grants, func(h spec.Grant) bool {
			return h.Group == g.Group && includes(rightsOf(h), rightsOf(g)) && h.Interlock == nil
		})
		if !has || len(locks) > 0 {
			return nil, wider(g)
		}
		g.Resources, g.Unlock = nil, true
		return []spec.Grant{g}, nil
	}
	free := g
	free.Resources, free.Unlock = nil, true // it has what the parent has now
	var locked []spec.Grant
	for _, resource := range g.Resources {
		one := g
		one.Resources = []string{resource}
		if !slices.ContainsFunc(parent.Grants, func(h spec.Grant) bool {
			return len(h.Resources) > 0 && allows(h, g.Group, rightsOf(g), resource, group)
		}) {
			return nil, wider(one)
		}
		whole := false
		for _, lock := range locks {
			bound, all, err := boundBy(lock, one, group)
			if err != nil {
				return nil, err
			}
			whole = whole || all
			locked = under(locked, g, lock.Interlock, bound)
		}
		if !whole {
			free.Resources = append(free.Resources, resource)
		}
	}
	if len(free.Resources) == 0 {
		return locked, nil
	}
	return append([]spec.Grant{free}, locked...), nil
}

// locksOn are the parent's grants of the group whose interlocks what is asked for
// may come under: none, when it is not to write.
func locksOn(parent *spec.Connector, g spec.Grant) (locks []spec.Grant) {
	if !slices.Contains(g.Rights, spec.Write) {
		return nil
	}
	for _, h := range interlock.Locked(parent.Grants) {
		if h.Group == g.Group {
			locks = append(locks, h)
		}
	}
	return locks
}

// boundBy are the resources of a grant for one resource that an interlock covers;
// whole: all of it. One whose patterns cross those of the interlock, so that
// nobody can tell, is refused.
func boundBy(lock, one spec.Grant, group capability.Group) (bound []string, whole bool, err error) {
	resource := one.Resources[0]
	for _, p := range lock.Resources {
		switch {
		case covers(p, resource, group):
			return []string{resource}, true, nil
		case covers(resource, p, group):
			bound = append(bound, p)
		case mayMeet(p, resource, isMatcher(group)):
			return nil, false, fault.New(fault.Denied, "deploy.connector: nobody can tell what the interlock of %s has to bound in the grant %s",
				grantSentence(lock), grantSentence(one)).WithHint("Ask for resources that are within those of the interlock, or for none of them.")
		}
	}
	return bound, false, nil
}

// mayMeet reports whether two patterns, of which none covers the other, may match
// the same resource. It says yes when it cannot tell.
func mayMeet(a, b string, own bool) bool {
	const stars = `*?[\`
	i, j := strings.IndexAny(a, stars), strings.IndexAny(b, stars)
	if !own && (i < 0 || j < 0) {
		return false // it would be covered
	}
	if i >= 0 {
		a = a[:i]
	}
	if j >= 0 {
		b = b[:j]
	}
	if own { // whose patterns may stand for more without a star
		a, b = strings.ToLower(a), strings.ToLower(b)
		if !oneSpelling(a) || !oneSpelling(b) {
			return true
		}
	}
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// oneSpelling reports whether the beginning of a pattern, as of URLs, has surely
// no other text that means the same.
func oneSpelling(text string) bool {
	return !strings.Contains(text, "/.") && !strings.Contains(text, "./") && !strings.Contains(text, ":80/") && !strings.Contains(text, ":443/") &&
		!strings.ContainsFunc(text, func(r rune) bool { return r > '~' || r <= ' ' || strings.ContainsRune("%@[]", r) })
}

// under adds resources to the grant that has this interlock.
func under(grants []spec.Grant, g spec.Grant, lock *spec.Interlock, resources []string) []spec.Grant {
	if len(resources) == 0 {
		return grants
	}
	i := slices.IndexFunc(grants, func(h spec.Grant) bool { return reflect.DeepEqual(h.Interlock, lock) })
	if i < 0 {
		g.Resources, g.Interlock = nil, lock
		grants, i = append(grants, g), len(grants)
	}
	for _, r := range resources {
		if !slices.Contains(grants[i].Resources, r) {
			grants[i].Resources = append(grants[i].Resources, r)
		}
	}
	return grants
}

func wider(g spec.Grant) error {
	return fault.New(fault.Denied, "deploy.connector: the connector that deploys does not have the grant %s itself", grantSentence(g)).
		WithHint("Give it to the connector that deploys first, if that is meant.")
}
