package guesttest_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/clock"
	"github.com/snaprail/snaprail/guest-sdk/go/file"
	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/go/serial"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// These tests hold the stubs of the host groups against the groups as the
// harness plays them: what goes in on one side comes out on the other.

// inside runs do where a guest's code runs.
func inside(t *testing.T, do func(*testing.T)) *guesttest.Harness {
	t.Helper()
	return guesttest.New(t, poller(func([]byte, *snaprail.Step) error {
		do(t)
		return nil
	}))
}

func kindOf(err error) abi.FaultKind {
	if fault, ok := errors.AsType[*abi.Error](err); ok {
		return fault.Kind
	}
	return 99
}

func TestLog(t *testing.T) {
	h := inside(t, func(*testing.T) {
		log.Debug("a")
		log.Info("b")
		log.Warning("c")
		log.Error("d")
		log.Critical("e")
		log.Write(abi.LogInfo, "part", "f")
	})
	h.MustPoll(nil) // denied, and no harm done
	lines := h.Log()
	h.MustPoll(nil)
	want := []abi.LogLine{
		{Level: abi.LogDebug, Text: "a"},
		{Level: abi.LogInfo, Text: "b"},
		{Level: abi.LogWarning, Text: "c"},
		{Level: abi.LogError, Text: "d"},
		{Level: abi.LogCritical, Text: "e"},
		{Level: abi.LogInfo, Target: "part", Text: "f"},
	}
	if !slices.Equal(*lines, want) {
		t.Errorf("the log holds %+v, want %+v", *lines, want)
	}
}

func TestClock(t *testing.T) {
	start := time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	h := inside(t, func(t *testing.T) {
		wall, before, err := clock.Now()
		if err != nil || !wall.Equal(start) {
			t.Errorf("it is %v, %v, want %v", wall, err, start)
		}
		for _, d := range []time.Duration{1500 * time.Millisecond, 0, -time.Hour} {
			if err := clock.Sleep(d); err != nil {
				t.Error(err)
			}
		}
		_, after, err := clock.Now()
		if err != nil || after-before != 1500*time.Millisecond {
			t.Errorf("%v passed, %v", after-before, err)
		}
	})
	now := h.Clock(start)
	h.MustPoll(nil)
	if now.Sub(start) != 1500*time.Millisecond {
		t.Errorf("the host's clock moved by %v", now.Sub(start))
	}
}

func TestKV(t *testing.T) {
	h := inside(t, func(t *testing.T) {
		value, found, err := kv.Get("a", nil)
		if err != nil || !found || string(value) != "old" {
			t.Errorf("a is %q, %v, %v", value, found, err)
		}
		if value, found, err = kv.Get("none", []byte("x")); err != nil || found || string(value) != "x" {
			t.Errorf("none is %q, %v, %v", value, found, err)
		}
		if err := errors.Join(kv.Put("a", []byte("new")), kv.Put("empty", nil), kv.Delete("b")); err != nil {
			t.Error(err)
		}
		if value, found, err = kv.Get("empty", nil); err != nil || !found || len(value) != 0 {
			t.Errorf("empty is %q, %v, %v", value, found, err)
		}
	})
	kept := h.KV()
	kept["a"], kept["b"] = []byte("old"), []byte("gone soon")
	h.MustPoll(nil)
	if _, found := kept["b"]; found || string(kept["a"]) != "new" || len(kept) != 2 {
		t.Errorf("kept %q", kept)
	}
}

func TestFiles(t *testing.T) {
	long := strings.Repeat("0123456789", 20_000)
	h := inside(t, func(t *testing.T) {
		if _, err := file.Open("/none"); kindOf(err) != abi.FaultNotFound {
			t.Errorf("no file: %v", err)
		}
		f, err := file.Open("/a")
		if err != nil {
			t.Fatal(err)
		}
		if size, err := f.Size(); err != nil || size != int64(len(long)) {
			t.Errorf("size is %d, %v", size, err)
		}
		for _, c := range []struct {
			offset, n int
			err       error
		}{{0, 3, nil}, {7, 150_000, nil}, {len(long) - 2, 2, nil}} {
			p := make([]byte, c.n)
			n, err := f.ReadAt(p, int64(c.offset))
			if n != c.n || err != nil || string(p) != long[c.offset:c.offset+c.n] {
				t.Errorf("%d at %d: %d bytes, %v", c.n, c.offset, n, err)
			}
		}
		p := make([]byte, 5)
		if n, err := f.ReadAt(p, int64(len(long)-2)); n != 2 || !errors.Is(err, io.EOF) {
			t.Errorf("over the end: %d bytes, %v", n, err)
		}
		if n, err := f.ReadAt(p, int64(len(long)+9)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("behind the end: %d bytes, %v", n, err)
		}
		if _, err := f.ReadAt(p, -1); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("a negative offset: %v", err)
		}
		if all, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40)); err != nil || string(all) != long {
			t.Errorf("read %d bytes, %v", len(all), err)
		}
	})
	h.Files(map[string]string{"/a": long})
	h.MustPoll(nil)
}

func TestSerial(t *testing.T) {
	h := inside(t, func(t *testing.T) {
		if _, err := serial.Open(serial.Defaults("/none")); kindOf(err) != abi.FaultTimeout {
			t.Errorf("no port: %v", err)
		}
		if _, err := serial.Open(serial.Defaults("/busy")); kindOf(err) != abi.FaultConflict {
			t.Errorf("a busy port: %v", err)
		}
		a, errA := serial.Open(serial.Defaults("/a"))
		b, errB := serial.Open(serial.Defaults("/b"))
		again, errAgain := serial.Open(serial.Defaults("/a"))
		if err := errors.Join(errA, errB, errAgain); err != nil {
			t.Fatal(err)
		}
		if a.Handle() != again.Handle() || a.Handle() == b.Handle() || a.Handle() == 0 {
			t.Errorf("handles are %d, %d and %d", a.Handle(), b.Handle(), again.Handle())
		}
		if n, err := a.Write([]byte("hello")); n != 5 || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		if err := errors.Join(a.Drain(), a.Flush()); err != nil {
			t.Error(err)
		}
		if _, err := (serial.Port{}).Write(nil); kindOf(err) != abi.FaultNotFound {
			t.Errorf("a port that was never opened: %v", err)
		}
	})
	ports := h.Serial("/a", "/b", "/busy")
	ports.Refuse("/busy", &abi.Error{Kind: abi.FaultConflict, Text: "in use"})
	h.MustPoll(nil)
	if ports.Written("/a") != "hello" || ports.Written("/b") != "" || len(ports.Opened()) != 2 {
		t.Errorf("written %q and %q, opened %+v", ports.Written("/a"), ports.Written("/b"), ports.Opened())
	}
	first, second := ports.Frame("/b", "x\n"), ports.Event(abi.EventDown, "/a")
	if first.Handle != 2 || !bytes.Equal(first.Data, []byte("x\n")) || second.Handle != 1 || second.Time <= first.Time {
		t.Errorf("events are %+v and %+v", first, second)
	}
}

func TestShortSerialWrite(t *testing.T) {
	h := inside(t, func(t *testing.T) {
		n, err := serial.Port{}.Write([]byte("hello"))
		if n != 2 || !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("wrote %d, %v", n, err)
		}
	})
	h.Host("serial", "write", func([]byte) ([]byte, error) { return abi.SerialWritten{Count: 2}.Append(nil), nil })
	h.MustPoll(nil)
}
