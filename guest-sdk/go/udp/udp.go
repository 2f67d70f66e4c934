// Package udp exchanges datagrams with peers that were granted (group udp). Those
// that the peer sends come as events, one EventData each; those of others are not
// received. Nothing says whether a datagram arrives.
package udp

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Peer is one whom datagrams are exchanged with.
type Peer struct {
	handle uint32
}

// Open begins to exchange datagrams with a peer, or takes over the session that
// this connector has with the same arguments. The error is an *abi.Error: denied
// without a grant, unavailable when the name is not resolved.
func Open(args abi.UDPOpen) (Peer, error) {
	reply, err := hostOpen(args.Append(hostcall.Request()))
	if err != nil {
		return Peer{}, err
	}
	var h abi.Handle
	if err := h.Decode(reply); err != nil {
		return Peer{}, err
	}
	return Peer{handle: h.Handle}, nil
}

// Handle is what the peer's events carry.
func (p Peer) Handle() uint32 { return p.handle }

// Send sends datagrams, and answers how many were: fewer, with an error, when one
// could not be. The error is an *abi.Error, exhausted beyond the rate of the host.
func (p Peer) Send(datagrams ...[]byte) (int, error) {
	reply, err := hostSend(abi.UDPSend{Handle: p.handle, Datagrams: datagrams}.Append(hostcall.Request()))
	if err != nil {
		return 0, err
	}
	var sent abi.UDPSent
	err = sent.Decode(reply)
	return int(sent.Count), err
}
