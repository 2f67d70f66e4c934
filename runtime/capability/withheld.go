package capability

import (
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Withheld is why a guest that is only a candidate for a swap, or is tested beside
// the one that runs, may not call a function of a group: fault.NotActive for what
// writes, and for what takes away what the other would miss; nil: it may.
func (f Function) Withheld(group string) error {
	switch {
	case f.Right == spec.Write:
		return fault.New(fault.NotActive, "%s.%s: the running version still owns the writes", group, f.Name)
	case f.Consumes:
		return fault.New(fault.NotActive, "%s.%s: what comes is still the running version's", group, f.Name)
	}
	return nil
}
