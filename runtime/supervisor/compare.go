package supervisor

import (
	"encoding/json"

	"github.com/snaprail/snaprail/runtime/spec"
)

// same reports whether a guest made from b would be one made from a: only
// what is not the guest's has changed.
func same(a, b *spec.Connector) bool {
	ka, errA := a.TestKey()
	kb, errB := b.TestKey()
	pa, errC := json.Marshal(a.Poll)
	pb, errD := json.Marshal(b.Poll)
	ok := errA == nil && errB == nil && errC == nil && errD == nil
	return ok && ka == kb && string(pa) == string(pb) && a.Name == b.Name
}
