package capability

// Deferring is a Session that puts work under way, for which it answers tickets
// (abi.Ticket), and tells of its end later. It is asked by the goroutine that runs
// the guest.
type Deferring interface {
	Session
	// Pending is the work of a ticket, for whoever asks first. false: there is none,
	// or somebody has it.
	Pending(number uint64) (p Pending, known bool)
}

// Pending is work that is under way. It is used by one goroutine, and may outlive the
// session: then it does not end well.
type Pending interface {
	// Done is closed when all of it has ended.
	Done() <-chan struct{}
	// Well reports whether all of it has ended well: after Done.
	Well() bool
	// Drop lets go of it, once. What has not ended goes on. again: a guest will ask for
	// the same once more, so that what has ended well is remembered.
	Drop(again bool)
}
