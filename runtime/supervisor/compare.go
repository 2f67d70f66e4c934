package supervisor

import (
	"encoding/json"
	"slices"

	"github.com/snaprail/snaprail/runtime/spec"
)

// same reports whether a guest made from b would be one made from a: only
// what is not the guest's has changed, such as its converter.
func same(a, b *spec.Connector) bool {
	ka, errA := guestKey(*a)
	kb, errB := guestKey(*b)
	pa, errC := json.Marshal(a.Poll)
	pb, errD := json.Marshal(b.Poll)
	ok := errA == nil && errB == nil && errC == nil && errD == nil
	return ok && ka == kb && string(pa) == string(pb) && a.Name == b.Name && a.Feed.Same(&b.Feed)
}

func guestKey(c spec.Connector) (string, error) {
	c.Converter = nil
	return c.TestKey()
}

// takesAway reports whether some grant of old is not wholly among those of now.
// A pattern is covered by an equal one alone, so that the answer errs on the
// side of what was taken away.
func takesAway(old, now []spec.Grant) bool {
	return slices.ContainsFunc(old, func(had spec.Grant) bool { return !covered(had, now) })
}

func covered(had spec.Grant, now []spec.Grant) bool {
	for _, right := range rights(had) {
		with := func(g spec.Grant) bool { return g.Group == had.Group && slices.Contains(rights(g), right) }
		if len(had.Resources) == 0 && !slices.ContainsFunc(now, with) {
			return false
		}
		for _, resource := range had.Resources {
			if !slices.ContainsFunc(now, func(g spec.Grant) bool { return with(g) && slices.Contains(g.Resources, resource) }) {
				return false
			}
		}
	}
	return true
}

// rights are those of a grant, which are to read if it names none.
func rights(g spec.Grant) []spec.Right {
	if len(g.Rights) == 0 {
		return []spec.Right{spec.Read}
	}
	return g.Rights
}
