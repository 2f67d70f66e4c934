//go:build linux && !ppc64le

package serial

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestContract(t *testing.T) {
	r := plugged(t)
	port := func(in abi.SerialOpen) *abi.SerialOpen {
		in.Port, in.OpenTimeoutMS, in.OpenRetryMS = r.link, 300, 10
		return &in
	}
	handle := abi.Handle{Handle: 1}
	huge := strings.Repeat("x", 1<<20)
	hostfnstest.Run(t, hostfnstest.Case{
		Group:  New(Config{}),
		Grants: []spec.Grant{{Group: Name, Resources: []string{r.link}, Rights: []spec.Right{spec.Read, spec.Write}}},
		Open:   port(abi.SerialOpen{}),
		Equal:  []hostfnstest.Message{port(abi.SerialOpen{BaudRate: 9600, Parity: "N", Delimiter: []byte("\n")})},
		Others: []hostfnstest.Message{port(abi.SerialOpen{BaudRate: 19200}), port(abi.SerialOpen{RTSCTS: true})},
		Calls: []hostfnstest.Call{
			{Function: "write", Request: abi.SerialWrite{Handle: 1, Data: []byte("on\n")}},
			{Function: "open", Request: &abi.SerialOpen{BaudRate: 3, Parity: "X"}},
			{Function: "open", Request: &abi.SerialOpen{Port: "/dev/ttyS99"}},
			{Function: "open", Request: port(abi.SerialOpen{}), Reply: &abi.Handle{}},
			{
				Function: "write", Request: abi.SerialWrite{Handle: 1, Data: []byte("on\n")}, Reply: &abi.SerialWritten{},
				After: func(t *testing.T) {
					t.Helper()
					if got := r.receive(3); got != "on\n" {
						t.Errorf("the device got %q", got)
					}
				},
			},
			{Function: "write", Request: abi.SerialWrite{Handle: 1}, Reply: &abi.SerialWritten{}},
			{Function: "write", Request: abi.SerialWrite{Handle: 2, Data: []byte("on\n")}},
			{Function: "drain", Request: handle},
			{Function: "flush", Request: handle},
			{Function: "open", Request: port(abi.SerialOpen{BaudRate: 19200}), Reply: &abi.Handle{}},
			{Function: "open", Request: port(abi.SerialOpen{BaudRate: 300})},
		},
		Log: strings.ReplaceAll(`
==> serial.write(handle=1,data="on\n")
<== error=not_found
==> serial.open(baudRate=3,parity="X")
<== error=invalid
==> serial.open(port="/dev/ttyS99")
<== error=denied
==> serial.open(port=PORT,openTimeoutMS=300,openRetryMS=10)
<== handle=1
==> serial.write(handle=1,data="on\n")
<== count=3
==> serial.write(handle=1)
<== zero
==> serial.write(handle=2,data="on\n")
<== error=not_found
==> serial.drain(handle=1)
<== ok
==> serial.flush(handle=1)
<== ok
==> serial.open(port=PORT,baudRate=19200,openTimeoutMS=300,openRetryMS=10)
<== handle=2
==> serial.open(port=PORT,baudRate=300,openTimeoutMS=300,openRetryMS=10)
<== error=port_in_use
`, "PORT", hostfnstest.Quoted(r.link)),
		Waits: &hostfnstest.Call{Function: "write", Request: abi.SerialWrite{Handle: 1, Data: []byte(huge)}},
		Emit: func(t *testing.T, n int) {
			t.Helper()
			for range n {
				r.send("422498\n")
			}
		},
	})
}

// A guest learns why a port does not open; it is not killed for having waited.
func TestGuestLearnsThatThereIsNoPort(t *testing.T) {
	absent := t.TempDir() + "/absent"
	err := hostfnstest.Do(t, hostfnstest.Case{
		Group:  New(Config{}),
		Grants: []spec.Grant{{Group: Name, Resources: []string{absent}}},
	}, hostfnstest.Call{Function: "open", Request: &abi.SerialOpen{Port: absent, OpenTimeoutMS: 60_000}})
	if err == nil || !strings.Contains(err.Error(), fault.PortNotFound.String()+": Connection refused per timeout for device "+absent) {
		t.Errorf("got %v", err)
	}
}
