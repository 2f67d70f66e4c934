package opcua

import (
	"context"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/spec"
)

// recording knows the session that was opened last.
type recording struct {
	*Group

	last *Session
}

func (g *recording) Open(ctx context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	s, err := g.Group.Open(ctx, scope, args)
	if err == nil {
		g.last = s.(*Session)
	}
	return s, err
}

func TestContract(t *testing.T) {
	p := newPlant(t)
	open := func(in abi.OPCUAOpen) *abi.OPCUAOpen {
		in.Endpoint, in.AllowInsecure, in.OpenTimeoutMS, in.OpenRetryMS = p.endpoint(), true, 300, 10
		return &in
	}
	g := &recording{Group: testGroup(quick())}
	hostfnstest.Run(t, hostfnstest.Case{
		Group:  g,
		Grants: grantsFor(p.endpoint()),
		Less:   []spec.Grant{{Group: Name, Resources: []string{p.endpoint()}}},
		Open:   open(abi.OPCUAOpen{}),
		Equal:  []hostfnstest.Message{&abi.OPCUAOpen{Endpoint: strings.ToUpper(p.endpoint()[:8]) + p.endpoint()[8:] + "/", AllowInsecure: true, OpenTimeoutMS: 300, OpenRetryMS: 10, SessionTimeoutMS: 60_000}},
		Others: []hostfnstest.Message{open(abi.OPCUAOpen{Policy: "None"}), open(abi.OPCUAOpen{Username: "a"})},
		Calls: []hostfnstest.Call{
			{Function: "read", Request: &abi.OPCUARead{Handle: 1}},
			{Function: "open", Request: &abi.OPCUAOpen{Endpoint: "http://a"}},
			{Function: "open", Request: &abi.OPCUAOpen{Endpoint: "opc.tcp://plc1"}},
			{Function: "open", Request: &abi.OPCUAOpen{Endpoint: p.endpoint(), Policy: "None"}},
			{Function: "open", Request: open(abi.OPCUAOpen{}), Reply: &abi.Handle{}},
			{Function: "read", Request: &abi.OPCUARead{Handle: 1, Nodes: []abi.OPCUANode{{Node: "ns=1;s=speed"}}}, Reply: &abi.OPCUAValues{}},
			{Function: "read", Request: &abi.OPCUARead{Handle: 1, Nodes: []abi.OPCUANode{{Node: "speed"}}}},
			{Function: "write", Request: &abi.OPCUAWrite{Handle: 1, Values: []abi.OPCUAWriteValue{{Node: "ns=1;s=speed"}}}},
			{Function: "browse", Request: &abi.OPCUABrowse{Handle: 1, Node: "ns=1;s=speed"}, Reply: &abi.OPCUABrowsePage{}},
			{Function: "browse", Request: &abi.OPCUABrowse{Handle: 1, Cursor: 7}},
			{Function: "call", Request: &abi.OPCUACall{Handle: 1, Object: "i=85", Method: "x"}},
			{Function: "subscribe", Request: &abi.OPCUASubscribe{Handle: 1, Name: "b", Items: []abi.OPCUAItem{{ID: 1, Node: "ns=1;s=speed"}}}, Reply: &abi.OPCUAStatuses{}},
			{Function: "subscribe", Request: &abi.OPCUASubscribe{Handle: 1}},
			{Function: "info", Request: abi.Handle{Handle: 2}},
		},
		Log: strings.ReplaceAll(`
==> opcua.read(handle=1)
<== error=not_found
==> opcua.open(endpoint="http://a")
<== error=invalid
==> opcua.open(endpoint="opc.tcp://plc1")
<== error=denied
==> opcua.open(endpoint=ENDPOINT,policy="None")
<== error=invalid
==> opcua.open(endpoint=ENDPOINT,allowInsecure=true,openTimeoutMS=300,openRetryMS=10)
<== handle=1
==> opcua.read(handle=1,nodes=[{ns=1;s=speed 0 }])
<== values=[{0 0 [6 7 0 0 0] 0 0 0 0}]
==> opcua.read(handle=1,nodes=[{speed 0 }])
<== error=invalid
==> opcua.write(handle=1,values=[{ns=1;s=speed 0  <nil>}])
<== error=invalid
==> opcua.browse(handle=1,node="ns=1;s=speed")
<== zero
==> opcua.browse(handle=1,cursor=7)
<== error=not_found
==> opcua.call(handle=1,object="i=85",method="x")
<== error=invalid
==> opcua.subscribe(handle=1,name="b",items=[{1 ns=1;s=speed 0  <nil> 0 false 0 0 0}])
<== statuses=[{0}]
==> opcua.subscribe(handle=1)
<== error=invalid
==> opcua.info(handle=2)
<== error=not_found
`, "ENDPOINT", hostfnstest.Quoted(p.endpoint())),
		Emit: func(t *testing.T, n int) {
			t.Helper()
			for i := range n {
				must(t, g.last.deliver(t.Context(), "a", []abi.OPCUAValue{{Item: uint32(i)}}))
			}
		},
	})
}
