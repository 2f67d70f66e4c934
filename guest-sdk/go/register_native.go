//go:build !wasip1

package snaprail

// Register makes handler the guest of this module. Call it once, from a
// package variable of package main:
//
//	var _ = snaprail.Register(&meter{})
//
// In a native build there is no module: tests make guests of their own.
func Register(any) struct{} { return struct{}{} }

// Operation is the body of an export op_<name>: it hands the call to the
// Operator that was registered. In a native build nobody calls it.
func Operation(string, uint32, uint32) uint64 { return 0 }
