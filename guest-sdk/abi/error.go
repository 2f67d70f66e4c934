package abi

// FaultKind is the number of a fault across the wall. The numbers are never
// reused; runtime/fault maps its table to them.
type FaultKind uint32

// The fault numbers that a guest may see or send.
const (
	FaultUnknown         FaultKind = 0
	FaultInvalid         FaultKind = 1  // the arguments or the config are wrong
	FaultUnsupported     FaultKind = 2  // this side does not know the operation
	FaultDenied          FaultKind = 3  // not granted
	FaultNotFound        FaultKind = 4  // no such port, file, handle
	FaultConflict        FaultKind = 5  // in use by another
	FaultUnavailable     FaultKind = 6  // the peer or the resource is away; retry
	FaultTimeout         FaultKind = 7  // the deadline passed
	FaultTooLarge        FaultKind = 8  // beyond a bound
	FaultExhausted       FaultKind = 9  // a rate or a quota is used up; retry later
	FaultClosed          FaultKind = 10 // the session or the guest is closing
	FaultInternal        FaultKind = 11 // the host's own fault
	FaultNotActive       FaultKind = 12 // a candidate in a swap may not write yet
	FaultUnauthenticated FaultKind = 13
)

// Error is the answer of either side when something failed.
type Error struct {
	Kind         FaultKind
	Code         string // snake_case
	Text         string // what happened
	Hint         string // what to do next
	RetryAfterMS uint64
}

// Error is the code and the text.
func (e *Error) Error() string {
	if e.Code == "" {
		return e.Text
	}
	return e.Code + ": " + e.Text
}
