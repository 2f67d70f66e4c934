//go:build linux && !ppc64le

package serial

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// asker is a session that can transact.
type asker interface {
	Call(ctx context.Context, function string, in, out []byte) ([]byte, error)
}

// ask makes one transact and answers the frames.
func ask(ctx context.Context, s asker, q abi.SerialTransact) (frames []string, err error) {
	q.Handle = 1
	out, err := s.Call(ctx, functionTransact, q.Append(nil), nil)
	if err != nil {
		return nil, err
	}
	var reply abi.SerialReply
	err = reply.Decode(out)
	for _, f := range reply.Frames {
		frames = append(frames, string(f.Data))
	}
	return frames, err
}

// serve plays a device: it answers each line that it gets, until the test ends.
func (r *rig) serve(answer func(line string) string) {
	r.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var line []byte
		buf := make([]byte, 4096)
		for {
			n, err := r.master.Read(buf)
			if err != nil {
				return
			}
			for _, c := range buf[:n] {
				if line = append(line, c); c == '\n' {
					_, _ = r.master.WriteString(answer(string(line)))
					line = line[:0]
				}
			}
		}
	}()
	r.t.Cleanup(func() {
		_ = r.master.SetReadDeadline(time.Now())
		<-done
	})
}

func quick(o *abi.SerialOpen) {
	o.TurnaroundMS, o.ReadTimeoutMS = new(uint64(1)), 500
}

func shared(o *abi.SerialOpen) { quick(o); o.Shared = true }

// The frames of a device come as events, and the answer to a transact does not.
func TestTransactTakesItsAnswerOutOfTheStream(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "scale", r.args(quick))
	r.send("1\n")
	expect(t, s, `"1\n"`)
	r.serve(func(line string) string { return "re " + line + "and\n" })
	got, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte("weigh\n"), Frames: 2})
	if err != nil || fmt.Sprintf("%q", got) != `["re weigh\n" "and\n"]` {
		t.Fatalf("%q, %v", got, err)
	}
	r.send("2\n")
	expect(t, s, `"2\n"`)
}

func TestTransactTellsWhyThereIsNoAnswer(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "scale", r.args(quick))
	_, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte("?\n"), Frames: 1, TimeoutMS: 30})
	if !fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), "no answer on ") {
		t.Errorf("silence: %v", err)
	}
	if got, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte("all\n")}); err != nil || len(got) != 0 {
		t.Errorf("to everybody: %q, %v", got, err)
	}
	if got := r.receive(6); got != "?\nall\n" {
		t.Errorf("the device got %q", got)
	}
	r.serve(func(string) string { return "half" })
	_, err = ask(t.Context(), s, abi.SerialTransact{Data: []byte("?\n"), Frames: 1, TimeoutMS: 50})
	if !fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), "4 bytes came, 0 frames of 1") {
		t.Errorf("half an answer: %v", err)
	}
	for _, bad := range []abi.SerialTransact{{Frames: 65}, {Frames: 1, TimeoutMS: 1 << 40}, {Frames: 1, Expect: []abi.SerialExpect{{Length: 0}}}} {
		if _, err := ask(t.Context(), s, bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// What a byte says of the length ends a frame at once; silence ends the others.
func TestTransactEndsAFrameByItsLengthOrBySilence(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "meter", r.args(quick, func(o *abi.SerialOpen) {
		o.Framing, o.InterByteTimeoutMS = abi.SerialGap, new(uint64(60))
	}))
	r.serve(func(line string) string { return strings.TrimSuffix(line, "\n") })
	expect := []abi.SerialExpect{{At: 1, Mask: 0x80, Value: 0x80, Length: 5}, {Length: 7}}
	for _, c := range []struct {
		answer string
		within time.Duration
	}{{"\x01\x83abc", 50 * time.Millisecond}, {"\x01\x03abcde", 50 * time.Millisecond}, {"\x01\x03abc", time.Second}} {
		began := time.Now()
		got, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte(c.answer + "\n"), Frames: 1, Expect: expect})
		if err != nil || len(got) != 1 || got[0] != c.answer {
			t.Errorf("%q: %q, %v", c.answer, got, err)
		}
		if took := time.Since(began); took > c.within && c.within < time.Second {
			t.Logf("%q took %v: silence was waited for, or the machine is slow", c.answer, took)
		}
	}
}

// The link is lost, or the session closed, while an answer is awaited.
func TestTransactEndsWithItsLink(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "meter", r.args(quick))
	ended := func(what string, kind fault.Kind, end func()) {
		t.Helper()
		failed := make(chan error, 1)
		go func() {
			_, err := ask(context.Background(), s, abi.SerialTransact{Data: []byte("x\n"), Frames: 1, TimeoutMS: 60_000})
			failed <- err
		}()
		r.receive(2)
		began := time.Now()
		end()
		if err := <-failed; !fault.Is(err, kind) || time.Since(began) > 2*time.Second {
			t.Errorf("%s: %v after %v", what, err, time.Since(began))
		}
	}
	ended("unplugged", fault.ResourceUnavailable, r.unplug)
	r.plug()
	eventually(t, "back", func() bool { c := s.Condition(); return c.Up && c.Opens > 1 }) // not: up still
	ended("closed", fault.SessionClosed, func() { closeSession(t, s) })
}

// An answer that comes too late is not that to the next question.
func TestALateAnswerIsThrownAway(t *testing.T) {
	r := plugged(t)
	s, err := New(Config{}).Open(t.Context(), capability.Scope{Owner: "con"}, r.args(shared))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSession(t, s) })
	if _, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte("first\n"), Frames: 1, TimeoutMS: 10}); !fault.Is(err, fault.Timeout) {
		t.Fatal(err)
	}
	r.receive(6)
	r.send("late\n")
	eventually(t, "it is counted", func() bool { return s.(*member).Condition().Dropped > 0 })
	r.serve(func(line string) string { return "re " + line })
	if got, err := ask(t.Context(), s, abi.SerialTransact{Data: []byte("second\n"), Frames: 1}); err != nil || len(got) != 1 || got[0] != "re second\n" {
		t.Errorf("%q, %v", got, err)
	}
}
