//go:build linux && !ppc64le

package serial

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func raw(o *abi.SerialOpen) { o.Framing, o.ReadTimeoutMS = abi.SerialRaw, 40 }

func readFrom(ctx context.Context, s asker, function string, q abi.SerialRead) (string, error) {
	q.Handle = 1
	out, err := s.Call(ctx, function, q.Append(nil), nil)
	if err != nil {
		return "", err
	}
	var data abi.SerialData
	err = data.Decode(out)
	return string(data.Data), err
}

// TestReads: as pyserial reads (S2.24): all that is wanted, or after the timeout
// what there is.
func TestReads(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "probe", r.args(raw))
	r.send("abcdef\r\nrest")
	for _, c := range []struct {
		function string
		q        abi.SerialRead
		want     string
	}{
		{functionRead, abi.SerialRead{Size: 2}, "ab"},
		{functionRead, abi.SerialRead{}, "c"},
		{functionReadUntil, abi.SerialRead{Until: []byte("\r\n")}, "def\r\n"},
		{functionReadUntil, abi.SerialRead{Until: []byte("t"), Size: 2}, "re"},
		{functionReadUntil, abi.SerialRead{}, "st"}, // no line end comes
		{functionRead, abi.SerialRead{Size: 9}, ""},
		{functionRead, abi.SerialRead{Size: 9, TimeoutMS: new(uint64)}, ""},
	} {
		if got, err := readFrom(t.Context(), s, c.function, c.q); err != nil || got != c.want {
			t.Errorf("%s %+v: %q, %v; want %q", c.function, c.q, got, err, c.want)
		}
	}
	done := make(chan string, 1)
	go func() {
		got, _ := readFrom(context.Background(), s, functionReadUntil, abi.SerialRead{TimeoutMS: new(uint64(10_000))})
		done <- got
	}()
	r.send("li")
	r.send("ne\nnext")
	if got := <-done; got != "line\n" {
		t.Errorf("waited for %q", got)
	}
	if _, err := readFrom(t.Context(), s, functionRead, abi.SerialRead{Size: 2 << 20}); !fault.Is(err, fault.TooLarge) {
		t.Errorf("two MiB: %v", err)
	}
	eventually(t, "the rest is there", func() bool { s.input.mu.Lock(); defer s.input.mu.Unlock(); return string(s.input.buf) == "next" })
	if _, err := s.Call(t.Context(), functionFlush, nil, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := readFrom(t.Context(), s, functionRead, abi.SerialRead{Size: 4}); err != nil || got != "" {
		t.Errorf("after a flush: %q, %v", got, err)
	}
	framed := opened(t, New(Config{}), "other", plugged(t).args())
	if _, err := readFrom(t.Context(), framed, functionRead, abi.SerialRead{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a port with frames: %v", err)
	}
}

// What was received before the link was lost is read first; a wait ends with it,
// and with the call.
func TestReadsEnd(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "probe", r.args(raw))
	r.send("last")
	eventually(t, "received", func() bool { s.input.mu.Lock(); defer s.input.mu.Unlock(); return len(s.input.buf) == 4 })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := readFrom(ctx, s, functionRead, abi.SerialRead{Size: 9, TimeoutMS: new(uint64(10_000))}); !fault.Is(err, fault.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	r.unplug()
	long := abi.SerialRead{Size: 9, TimeoutMS: new(uint64(10_000))}
	if got, err := readFrom(t.Context(), s, functionRead, long); err != nil || got != "last" {
		t.Errorf("what had come: %q, %v", got, err)
	}
	if _, err := readFrom(t.Context(), s, functionRead, long); !fault.Is(err, fault.ResourceUnavailable) {
		t.Errorf("away: %v", err)
	}
}

// A raw port that nobody reads is not read: the line pushes back, and nothing of
// it is lost.
func TestARawPortPushesBack(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{Bytes: 8192}), "probe", r.args(raw))
	const all = 200_000
	sent := make(chan error, 1)
	go func() {
		_ = r.master.SetWriteDeadline(time.Now().Add(patience))
		_, err := r.master.WriteString(strings.Repeat("0123456789", all/10))
		sent <- err
	}()
	var got strings.Builder
	for got.Len() < all {
		part, err := readFrom(t.Context(), s, functionRead, abi.SerialRead{Size: 5000, TimeoutMS: new(uint64(500))})
		if err != nil || part == "" {
			t.Fatalf("after %d bytes: %v", got.Len(), err)
		}
		got.WriteString(part)
		s.input.mu.Lock()
		kept := len(s.input.buf)
		s.input.mu.Unlock()
		if kept > 8192 {
			t.Fatalf("%d bytes are kept", kept)
		}
	}
	if err := <-sent; err != nil || got.String() != strings.Repeat("0123456789", all/10) {
		t.Errorf("something was lost: %v", err)
	}
}

// SLIP frames come without their escapes, and what is written gets them.
func TestSLIPSession(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "probe", r.args(func(o *abi.SerialOpen) { o.Framing = abi.SerialSLIP }))
	r.send("\xc0a\xdb\xdcb\xc0")
	expect(t, s, `"a\xc0b"`)
	if n, err := write(t.Context(), s, "x\xdb"); n != 2 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if got := r.receive(5); got != "\xc0x\xdb\xdd\xc0" {
		t.Errorf("the device got %q", got)
	}
}

// Silence ends frames of a gap framing: 3.5 characters of what the host can see.
func TestGapSession(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "probe", r.args(func(o *abi.SerialOpen) { o.Framing = abi.SerialGap }))
	for _, frame := range []string{"\x01\x03\x02", "\x00\x0a\r\n"} {
		r.send(frame)
		got := taken(t, s, 1)
		if string(got[0].Data) != frame {
			t.Errorf("got %q, want %q", got[0].Data, frame)
		}
		s.Ack(1)
	}
}

func TestSilences(t *testing.T) {
	for _, c := range []struct {
		in              abi.SerialOpen
		gap, turnaround time.Duration
	}{
		{abi.SerialOpen{BaudRate: 9600}, 20_312_487, 3_645_831},                                                     // 10 bits a character
		{abi.SerialOpen{BaudRate: 9600, Parity: "E"}, 22_343_724, 4_010_412},                                        // 11
		{abi.SerialOpen{BaudRate: 115200}, 20 * time.Millisecond, 1750 * time.Microsecond},                          // as Modbus has it
		{abi.SerialOpen{BaudRate: 1200}, 162_499_993, 29_166_665},                                                   // 16 characters of a UART, and 3.5
		{abi.SerialOpen{InterByteTimeoutMS: new(uint64(5)), TurnaroundMS: new(uint64(0))}, 5 * time.Millisecond, 0}, // as it is said
	} {
		c.in.Framing = abi.SerialGap
		set, err := New(Config{}).settings(encoded(c.in))
		if err != nil || set.interByte != c.gap || set.turnaround != c.turnaround {
			t.Errorf("%+v: %v and %v, %v", c.in, set.interByte, set.turnaround, err)
		}
	}
}

func TestFramingErrors(t *testing.T) {
	for _, c := range []struct {
		in   abi.SerialOpen
		want string
	}{
		{abi.SerialOpen{Framing: 6}, "framing is 6"},
		{abi.SerialOpen{Framing: abi.SerialFixed}, "frame_length is 0"},
		{abi.SerialOpen{Framing: abi.SerialFixed, FrameLength: 5000}, "frame_length is 5000"},
		{abi.SerialOpen{Framing: abi.SerialFixed, FrameLength: 3, Check: "crc16", Start: []byte("a")}, "frame_length is 3"},
		{abi.SerialOpen{Framing: abi.SerialFixed, FrameLength: 9, Check: "md5"}, `check is "md5"`},
		{abi.SerialOpen{Framing: abi.SerialFixed, FrameLength: 90, Start: make([]byte, 17)}, "start has 17 bytes"},
		{abi.SerialOpen{Framing: abi.SerialPrefixed, LengthSize: 3}, "length_size is 3"},
		{abi.SerialOpen{Framing: abi.SerialPrefixed, LengthSize: 1, LengthAt: 5000}, "length_at is 5000"},
		{abi.SerialOpen{Framing: abi.SerialPrefixed, LengthSize: 1, LengthAdds: 1 << 40}, "length_adds is"},
		{abi.SerialOpen{TurnaroundMS: new(uint64(1 << 40))}, "turnaround_ms is"},
	} {
		if _, err := New(Config{}).settings(encoded(c.in)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.in, err, c.want)
		}
	}
}

// lines is a device with modem lines, which a pseudo-terminal has not.
type lines struct {
	device
	dtr, rts bool
}

func (l *lines) Signals() (abi.SerialSignals, error) {
	return abi.SerialSignals{CTS: l.rts, DSR: l.dtr, DCD: true}, nil
}

func (l *lines) SetSignals(dtr, rts *bool) error {
	if dtr != nil {
		l.dtr = *dtr
	}
	if rts != nil {
		l.rts = *rts
	}
	return nil
}

type wired struct{ driver }

func (w wired) open(real string, set settings) (device, error) {
	dev, err := w.driver.open(real, set)
	if err != nil {
		return nil, err
	}
	return &lines{device: dev}, nil
}

func TestModemLinesAndBreak(t *testing.T) {
	s := opened(t, newGroup(Config{}, wired{systemDriver()}), "modem", plugged(t).args())
	set := abi.SerialSignal{Handle: 1, RTS: new(true)}
	if _, err := s.Call(t.Context(), functionSetSignals, set.Append(nil), nil); err != nil {
		t.Fatal(err)
	}
	out, err := s.Call(t.Context(), functionSignals, abi.Handle{Handle: 1}.Append(nil), nil)
	var signals abi.SerialSignals
	if err != nil || signals.Decode(out) != nil || signals != (abi.SerialSignals{CTS: true, DCD: true}) {
		t.Errorf("%+v, %v", signals, err)
	}
	began := time.Now()
	pause := abi.SerialBreak{Handle: 1, DurationMS: 30}
	if _, err := s.Call(t.Context(), functionBreak, pause.Append(nil), nil); err != nil || time.Since(began) < 30*time.Millisecond {
		t.Errorf("a break of %v: %v", time.Since(began), err)
	}
	bare := opened(t, New(Config{}), "pty", plugged(t).args())
	if _, err := bare.Call(t.Context(), functionSignals, nil, nil); !fault.Is(err, fault.Unsupported) {
		t.Errorf("a line without modem lines: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	long := abi.SerialBreak{Handle: 1, DurationMS: 5000}
	if _, err := bare.Call(ctx, functionBreak, long.Append(nil), nil); !fault.Is(err, fault.Timeout) {
		t.Errorf("a break beyond its call: %v", err)
	}
}

// TestList: of the ports of a machine those that are granted, by the names that
// are.
func TestList(t *testing.T) {
	root := t.TempDir()
	put := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(path, to string) {
		t.Helper()
		put(path+".d", "")
		if err := os.Symlink(to, filepath.Join(root, path)); err != nil {
			t.Fatal(err)
		}
	}
	usb := "devices/pci/usb1/1-2"
	for name, text := range map[string]string{"idVendor": "0403\n", "idProduct": "6001\n", "serial": "A50285BI\n", "product": "FT232R \xffUART\n"} {
		put(usb+"/"+name, text)
	}
	put(usb+"/1-2:1.0/ttyUSB0/x", "")
	link(usb+"/1-2:1.0/ttyUSB0/driver", "../../../../../../bus/drivers/ftdi_sio")
	put("devices/platform/serial8250/x", "")
	for name, device := range map[string]string{"ttyUSB0": usb + "/1-2:1.0/ttyUSB0", "ttyS0": "devices/platform/serial8250", "ttyS1": "devices/platform/serial8250"} {
		link("class/tty/"+name+"/device", filepath.Join(root, device))
	}
	put("class/tty/ttyS0/type", "4\n")
	put("class/tty/ttyS1/type", "0\n") // no UART there
	put("class/tty/tty1/x", "")        // a screen
	id := filepath.Join(root, "serial/by-id/usb-FTDI_A50285BI-if00-port0")
	link("serial/by-id/usb-FTDI_A50285BI-if00-port0", "../../ttyUSB0")

	g := New(Config{})
	g.lister = sysfs{class: filepath.Join(root, "class/tty"), links: filepath.Join(root, "serial")}
	list := func(patterns ...string) (ports abi.SerialPorts) {
		t.Helper()
		out, err := g.CallDirect(t.Context(), capability.Scope{Grants: []spec.Grant{{Group: Name, Resources: patterns}}}, functionList, nil, nil)
		if err != nil || ports.Decode(out) != nil {
			t.Fatal(err)
		}
		return ports
	}
	all := list("/dev/tty*", filepath.Join(root, "serial/by-id/*"))
	adapter := abi.SerialPort{Path: "/dev/ttyUSB0", ByID: id, Driver: "ftdi_sio", Vendor: "0403", Product: "6001", Serial: "A50285BI", Name: "FT232R ?UART"}
	if len(all.Ports) != 2 || all.Ports[0] != (abi.SerialPort{Path: "/dev/ttyS0"}) || all.Ports[1] != adapter {
		t.Errorf("all: %+v", all.Ports)
	}
	adapter.Path = ""
	if some := list(id); len(some.Ports) != 1 || some.Ports[0] != adapter {
		t.Errorf("by its id alone: %+v", some.Ports)
	}
	if none := list("/dev/ttyACM*"); len(none.Ports) != 0 {
		t.Errorf("nothing is granted: %+v", none.Ports)
	}
}
