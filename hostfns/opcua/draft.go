package opcua

import (
	"bytes"
	"context"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// draft is the subscriptions that a guest wants of a session that another one
// works with.
type draft struct {
	session *Session
	wanted  []*wanted
}

// Draft begins what a guest that is to take over wants.
func (s *Session) Draft() capability.Draft { return &draft{session: s} }

// Call notes what is subscribed to. Whether the server will have it, nobody knows
// yet: what it refuses comes as values that say so.
func (d *draft) Call(_ context.Context, function string, in, out []byte) ([]byte, error) {
	if function != functionSubscribe {
		return nil, fault.New(fault.Unsupported, "opcua.%s shapes nothing", function)
	}
	var q abi.OPCUASubscribe
	if err := request(function, &q, bytes.Clone(in)); err != nil {
		return nil, err
	}
	w, err := readWanted(&q)
	if err != nil {
		return nil, err
	}
	if d.wanted, _, err = changed(d.wanted, w, q.Remove); err != nil {
		return nil, err
	}
	if q.Remove {
		return (&abi.OPCUAStatuses{}).Append(out[:0]), nil
	}
	return (&abi.OPCUAStatuses{Statuses: make([]abi.OPCUAStatus, len(w.items))}).Append(out[:0]), nil
}

// Take wants the draft's subscriptions from now on, and no others.
func (d *draft) Take() {
	s := d.session
	s.mu.Lock()
	s.wanted = d.wanted
	s.changes++
	s.mu.Unlock()
	capability.Signal(s.shaped)
}
