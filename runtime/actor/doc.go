// Package actor runs one connector: it links and opens its guest, keeps its
// sessions while guests come and go, drives it step by step, commits what each
// step asks for, and swaps it for a new version between two steps.
//
// One goroutine, the lane, owns the guest (I4). A step is: take what the
// sessions hold, call the guest, convert its records, make one block durable,
// then acknowledge to the sessions (I1). A guest that trapped is dropped with
// everything that it staged; what it had been handed stays with the sessions
// and is handed in again.
//
// The supervisor imports this package. What an actor may ask of the node it
// runs on is Host, which takes and gives batches and plain values only,
// because the node may one day be another one.
package actor
