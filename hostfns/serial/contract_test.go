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
	group := New(Config{})
	group.lister = listed{{Path: r.link}, {Path: "/dev/ttyS77"}}
	hostfnstest.Run(t, hostfnstest.Case{
		Group:  group,
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
			{Function: "list", Reply: &abi.SerialPorts{}},
			{Function: "transact", Request: &abi.SerialTransact{Handle: 1, Data: []byte("?\n"), Frames: 1, TimeoutMS: 20}},
			{
				Function: "transact", Request: &abi.SerialTransact{Handle: 1, Data: []byte("?\n"), Frames: 1}, Reply: &abi.SerialReply{},
				Before: func(t *testing.T) {
					t.Helper()
					r.receive(2) // the one that timed out
					go func() {
						_, _ = r.master.Read(make([]byte, 2))
						_, _ = r.master.WriteString("42\n")
					}()
				},
				Varies: []string{"frames"},
			},
			{Function: "read", Request: &abi.SerialRead{Handle: 1}},
			{Function: "signals", Request: handle},
			{Function: "break", Request: &abi.SerialBreak{Handle: 1, DurationMS: 1}},
			{Function: "open", Request: port(abi.SerialOpen{BaudRate: 19200}), Reply: &abi.Handle{}},
			{Function: "open", Request: port(abi.SerialOpen{BaudRate: 300})},
		},
		Log: strings.ReplaceAll(strings.ReplaceAll(`
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
==> serial.list()
<== ports=[{PORTLINK       }]
==> serial.transact(handle=1,data="?\n",frames=1,timeoutMS=20)
<== error=timeout
==> serial.transact(handle=1,data="?\n",frames=1)
<== frames=*
==> serial.read(handle=1)
<== error=invalid
==> serial.signals(handle=1)
<== error=unsupported
==> serial.break(handle=1,durationMS=1)
<== ok
==> serial.open(port=PORT,baudRate=19200,openTimeoutMS=300,openRetryMS=10)
<== handle=2
==> serial.open(port=PORT,baudRate=300,openTimeoutMS=300,openRetryMS=10)
<== error=port_in_use
`, "PORTLINK", r.link), "PORT", hostfnstest.Quoted(r.link)),
		Waits: &hostfnstest.Call{Function: "write", Request: abi.SerialWrite{Handle: 1, Data: []byte(huge)}},
		Pull: &hostfnstest.Pull{
			Open: port(abi.SerialOpen{Framing: abi.SerialRaw}), Emit: func(*testing.T) { r.send("422498\n") },
			Take: hostfnstest.Call{Function: "read_until", Request: &abi.SerialRead{Handle: 1, Until: []byte("\n")}},
		},
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

// listed are the ports of a machine.
type listed []abi.SerialPort

func (l listed) ports() ([]abi.SerialPort, error) { return l, nil }

// A port that lanes share keeps to the contract, too.
func TestContractOfASharedPort(t *testing.T) {
	r := plugged(t)
	port := func(in abi.SerialOpen) *abi.SerialOpen {
		in.Port, in.OpenTimeoutMS, in.OpenRetryMS, in.Shared = r.link, 300, 10, true
		return &in
	}
	hostfnstest.Run(t, hostfnstest.Case{
		Group:  New(Config{}),
		Grants: []spec.Grant{{Group: Name, Resources: []string{r.link}, Rights: []spec.Right{spec.Read, spec.Write}}},
		Open:   port(abi.SerialOpen{}),
		Equal:  []hostfnstest.Message{port(abi.SerialOpen{BaudRate: 9600})},
		Others: []hostfnstest.Message{port(abi.SerialOpen{BaudRate: 19200}), port(abi.SerialOpen{Framing: abi.SerialGap})},
		Calls: []hostfnstest.Call{
			{Function: "open", Request: port(abi.SerialOpen{}), Reply: &abi.Handle{}},
			{Function: "open", Request: port(abi.SerialOpen{BaudRate: 19200}), Reply: &abi.Handle{}},
			{Function: "write", Request: abi.SerialWrite{Handle: 1, Data: []byte("on\n")}},
			{Function: "transact", Request: &abi.SerialTransact{Handle: 1, Data: []byte("on\n")}, Reply: &abi.SerialReply{}},
			{Function: "transact", Request: &abi.SerialTransact{Handle: 2, Data: []byte("off\n")}, Reply: &abi.SerialReply{}, After: func(t *testing.T) {
				t.Helper()
				if got := r.receive(7); got != "on\noff\n" {
					t.Errorf("the device got %q", got)
				}
			}},
		},
		Log: strings.ReplaceAll(`
==> serial.open(port=PORT,openTimeoutMS=300,openRetryMS=10,shared=true)
<== handle=1
==> serial.open(port=PORT,baudRate=19200,openTimeoutMS=300,openRetryMS=10,shared=true)
<== handle=2
==> serial.write(handle=1,data="on\n")
<== error=invalid
==> serial.transact(handle=1,data="on\n")
<== zero
==> serial.transact(handle=2,data="off\n")
<== zero
`, "PORT", hostfnstest.Quoted(r.link)),
		Waits: &hostfnstest.Call{Function: "transact", Request: &abi.SerialTransact{Handle: 1, Frames: 1, TimeoutMS: 60_000}},
	})
}
