// Package flow is the road of a record through the house: what turns batches
// into batches. Batches cross as encoded bytes (abi.Batch), because a
// converter may be a guest in another process and nobody on the way needs to
// read them.
//
// The actor drives it, implementations are the actor's converter pool and,
// later, sinks; it imports the contract, the faults and the spec alone.
package flow

import "context"

// Converter turns a batch of records into an outcome with records and
// verdicts. Implementations are safe for use by several goroutines.
type Converter interface {
	// Convert takes an encoded abi.Batch and returns an encoded abi.Outcome,
	// which belongs to the caller. An error means that nothing was converted;
	// a record that cannot be converted is a verdict instead.
	Convert(ctx context.Context, batch []byte) ([]byte, error)
}
