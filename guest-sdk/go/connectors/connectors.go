// Package connectors calls other connectors of the same tenant (group
// connectors), which a grant names. A call goes through the mailbox of the one
// that is called, as a message from anybody else does.
//
// The caller waits, and its lane with it: nothing else is handled meanwhile. The
// wait ends with the deadline of the message that the caller handles, or with
// the caller's own, whichever comes first. Four calls may be nested, and a call
// to a connector that waits for the caller is refused (call_cycle).
package connectors

import (
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Call sends m to the connector of a name and waits
// for all replies to it, for the timeout at most (0: as long as the caller has).
// A publish is answered by one empty reply when it was handled. An answer that
// is an error is a reply; the error is why there is none: denied, not found, not
// running, in a circle. The replies are valid until the next host call.
func Call(connector string, m *abi.Message, timeout time.Duration) ([]abi.Reply, error) {
	return call(abi.ConnectorCall{Connector: connector, Message: m, TimeoutMS: milliseconds(timeout)})
}

// Tell is Call for an RPC or a command to which no reply is wanted. It waits
// until the message was handled.
func Tell(connector string, m *abi.Message, timeout time.Duration) error {
	replies, err := call(abi.ConnectorCall{Connector: connector, Message: m, TimeoutMS: milliseconds(timeout), OneWay: true})
	if err != nil {
		return err
	}
	for i := range replies {
		if replies[i].Status == abi.ReplyError && replies[i].Err != nil {
			return replies[i].Err
		}
	}
	return nil
}

func call(request abi.ConnectorCall) ([]abi.Reply, error) {
	answer, err := hostCall(request.Append(hostcall.Request()))
	if err != nil {
		return nil, err
	}
	var replies abi.ConnectorReplies
	if err := replies.Decode(answer); err != nil {
		return nil, err
	}
	return replies.Replies, nil
}

// milliseconds rounds up, so that a short wait is none of zero.
func milliseconds(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64((d + time.Millisecond - 1) / time.Millisecond)
}
