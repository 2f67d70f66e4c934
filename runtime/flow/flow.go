// Package flow is the road through the house: what turns batches of records
// into batches on their way north, and messages into messages on their way
// south. Both cross as encoded bytes (abi.Batch, abi.Messages), because a
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

// Encoder is the other direction of a converter that has one. Implementations
// are safe for use by several goroutines.
type Encoder interface {
	// Encode takes encoded abi.Messages and returns encoded abi.Messages, which
	// belong to the caller. fault.Unsupported means that the converter has no
	// such direction, so that messages pass it as they are; any other error
	// that nothing was encoded.
	Encode(ctx context.Context, messages []byte) ([]byte, error)
}
