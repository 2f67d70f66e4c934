package tcp

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestContract(t *testing.T) {
	r := listening(t)
	// The peer answers what it is asked, and does not answer "never".
	r.serve(func(line string) string {
		if line == "never" {
			return ""
		}
		return "re: " + line + "\n"
	})
	g := group()
	hostfnstest.Run(t, hostfnstest.Case{
		Group:  g,
		Grants: r.grants(),
		Less:   []spec.Grant{{Group: Name, Resources: []string{r.address()}}},
		Open:   r.args(func(a *abi.TCPOpen) { a.OpenTimeoutMS = 100 }),
		Equal: []hostfnstest.Message{r.args(func(a *abi.TCPOpen) {
			a.OpenTimeoutMS, a.Background, a.KeepAliveMS, a.BufferBytes = 9, true, 15_000, 1<<20
			a.Address, a.Framing.MaxFrame, a.Framing.Size = strings.ToUpper(a.Address), 64<<10, 7
		})},
		Others: []hostfnstest.Message{r.args(pull), r.args(raw), r.args(func(a *abi.TCPOpen) { a.IdleTimeoutMS = 5 }), r.args(func(a *abi.TCPOpen) { a.TLS = &abi.HTTPTLS{} })},
		Calls: []hostfnstest.Call{
			{Function: "write", Request: abi.TCPWrite{Handle: 1, Data: []byte("on\n")}},
			{Function: "open", Request: &abi.TCPOpen{Address: "plc1"}},
			{Function: "open", Request: &abi.TCPOpen{Address: "plc1:502"}},
			{Function: "open", Request: r.args(), Reply: &abi.Handle{}},
			{Function: "transact", Request: abi.TCPTransact{Handle: 1, Data: []byte("on\n")}, Reply: &abi.TCPData{}, Varies: []string{"time"}},
			{Function: "transact", Request: abi.TCPTransact{Handle: 1, Data: []byte("never\n"), TimeoutMS: 20}},
			{Function: "write", Request: abi.TCPWrite{Handle: 1, Data: []byte("off\n")}, Reply: &abi.TCPWritten{}},
			{Function: "write", Request: abi.TCPWrite{Handle: 1}, Reply: &abi.TCPWritten{}},
			{Function: "read", Request: abi.TCPRead{Handle: 1}},
			{Function: "open", Request: r.args(pull), Reply: &abi.Handle{}},
			{Function: "transact", Request: abi.TCPTransact{Handle: 2, Data: []byte("a\n")}, Reply: &abi.TCPData{}, Varies: []string{"time"}},
			{Function: "write", Request: abi.TCPWrite{Handle: 2, Data: []byte("b\n")}, Reply: &abi.TCPWritten{}},
			{Function: "read", Request: abi.TCPRead{Handle: 2}, Reply: &abi.TCPData{}, Varies: []string{"time"}},
			{Function: "read", Request: abi.TCPRead{Handle: 2, TimeoutMS: 20}},
			{Function: "write", Request: abi.TCPWrite{Handle: 3, Data: []byte("c\n")}},
		},
		Log: strings.ReplaceAll(`
==> tcp.write(handle=1,data="on\n")
<== error=not_found
==> tcp.open(address="plc1")
<== error=invalid
==> tcp.open(address="plc1:502")
<== error=denied
==> tcp.open(address="ADDRESS",framing={kind=1,delimiter="\n"},openTimeoutMS=2000,retryMS=10,maxRetryMS=50)
<== handle=1
==> tcp.transact(handle=1,data="on\n")
<== data="re: on\n",time=*
==> tcp.transact(handle=1,data="never\n",timeoutMS=20)
<== error=timeout
==> tcp.write(handle=1,data="off\n")
<== count=4
==> tcp.write(handle=1)
<== zero
==> tcp.read(handle=1)
<== error=invalid
==> tcp.open(address="ADDRESS",framing={kind=1,delimiter="\n"},pull=true,openTimeoutMS=2000,retryMS=10,maxRetryMS=50)
<== handle=2
==> tcp.transact(handle=2,data="a\n")
<== data="re: a\n",time=*
==> tcp.write(handle=2,data="b\n")
<== count=2
==> tcp.read(handle=2)
<== data="re: b\n",time=*
==> tcp.read(handle=2,timeoutMS=20)
<== error=timeout
==> tcp.write(handle=3,data="c\n")
<== error=not_found
`, "ADDRESS", r.address()),
		Waits: &hostfnstest.Call{Function: "transact", Request: abi.TCPTransact{Handle: 1, Data: []byte("never\n")}},
		Pull: &hostfnstest.Pull{
			Open: r.args(pull), Emit: func(*testing.T) { r.tell("422498\n") },
			Take: hostfnstest.Call{Function: "read", Request: abi.TCPRead{Handle: 1}},
		},
		Emit: func(t *testing.T, n int) {
			t.Helper()
			r.tell(strings.Repeat("422498\n", n))
		},
	})
}
