package actor

import (
	"errors"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// A guest that lost its connection is told so, and finds its sessions closed
// while it cleans up.
func TestNobodyIsThereAfterALostConnection(t *testing.T) {
	for _, tt := range []struct {
		cause error
		lost  bool
	}{
		{fault.New(fault.ResourceUnavailable, "gone"), true},
		{fault.New(fault.SessionClosed, "gone"), true},
		{fault.FromABI(&abi.Error{Kind: abi.FaultUnavailable, Text: "gone"}), true},
		{fault.FromABI(&abi.Error{Kind: abi.FaultInvalid, Text: "no"}), false},
		{fault.New(fault.GuestTrap, "dead"), false},
		{errors.New("any"), false},
		{nil, false},
	} {
		g := &guest{handles: []*session{{group: "serial"}}}
		g.farewell(t.Context(), tt.cause)
		_, err := g.byHandle(abi.Handle{Handle: 1}.Append(nil))
		if Lost(tt.cause) != tt.lost || fault.Is(err, fault.SessionClosed) != tt.lost || (err == nil) == tt.lost {
			t.Errorf("after %v: lost %t, a call: %v", tt.cause, Lost(tt.cause), err)
		}
	}
}
