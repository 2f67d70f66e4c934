// Package opcua talks to OPC UA servers that were granted (group opcua). The
// host connects, keeps the connection, and makes it anew with all subscriptions
// when it was lost; what a server publishes comes to the guest as events: one
// EventData with up to 256 values (see Changes), EventDown and EventUp when the
// server goes and comes back, EventGap when values were dropped.
//
// Values stay as the server encoded them: a Variant is bytes, which Value reads
// and the functions Int32, Double and so on make. Nodes are texts in the notation
// of the standard: "ns=2;s=Boiler.Temperature", "i=2258", or, so that a server may
// number its namespaces anew, "nsu=urn:plant;s=Boiler.Temperature".
//
//	server, err := opcua.Open(opcua.Options{Endpoint: "opc.tcp://plc1:4840"})
//	statuses, err := server.Subscribe("fast", 250, []opcua.Item{{ID: 1, Node: "ns=2;s=T"}})
package opcua

import (
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Options are what to open.
type Options = abi.OPCUAOpen

// Info is how a connection is protected.
type Info = abi.OPCUAInfo

// Node is an attribute of a node.
type Node = abi.OPCUANode

// Data is a value with its status and its times.
type Data = abi.OPCUAValue

// Write is a value to write.
type Write = abi.OPCUAWriteValue

// Item is what to watch.
type Item = abi.OPCUAItem

// Browse is what to browse.
type Browse = abi.OPCUABrowse

// Reference is what was found.
type Reference = abi.OPCUAReference

// Server is an open connection. The host keeps it while guests of the connector
// come and go, and closes it when none of them opens it again.
type Server struct {
	handle uint32
}

// Open connects to a server, or takes over the connection that this connector
// has with the same options. The error is an *abi.Error: denied without a grant,
// unavailable when the server cannot be reached or trusted in time.
func Open(o Options) (Server, error) {
	reply, err := hostOpen(o.Append(hostcall.Request()))
	if err != nil {
		return Server{}, err
	}
	var h abi.Handle
	if err := h.Decode(reply); err != nil {
		return Server{}, err
	}
	return Server{handle: h.Handle}, nil
}

// Handle is what the server's events carry.
func (s Server) Handle() uint32 { return s.handle }

// Info is how the connection is protected, with the certificates of both ends.
func (s Server) Info() (info Info, err error) {
	reply, err := hostInfo(abi.Handle{Handle: s.handle}.Append(hostcall.Request()))
	if err != nil {
		return info, err
	}
	return info, info.Decode(reply)
}

// Read reads attributes of nodes; the results are in their order, each with a
// status of its own, and valid until the next call of the host.
func (s Server) Read(nodes ...Node) ([]Data, error) {
	q := abi.OPCUARead{Handle: s.handle, Nodes: nodes}
	reply, err := hostRead(q.Append(hostcall.Request()))
	if err != nil {
		return nil, err
	}
	var p abi.OPCUAValues
	err = p.Decode(reply)
	return p.Values, err
}

// Write writes values; the statuses are in their order, each of its own.
func (s Server) Write(values ...Write) ([]Status, error) {
	q := abi.OPCUAWrite{Handle: s.handle, Values: values}
	reply, err := hostWrite(q.Append(hostcall.Request()))
	if err != nil {
		return nil, err
	}
	return statuses(reply)
}

// Subscribe says what the subscription of this name is to be from now on: the
// values of these items, published every interval (in milliseconds). The host
// keeps to it over every loss of the connection. The statuses are those of the
// items; one that is bad is tried again now and then.
func (s Server) Subscribe(name string, intervalMS float64, items []Item) ([]Status, error) {
	return s.subscribe(abi.OPCUASubscribe{Handle: s.handle, Name: name, IntervalMS: intervalMS, Items: items})
}

// Unsubscribe ends a subscription.
func (s Server) Unsubscribe(name string) error {
	_, err := s.subscribe(abi.OPCUASubscribe{Handle: s.handle, Name: name, Remove: true})
	return err
}

func (s Server) subscribe(q abi.OPCUASubscribe) ([]Status, error) {
	reply, err := hostSubscribe(q.Append(hostcall.Request()))
	if err != nil {
		return nil, err
	}
	return statuses(reply)
}

// Call calls a method of an object. The status is the method's own; the outputs
// are valid until the next call of the host.
func (s Server) Call(object, method string, arguments ...Variant) (outputs []Variant, status Status, err error) {
	q := abi.OPCUACall{Handle: s.handle, Object: object, Method: method}
	for _, a := range arguments {
		q.Arguments = append(q.Arguments, abi.OPCUAVariant{Variant: a})
	}
	reply, err := hostCall(q.Append(hostcall.Request()))
	if err != nil {
		return nil, 0, err
	}
	var p abi.OPCUACallResult
	if err := p.Decode(reply); err != nil {
		return nil, 0, err
	}
	for _, o := range p.Outputs {
		outputs = append(outputs, o.Variant)
	}
	return outputs, Status(p.Status), nil
}

// Browse asks for a page of the references of a node. Set q.Cursor to the cursor
// that came with a page to get the next one; a cursor of 0 ends it.
func (s Server) Browse(q Browse) (page []Reference, cursor uint64, status Status, err error) {
	q.Handle = s.handle
	reply, err := hostBrowse(q.Append(hostcall.Request()))
	if err != nil {
		return nil, 0, 0, err
	}
	var p abi.OPCUABrowsePage
	if err := p.Decode(reply); err != nil {
		return nil, 0, 0, err
	}
	return p.References, p.Cursor, Status(p.Status), nil
}

// Changes are the values of an EventData of a server, with the name of the
// subscription that they are of. They are valid as long as the event is.
func Changes(event abi.Event) (subscription string, values []Data, err error) {
	return ChangesInto(nil, event)
}

// ChangesInto is Changes in the memory of values that are of no use any more.
func ChangesInto(old []Data, event abi.Event) (subscription string, values []Data, err error) {
	p := abi.OPCUAValues{Values: old}
	err = p.Decode(event.Data)
	return p.Subscription, p.Values, err
}

func statuses(reply []byte) ([]Status, error) {
	var p abi.OPCUAStatuses
	if err := p.Decode(reply); err != nil {
		return nil, err
	}
	list := make([]Status, len(p.Statuses))
	for i, s := range p.Statuses {
		list[i] = Status(s.Code)
	}
	return list, nil
}

// ticksAt1970 is the Unix epoch in ticks of 100 ns since 1601.
const ticksAt1970 = 116444736000000000

// UnixNS is a time of a value in nanoseconds since 1970; 0: there is none, or it
// does not fit.
func UnixNS(ticks uint64) int64 {
	const most = 1<<63 - 1
	if ticks == 0 || ticks > ticksAt1970+most/100 || ticks < ticksAt1970-most/100 {
		return 0
	}
	return (int64(ticks) - ticksAt1970) * 100
}

// Ticks is a time as values have it.
func Ticks(t time.Time) uint64 { return uint64(t.UnixNano()/100 + ticksAt1970) }
