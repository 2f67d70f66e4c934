// Package clock reads and waits on the host's clock (group clock).
//
// The time package works in a guest too, but its clock stands still between
// two host calls.
package clock

import (
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Now is the time of day in UTC, and a monotonic reading that only its
// differences give a meaning to.
func Now() (wall time.Time, monotonic time.Duration, err error) {
	reply, err := hostNow(nil)
	if err != nil {
		return time.Time{}, 0, err
	}
	var now abi.ClockNow
	if err := now.Decode(reply); err != nil {
		return time.Time{}, 0, err
	}
	return time.Unix(0, now.UnixNS).UTC(), time.Duration(now.MonotonicNS), nil
}

// Sleep waits, not beyond the deadline of the running call: then the error is
// an *abi.Error of kind timeout. It holds up this guest and no other.
func Sleep(d time.Duration) error {
	_, err := hostSleep(abi.ClockSleep{NS: uint64(max(d, 0))}.Append(hostcall.Request()))
	return err
}
