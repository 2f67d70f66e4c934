package abi

// KnownNames is how many strings of its tables b keeps for later batches.
func KnownNames(b *Batch) int {
	return len(b.dec.devices.known) + len(b.dec.types.known) + len(b.dec.names.known)
}
