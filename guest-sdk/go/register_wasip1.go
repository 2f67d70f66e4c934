//go:build wasip1

package snaprail

// registered is the guest of this module: an export has no receiver.
var registered = NewGuest(nil)

// Register makes handler the guest of this module. Call it once, from a
// package variable of package main:
//
//	var _ = snaprail.Register(&meter{})
func Register(handler any) struct{} {
	registered = NewGuest(handler)
	return struct{}{}
}
