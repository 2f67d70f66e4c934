package capability

// Owned is a Session that minds whether a guest that runs has ever had it, or only
// candidates for a swap and guests that are tested.
type Owned interface {
	Session
	// Own says that a guest that runs has it. It may be said again.
	Own()
}
