package guesttest

import (
	"reflect"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Hooks plays the group hooks: requests that come in. Paths and signatures are the
// host's business, which lets through what the test makes.
type Hooks struct {
	// Replies are what the guest said, by the ids of requests.
	Replies map[uint64]abi.HookReply

	tb     testing.TB
	refuse error
	opened []abi.HookOpen // the handle is 1 + the index
	last   uint64
}

// Hooks grants the group hooks.
func (h *Harness) Hooks() *Hooks {
	k := &Hooks{tb: h.tb, Replies: map[uint64]abi.HookReply{}}
	h.Host("hooks", "open", k.open)
	h.Host("hooks", "reply", k.reply)
	return k
}

// Refuse makes open fail with err, until it is nil.
func (k *Hooks) Refuse(err error) { k.refuse = err }

// Opened are the arguments of the sessions, in the order of their handles.
func (k *Hooks) Opened() []abi.HookOpen { return k.opened }

// Event is the event of a request to the first session. It gets an id, which is
// answered, too.
func (k *Hooks) Event(request abi.HookRequest) (abi.Event, uint64) {
	k.tb.Helper()
	if len(k.opened) == 0 {
		k.tb.Fatal("no paths are open")
	}
	k.last++
	request.ID = k.last
	return abi.Event{Type: abi.EventData, Handle: 1, Data: request.Append(nil)}, k.last
}

func (k *Hooks) open(request []byte) ([]byte, error) {
	var args abi.HookOpen
	if err := args.Decode(slices.Clone(request)); err != nil || k.refuse != nil {
		return nil, firstError(err, k.refuse)
	}
	at := slices.IndexFunc(k.opened, func(o abi.HookOpen) bool { return reflect.DeepEqual(o, args) })
	if at < 0 {
		at = len(k.opened)
		k.opened = append(k.opened, args)
	}
	return abi.Handle{Handle: uint32(at + 1)}.Append(nil), nil
}

func (k *Hooks) reply(request []byte) ([]byte, error) {
	var q abi.HookReply
	if err := q.Decode(slices.Clone(request)); err != nil {
		return nil, err
	}
	switch {
	case q.Handle == 0 || int(q.Handle) > len(k.opened):
		return nil, notFound("no such handle")
	case k.opened[q.Handle-1].Reply != "guest":
		return nil, &abi.Error{Kind: abi.FaultInvalid, Code: "invalid", Text: "the host answers these requests"}
	case q.ID == 0 || q.ID > k.last:
		return nil, &abi.Error{Kind: abi.FaultTimeout, Code: "late_reply", Text: "nobody waits for the answer"}
	}
	k.Replies[q.ID] = q
	return nil, nil
}
