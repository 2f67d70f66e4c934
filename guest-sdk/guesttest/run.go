package guesttest

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Run runs a guest in run mode: each receive brings the next of the given
// batches, and the one after the last brings the stop. It answers the outcomes
// that the guest emitted; the last is what run itself answered, unless it asks
// for nothing. A message is an event: see Asked. Scripts of core.receive and core.emit are replaced.
func (h *Harness) Run(batches ...[]abi.Event) ([]*abi.Outcome, error) {
	emitted := h.Emits()
	h.Host(abi.CoreGroup, "receive", func([]byte) ([]byte, error) {
		if len(batches) == 0 {
			stop := abi.Events{Events: []abi.Event{{Type: abi.EventStop}}}
			return stop.Append(nil), nil
		}
		next := abi.Events{Events: batches[0]}
		batches = batches[1:]
		return next.Append(nil), nil
	})
	answer, err := h.Call(abi.EntryRun, nil)
	if err != nil || len(answer) == 0 {
		return *emitted, err
	}
	rest, err := readOutcome(abi.EntryRun, answer)
	return append(*emitted, rest), err
}
