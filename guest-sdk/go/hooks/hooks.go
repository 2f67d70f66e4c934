// Package hooks takes HTTP requests that come in (group hooks), below the
// connector's own address, /hooks/{connector}/ on the server.
//
// Each request is an event with data, which Read reads. It is answered when the
// step that took it is durable: 202, or what Reply said within that step. A request
// that the step rejects is answered 422 with the reason. What is held back with a
// retry keeps its caller waiting, until the deadline.
//
// Signatures are checked by the host, over the body as it came, before the guest
// hears of the request; a secret of the connector is named, not known:
//
//	in, err := hooks.Open(abi.HookOpen{
//		Paths: []string{"/orders/*"}, Auth: "hmac", Secret: "secret://github",
//		Header: "X-Hub-Signature-256", Prefix: "sha256=", IDHeaders: []string{"X-GitHub-Delivery"},
//	})
package hooks

import (
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Paths are open paths. The host keeps the session while guests of the connector
// come and go, so that requests wait for the next one.
type Paths struct {
	handle uint32
}

// Open opens paths, or takes over the session that this connector has with the same
// arguments. The error is an *abi.Error: denied without a grant for a path, invalid
// for arguments that do not go together.
func Open(args abi.HookOpen) (Paths, error) {
	reply, err := hostOpen(args.Append(hostcall.Request()))
	if err != nil {
		return Paths{}, err
	}
	var h abi.Handle
	if err := h.Decode(reply); err != nil {
		return Paths{}, err
	}
	return Paths{handle: h.Handle}, nil
}

// Handle is what the events of these paths carry.
func (p Paths) Handle() uint32 { return p.handle }

// Reply says what the caller of a request is answered, once the step is durable. It
// needs paths that were opened with the reply guest. What was said last counts. The
// error is an *abi.Error: late_reply when nobody waits any more.
func (p Paths) Reply(request uint64, status int, body []byte, headers ...abi.Header) error {
	q := abi.HookReply{Handle: p.handle, ID: request, Status: uint32(status), Headers: headers, Body: body}
	_, err := hostReply(q.Append(hostcall.Request()))
	return err
}

// Read is the request of an EventData. It shares the event's memory.
func Read(event abi.Event) (abi.HookRequest, error) {
	var request abi.HookRequest
	err := request.Decode(event.Data)
	return request, err
}

// Header is the first value of a header, whatever the case of its name; empty: there
// is none.
func Header(request *abi.HookRequest, name string) string {
	for i := range request.Headers {
		if strings.EqualFold(request.Headers[i].Name, name) {
			return string(request.Headers[i].Value)
		}
	}
	return ""
}
