// Package outbox is the durable segment log of one tenant. A block in it is
// the commit of a step: what a step read, changed and emitted is kept by one
// append, or not at all.
//
// The packages that run connectors and deliver records import it; it imports
// the contract, the faults and the spec alone.
//
// Its invariants: a block is on the disk before Append returns and before any
// reader sees it (I1); what was acknowledged survives a crash (I5); and what
// is missing all the same, because it was given up by retention or is damaged,
// is named by a Gap and never passed over in silence.
package outbox
