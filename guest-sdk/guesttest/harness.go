package guesttest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Function plays one host function: an encoded request in, an encoded reply
// out. An *abi.Error reaches the guest as it is.
type Function func(request []byte) ([]byte, error)

// Harness is one guest with its host.
type Harness struct {
	tb        testing.TB
	guest     *snaprail.Guest
	functions map[string]Function
	calls     []string
	later     []later
}

// later is a played group that answers tickets.
type later interface {
	endedWell(t abi.Ticket) bool
	heard(t abi.Ticket)
}

// New makes a guest of a value with handlers, as snaprail.Register does.
func New(tb testing.TB, handler any) *Harness {
	tb.Helper()
	return &Harness{
		tb:        tb,
		guest:     snaprail.NewGuest(handler),
		functions: make(map[string]Function),
	}
}

// Host scripts one function of a group, in place of what was there.
func (h *Harness) Host(group, function string, f Function) {
	h.functions[group+"."+function] = f
}

// Calls are the host functions that the guest has called, in order, such as
// "serial.open".
func (h *Harness) Calls() []string { return h.calls }

// wall makes the calls of all harnesses take turns: a guest reaches its host
// through package variables, of which a sandbox has one set each.
var wall sync.Mutex

// Call runs an entry point on encoded bytes. The answer is the caller's; the
// error is an *abi.Error.
func (h *Harness) Call(entry string, input []byte) ([]byte, error) {
	wall.Lock()
	defer wall.Unlock()
	defer hostcall.Install(h.host)()

	in := append([]byte(nil), input...)
	answer, failed := h.guest.Call(entry, in, nil)
	for i := range in {
		in[i] = 0xAA
	}
	if !failed {
		return answer, nil
	}
	fault := new(abi.Error)
	if err := fault.Decode(answer); err != nil {
		return nil, fmt.Errorf("%s: the error cannot be read: %w", entry, err)
	}
	return nil, fault
}

func (h *Harness) host(group, function string, request []byte) ([]byte, error) {
	name := group + "." + function
	h.calls = append(h.calls, name)
	f := h.functions[name]
	if f == nil {
		return nil, &abi.Error{
			Kind: abi.FaultDenied,
			Code: "denied",
			Text: "no script for " + name,
			Hint: "Give the harness a Host function for it.",
		}
	}
	return f(request)
}
