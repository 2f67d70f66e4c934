package control

import (
	"maps"
	"slices"

	"github.com/snaprail/snaprail/runtime/spec"
)

// changedParams are the keys whose rows are others now, or came, or went.
// Values are nobody's business.
func changedParams(was, is []spec.Param) []string {
	keys := map[string]bool{}
	old := byKey(was)
	for key, row := range byKey(is) {
		before, there := old[key]
		keys[key] = !there || !sameParam(before, row)
		delete(old, key)
	}
	for key := range old {
		keys[key] = true
	}
	maps.DeleteFunc(keys, func(_ string, changed bool) bool { return !changed })
	return slices.Sorted(maps.Keys(keys))
}

func byKey(rows []spec.Param) map[string]spec.Param {
	all := make(map[string]spec.Param, len(rows))
	for _, row := range rows {
		all[row.Key] = row
	}
	return all
}

// sameParam reports whether two rows are one in all that can be seen.
func sameParam(a, b spec.Param) bool {
	var x, y spec.SecretInfo
	if a.Secret != nil {
		x = *a.Secret
	}
	if b.Secret != nil {
		y = *b.Secret
	}
	a.Secret, b.Secret = nil, nil
	return a == b && x.Set == y.Set && x.Fingerprint == y.Fingerprint && x.UpdatedAt.Equal(y.UpdatedAt)
}
