package actor

import (
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// guestsFault reports whether the guest, which is still alive, is to blame.
func guestsFault(err error) bool {
	return fault.Is(err, fault.Guest) || fault.Is(err, fault.Unsupported) || tooMuch(err)
}

// heldBack reports whether the tenant has nothing left for a call that has not
// begun, or for a converter: it is nobody's fault, and passes.
func heldBack(err error) bool {
	return fault.Is(err, fault.TenantCPU) || fault.Is(err, fault.TenantMemory)
}

// retryAfter is how long to wait before a step that failed is tried again; 0:
// it is not.
func retryAfter(err error) time.Duration {
	wait := fault.Of(err).RetryAfter
	if heldBack(err) {
		wait = max(wait, heldBackWait)
	}
	return wait
}

// heldBackWait is how long a step waits that the tenant had nothing left for.
const heldBackWait = time.Second

// tooMuch reports whether the guest answered more than is taken.
func tooMuch(err error) bool {
	return fault.Is(err, fault.TooLarge) || fault.Is(err, fault.GuestOutput)
}
