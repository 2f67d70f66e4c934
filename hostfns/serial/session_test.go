//go:build linux && !ppc64le

package serial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

func groups() map[string]*Group {
	all := map[string]*Group{}
	for name, d := range drivers() {
		all[name] = newGroup(Config{}, d)
	}
	return all
}

func TestFramesAsEvents(t *testing.T) {
	for name, g := range groups() {
		t.Run(name, func(t *testing.T) {
			r := plugged(t)
			s := opened(t, g, "weather", r.args())
			before := time.Now().UnixNano()
			r.send("422498\n422499\n42")
			expect(t, s, `"422498\n" "422499\n"`)
			r.send("2500\n\x00\xff\x11\x13\n")
			got := taken(t, s, 2)
			if told(got) != `"422500\n" "\x00\xff\x11\x13\n"` {
				t.Errorf("got %s", told(got))
			}
			if at := got[0].Time; at < before || at > time.Now().UnixNano() {
				t.Errorf("the frame's time is %d", at)
			}
			if c := s.Condition(); !c.Up || c.Opens != 1 || c.Buffered != 2 || c.Dropped != 0 {
				t.Errorf("condition %+v", c)
			}
		})
	}
}

func TestFrameSplitAtEveryByte(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "weather", r.args(func(o *abi.SerialOpen) { o.Delimiter = []byte("\r\n") }))
	const frame = "4224\r98\r\n"
	for i := range len(frame) {
		r.send(frame[:i])
		if i > 0 { // what was sent is read alone: the kernel's buffer is empty
			eventually(t, "read", func() bool { return received(t, s) == 0 })
		}
		r.send(frame[i:])
		expect(t, s, fmt.Sprintf("%q", frame))
	}
}

func TestOversizeFrameIsCountedAndTold(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "weather", r.args(func(o *abi.SerialOpen) { o.MaxFrame = 8 }))
	r.send("1234567\n123456789\nok\n")
	expect(t, s, `"1234567\n" gap:frame_too_long "ok\n"`)
	if c := s.Condition(); c.Dropped != 1 {
		t.Errorf("condition %+v", c)
	}
}

func TestSilenceEndsAFrame(t *testing.T) {
	for name, g := range groups() {
		t.Run(name, func(t *testing.T) {
			r := plugged(t)
			s := opened(t, g, "modbus", r.args(func(o *abi.SerialOpen) { o.InterByteTimeoutMS = new(uint64(20)) }))
			r.send("12\n34")
			expect(t, s, `"12\n" "34"`)
			r.send("56\n")
			expect(t, s, `"56\n"`)
		})
	}
}

func TestTakeAckRewind(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "weather", r.args())
	r.send("1\n2\n3\n4\n")
	taken(t, s, 4)
	s.Ack(1)
	s.Rewind()
	expect(t, s, `"2\n" "3\n" "4\n"`)
	s.Rewind()
	r.send("5\n")
	expect(t, s, `"5\n"`)
	if s.Replayable() {
		t.Error("a serial line cannot be read again")
	}
}

// When nobody takes, the session stops reading and the line pushes back: no
// frame is lost, and the host's memory is bounded.
func TestBackPressure(t *testing.T) {
	for name, g := range groups() {
		t.Run(name, func(t *testing.T) {
			g.frames, g.bytes = 16, 64<<10
			r := plugged(t)
			s := opened(t, g, "weather", r.args())
			const frames = 20_000
			sent := make(chan error, 1)
			go func() {
				_ = r.master.SetWriteDeadline(time.Now().Add(patience))
				for i := range frames {
					if _, err := fmt.Fprintf(r.master, "%05d\n", i); err != nil {
						sent <- err
						return
					}
				}
				sent <- nil
			}()
			eventually(t, "full", func() bool { return s.Condition().Buffered == 16 })
			for i := range frames {
				got := taken(t, s, 1)
				if want := fmt.Sprintf("%05d\n", i); string(got[0].Data) != want {
					t.Fatalf("got %q, want %q", got[0].Data, want)
				}
				s.Ack(1)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if c := s.Condition(); c.Dropped != 0 {
				t.Errorf("condition %+v", c)
			}
		})
	}
}

func TestWriteDrainFlush(t *testing.T) {
	for name, g := range groups() {
		t.Run(name, func(t *testing.T) {
			r := plugged(t)
			s := opened(t, g, "lamp", r.args())
			if n, err := write(t.Context(), s, "on\r\x03\n"); n != 5 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			if got := r.receive(5); got != "on\r\x03\n" {
				t.Errorf("the device got %q", got)
			}
			for _, function := range []string{functionDrain, functionFlush} {
				out, err := s.Call(t.Context(), function, abi.Handle{Handle: 1}.Append(nil), nil)
				if err != nil || len(out) != 0 {
					t.Errorf("%s: %q, %v", function, out, err)
				}
			}
		})
	}
}

// Nobody reads at the other end: the kernel's buffer fills, and the write ends
// by its timeout, by the call's deadline or with the call.
func TestAbuse46WriteIsBounded(t *testing.T) {
	for name, g := range groups() {
		t.Run(name, func(t *testing.T) {
			needsRoot(t, name)
			r := plugged(t)
			s := opened(t, g, "lamp", r.args(func(o *abi.SerialOpen) { o.WriteTimeoutMS = new(uint64(300)) }))
			began := time.Now()
			_, err := write(t.Context(), s, strings.Repeat("x", 1<<20))
			if !fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), "of 1048576 bytes were written") {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			closeSession(t, s)

			s = opened(t, g, "lamp", r.args())
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := write(ctx, s, strings.Repeat("x", 1<<20)); !fault.Is(err, fault.Timeout) {
				t.Errorf("got %v", err)
			}
			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			if _, err := write(ctx, s, strings.Repeat("x", 1<<20)); !fault.Is(err, fault.Canceled) {
				t.Errorf("got %v", err)
			}
			// The line is as it was: what one write left behind does not end the next.
			if _, err := s.Call(t.Context(), functionFlush, nil, nil); err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = r.master.Read(make([]byte, 1<<20)) }()
			if n, err := write(t.Context(), s, "ok"); n != 2 || err != nil {
				t.Errorf("after a flush: %d, %v", n, err)
			}
		})
	}
}

func TestUnplugAndReplug(t *testing.T) {
	for name, g := range groups() {
		t.Run(name, func(t *testing.T) {
			needsRoot(t, name)
			r := plugged(t)
			s := opened(t, g, "weather", r.args())
			r.send("1\n2")
			expect(t, s, `"1\n"`)
			eventually(t, "read", func() bool { return received(t, s) == 0 })
			for range 3 {
				r.unplug()
				got := taken(t, s, 1)
				if got[0].Type == abi.EventGap { // the first time: "2" was cut off
					s.Ack(1)
					got = taken(t, s, 1)
				}
				if told(got) != "down" || !fault.Is(got[0].Err, fault.ResourceUnavailable) {
					t.Fatalf("got %s (%v)", told(got), got[0].Err)
				}
				s.Ack(1)
				eventually(t, "down", func() bool { c := s.Condition(); return !c.Up && c.Reason != "" })
				if _, err := write(t.Context(), s, "x"); !fault.Is(err, fault.ResourceUnavailable) {
					t.Errorf("a write while the port is away: %v", err)
				}
				r.plug()
				expect(t, s, "up")
				r.send("3\n")
				expect(t, s, `"3\n"`)
			}
			if c := s.Condition(); !c.Up || c.Opens != 4 || c.Dropped != 1 {
				t.Errorf("condition %+v", c)
			}
		})
	}
}

// unplugs is how often a port is pulled out.
func unplugs() int {
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		return 100
	}
	return 10
}

// A port that is pulled out under load, again and again, and comes back under
// another name: told within 2 s, open again within 3 s.
func TestSoakAbuse45UnpluggedUnderLoad(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "weather", r.args(func(o *abi.SerialOpen) { o.OpenRetryMS = 100 }))
	var noticed, reopened time.Duration
	names := map[string]bool{}
	for i := range unplugs() {
		names[r.slave.Name()] = true
		stop, loaded := make(chan struct{}), make(chan struct{})
		go func(master *os.File) {
			defer close(loaded)
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := master.WriteString("422498\n"); err != nil {
						return
					}
				}
			}
		}(r.master)
		awaited(t, s, abi.EventData)
		// As many pulls go wrong in their own way: with a write under way, or after one.
		if i%2 == 0 {
			_, _ = write(t.Context(), s, "on\n")
		}
		began := time.Now()
		close(stop)
		r.unplug()
		<-loaded
		awaited(t, s, abi.EventDown)
		noticed = max(noticed, time.Since(began))
		<-time.After(time.Duration(i%5) * 150 * time.Millisecond)
		other, _, err := pty.Open() // takes the name that was free
		if err != nil {
			t.Fatal(err)
		}
		r.plug()
		began = time.Now()
		awaited(t, s, abi.EventUp)
		reopened = max(reopened, time.Since(began))
		_ = other.Close()
	}
	if noticed > 2*time.Second || reopened > 3*time.Second {
		t.Errorf("told after %v, open again after %v", noticed, reopened)
	}
	if c := s.Condition(); !c.Up || c.Opens != uint64(unplugs())+1 {
		t.Errorf("condition %+v", c)
	}
	t.Logf("%d times under %d names: told after %v at most, open again after %v", unplugs(), len(names), noticed, reopened)
}

// awaited takes events until one of a type.
func awaited(t *testing.T, s *Session, typ abi.EventType) {
	t.Helper()
	for {
		got := taken(t, s, 1)
		s.Ack(1)
		if got[0].Type == typ {
			return
		}
	}
}

// While ports are away the sessions look for them at most every second once they
// have been away for a while, which costs next to nothing.
func TestAbuse45AbsenceIsCheap(t *testing.T) {
	counted := &countingDriver{driver: systemDriver()}
	g := newGroup(Config{}, counted)
	const ports = 10
	for range ports {
		r := plugged(t)
		s := opened(t, g, "weather", r.args(func(o *abi.SerialOpen) { o.OpenRetryMS = 100 }))
		r.unplug()
		expect(t, s, "down")
	}
	before, cpu := counted.resolved.Load(), used(t)
	const watched = 1600 * time.Millisecond
	<-time.After(watched)
	if n := counted.resolved.Load() - before; n > 5*ports {
		t.Errorf("looked %d times in %v for %d ports", n, watched, ports)
	}
	share := float64(used(t)-cpu) / float64(watched)
	if t.Logf("%.2f %% of a processor for %d absent ports", 100*share, ports); share > 0.01*ports {
		t.Errorf("%.1f %% of a processor for %d absent ports", 100*share, ports)
	}
}

// used is the processor time that this process has had.
func used(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, g := range groups() {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				name, port string
				kind       fault.Kind
				text       string
			}{
				{"absent", filepath.Join(dir, "absent"), fault.PortNotFound, "Connection refused per timeout for device " + dir + "/absent"},
				{"a file", file, fault.Invalid, "is not a serial port"},
				{"a folder", dir, fault.Invalid, "is not a serial port"},
				{"another kind of device", "/dev/null", fault.Invalid, "is not a serial port"},
			} {
				_, err := g.Open(t.Context(), scope("x"), encoded(abi.SerialOpen{Port: c.port, OpenTimeoutMS: 50}))
				if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) || fault.Of(err).Advice() == "" {
					t.Errorf("%s: got %v (%v), want %v", c.name, err, fault.Of(err).Kind, c.kind)
				}
			}
			if left := g.ports.open(); len(left) != 0 {
				t.Errorf("claims left behind: %v", left)
			}
		})
	}
}

func TestErrorsOfTheSystemInWords(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind fault.Kind
		hint string
	}{
		{os.ErrPermission, fault.ResourceUnavailable, "dialout"},
		{os.ErrNotExist, fault.PortNotFound, "cable"},
		{errBusy, fault.PortInUse, "fuser"},
		{errUnsupported, fault.Unsupported, "settings"},
		{errors.New("other"), fault.ResourceUnavailable, "switched on"},
	} {
		f := fault.Of(refused("/dev/ttyUSB0", c.err).fault)
		if f.Kind != c.kind || !strings.Contains(f.Advice(), c.hint) {
			t.Errorf("%v: got %v, %q", c.err, f.Kind, f.Advice())
		}
	}
}

// The port may come a little later than the connector.
func TestOpenTriesAgain(t *testing.T) {
	r := plugged(t)
	r.unplug()
	g := New(Config{})
	done := make(chan struct{})
	time.AfterFunc(50*time.Millisecond, func() { r.plug(); close(done) })
	s := opened(t, g, "weather", r.args(func(o *abi.SerialOpen) { o.OpenTimeoutMS = 5000 }))
	<-done
	r.send("1\n")
	expect(t, s, `"1\n"`)
}

func TestOpenEndsWithItsContext(t *testing.T) {
	g := New(Config{})
	absent := encoded(abi.SerialOpen{Port: filepath.Join(t.TempDir(), "absent")})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := g.Open(ctx, scope("x"), absent); !fault.Is(err, fault.PortNotFound) {
		t.Errorf("got %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := g.Open(ctx, scope("x"), absent); !fault.Is(err, fault.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A wait ends a little before the call does: the guest has to live to read why.
func TestWaitsEndBeforeTheCall(t *testing.T) {
	g := New(Config{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := g.Open(ctx, scope("x"), encoded(abi.SerialOpen{Port: filepath.Join(t.TempDir(), "absent")}))
	if !fault.Is(err, fault.PortNotFound) || ctx.Err() != nil {
		t.Errorf("got %v; the call: %v", err, ctx.Err())
	}
	r := plugged(t)
	s := opened(t, g, "lamp", r.args())
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := write(ctx, s, strings.Repeat("x", 1<<20)); !fault.Is(err, fault.Timeout) || ctx.Err() != nil {
		t.Errorf("got %v; the call: %v", err, ctx.Err())
	}
}

func TestClosedSession(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "weather", r.args())
	closeSession(t, s)
	closeSession(t, s)
	if _, err := write(t.Context(), s, "x"); !fault.Is(err, fault.SessionClosed) {
		t.Errorf("got %v", err)
	}
	if c := s.Condition(); c.Up {
		t.Errorf("condition %+v", c)
	}
}

func TestCallRefusesWhatItDoesNotKnow(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "weather", r.args())
	if _, err := s.Call(t.Context(), "reverse", nil, nil); !fault.Is(err, fault.Unsupported) {
		t.Errorf("got %v", err)
	}
	for _, function := range []string{functionWrite, functionDrain, functionFlush} {
		if _, err := s.Call(t.Context(), function, []byte{0xff}, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", function, err)
		}
	}
	if _, err := write(t.Context(), s, strings.Repeat("x", abi.MaxRecord+1)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestGoroutinesEnd(t *testing.T) {
	r := plugged(t)
	before := runtime.NumGoroutine()
	s := opened(t, New(Config{}), "weather", r.args())
	closeSession(t, s)
	eventually(t, "goroutines", func() bool { return runtime.NumGoroutine() <= before })
}

// needsRoot leaves out what the portable driver cannot show to a normal user on
// a pseudo-terminal: its lock on the line stays while the test's own end of it
// is open, and root alone passes it.
func needsRoot(t *testing.T, driver string) {
	t.Helper()
	if driver == "portable" && os.Geteuid() != 0 {
		t.Skip("the portable driver's lock on a pseudo-terminal outlives it for all but root")
	}
}
