package guesttest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// UA plays the group opcua: servers with nodes that hold values.
type UA struct {
	// Nodes are the values of all nodes by their id, in the encoding of OPC UA.
	Nodes map[string][]byte
	// ReadOnly are nodes that may not be written.
	ReadOnly map[string]bool
	// Method answers calls; nil: there is none.
	Method func(q abi.OPCUACall) abi.OPCUACallResult
	// Down, if set, is why nothing can be reached.
	Down error

	opened        []abi.OPCUAOpen // the handle is 1 + the index
	subscriptions map[string]abi.OPCUASubscribe
	clock         int64
}

// The statuses that a server answers.
const (
	badNodeUnknown = 0x80340000
	badNotWritable = 0x803B0000
)

// OPCUA grants the group opcua on servers that all have these nodes.
func (h *Harness) OPCUA(nodes map[string][]byte) *UA {
	u := &UA{Nodes: nodes, ReadOnly: map[string]bool{}, subscriptions: map[string]abi.OPCUASubscribe{}}
	h.Host("opcua", "open", u.open)
	h.Host("opcua", "info", u.info)
	h.Host("opcua", "read", u.read)
	h.Host("opcua", "write", u.write)
	h.Host("opcua", "browse", u.browse)
	h.Host("opcua", "subscribe", u.subscribe)
	h.Host("opcua", "call", u.call)
	return u
}

// Opened are the options of the connections, in the order of their handles.
func (u *UA) Opened() []abi.OPCUAOpen { return u.opened }

// Subscription is what a subscription is to be.
func (u *UA) Subscription(name string) (abi.OPCUASubscribe, bool) {
	s, ok := u.subscriptions[name]
	return s, ok
}

// Change is the event of values that a subscription published on the first
// connection. Each is one second after the one before.
func (u *UA) Change(subscription string, values ...abi.OPCUAValue) abi.Event {
	u.clock += 1_000_000_000
	p := abi.OPCUAValues{Subscription: subscription, Values: values}
	return abi.Event{Type: abi.EventData, Handle: 1, Time: u.clock, Name: subscription, Data: p.Append(nil)}
}

func (u *UA) open(request []byte) ([]byte, error) {
	var q abi.OPCUAOpen
	if err := q.Decode(request); err != nil {
		return nil, err
	}
	if u.Down != nil {
		return nil, u.Down
	}
	at := slices.Index(u.opened, q)
	if at < 0 {
		at = len(u.opened)
		u.opened = append(u.opened, q)
	}
	return abi.Handle{Handle: uint32(at + 1)}.Append(nil), nil
}

func (u *UA) check(handle uint32) error {
	if handle == 0 || int(handle) > len(u.opened) {
		return notFound(fmt.Sprintf("no handle %d", handle))
	}
	return u.Down
}

func (u *UA) info(request []byte) ([]byte, error) {
	var h abi.Handle
	if err := h.Decode(request); err != nil {
		return nil, err
	}
	p := abi.OPCUAInfo{Policy: "Basic256Sha256", Mode: "SignAndEncrypt", Fingerprint: "c1", ServerFingerprint: "5e", Up: true}
	return p.Append(nil), u.check(h.Handle)
}

func (u *UA) read(request []byte) ([]byte, error) {
	var q abi.OPCUARead
	if err := q.Decode(request); err != nil {
		return nil, err
	}
	var p abi.OPCUAValues
	for _, n := range q.Nodes {
		v := abi.OPCUAValue{Variant: u.Nodes[n.Node]}
		if v.Variant == nil {
			v.Status = badNodeUnknown
		}
		p.Values = append(p.Values, v)
	}
	return p.Append(nil), u.check(q.Handle)
}

func (u *UA) write(request []byte) ([]byte, error) {
	var q abi.OPCUAWrite
	if err := q.Decode(slices.Clone(request)); err != nil {
		return nil, err
	}
	if err := u.check(q.Handle); err != nil {
		return nil, err
	}
	var p abi.OPCUAStatuses
	for _, w := range q.Values {
		status := uint32(0)
		switch {
		case u.Nodes[w.Node] == nil:
			status = badNodeUnknown
		case u.ReadOnly[w.Node]:
			status = badNotWritable
		case w.Value != nil:
			u.Nodes[w.Node] = w.Value.Variant
		}
		p.Statuses = append(p.Statuses, abi.OPCUAStatus{Code: status})
	}
	return p.Append(nil), nil
}

// browse lists all nodes, two a page, whatever is browsed.
func (u *UA) browse(request []byte) ([]byte, error) {
	var q abi.OPCUABrowse
	if err := q.Decode(request); err != nil {
		return nil, err
	}
	var p abi.OPCUABrowsePage
	var names []string
	for name := range u.Nodes {
		names = append(names, name)
	}
	slices.Sort(names)
	from := int(q.Cursor)
	for i := from; i < min(from+2, len(names)); i++ {
		name := names[i][strings.LastIndexByte(names[i], '=')+1:]
		p.References = append(p.References, abi.OPCUAReference{
			ReferenceType: "i=47", Forward: true, Node: names[i], BrowseName: name, DisplayName: name, Class: 2,
		})
	}
	if from+2 < len(names) {
		p.Cursor = uint64(from + 2)
	}
	return p.Append(nil), u.check(q.Handle)
}

func (u *UA) subscribe(request []byte) ([]byte, error) {
	var q abi.OPCUASubscribe
	if err := q.Decode(slices.Clone(request)); err != nil {
		return nil, err
	}
	if q.Remove {
		delete(u.subscriptions, q.Name)
		return nil, u.check(q.Handle)
	}
	u.subscriptions[q.Name] = q
	var p abi.OPCUAStatuses
	for _, it := range q.Items {
		status := uint32(0)
		if u.Nodes[it.Node] == nil {
			status = badNodeUnknown
		}
		p.Statuses = append(p.Statuses, abi.OPCUAStatus{Code: status})
	}
	return p.Append(nil), u.check(q.Handle)
}

func (u *UA) call(request []byte) ([]byte, error) {
	var q abi.OPCUACall
	if err := q.Decode(slices.Clone(request)); err != nil {
		return nil, err
	}
	if err := u.check(q.Handle); err != nil {
		return nil, err
	}
	p := abi.OPCUACallResult{Status: 0x80750000} // BadMethodInvalid
	if u.Method != nil {
		p = u.Method(q)
	}
	return p.Append(nil), nil
}
