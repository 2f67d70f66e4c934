// Package delivery reads a tenant's outbox for the connectors that take its
// records out: each has a place of its own in the log, gets what is meant for it
// in order, and moves on when it is done with it.
//
// The supervisor makes feeds and the actor drives them, through flow.Feed; it
// imports the contract, the faults, the spec, flow and the outbox. A place moves
// behind a block only when every record of it that was meant for the feed is
// settled, so a record is delivered at least once or counted as missed.
package delivery
