//go:build linux && !ppc64le

package serial

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

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
