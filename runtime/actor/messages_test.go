package actor

import (
	"errors"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Who sent a message is told what helps them, and not what helps the author of
// the module.
func TestFailuresForCallers(t *testing.T) {
	none := fault.FromABI(&abi.Error{
		Kind: abi.FaultUnsupported, Code: "unsupported", Text: "this guest has no handler for on_query", Hint: "Take on_query out of the manifest.",
	})
	f := fault.Of(forCaller(abi.MessageQuery, none))
	if f.Kind != fault.Unsupported || strings.Contains(f.Hint, "manifest") || !strings.Contains(f.Hint, "snaprail modules show") {
		t.Errorf("no handler: %v, %q", f, f.Hint)
	}
	trap := fault.New(fault.GuestTrap, "on_query trapped: unreachable\nstderr:\npanic: boom\n\ngoroutine 1 [running]:\nmain.f()")
	f = fault.Of(forCaller(abi.MessageQuery, trap))
	if f.Kind != fault.GuestTrap || f.Text != "on_query trapped: unreachable: panic: boom" {
		t.Errorf("a panic: %q", f.Text)
	}
	if !strings.Contains(trap.Text, "goroutine") {
		t.Error("the log has lost the trace")
	}
	other := errors.New("other")
	if err := forCaller(abi.MessageQuery, other); !errors.Is(err, other) {
		t.Error(err)
	}
}
