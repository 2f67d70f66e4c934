package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// goGuest is testdata/guests/echo, built once for all tests.
var goGuest = sync.OnceValues(func() ([]byte, error) {
	out := filepath.Join(scratch, "echo.wasm")
	build := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./testdata/guests/echo")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return os.ReadFile(out)
})

func goModule(t testing.TB) []byte {
	t.Helper()
	wasm, err := goGuest()
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// named is a group with these functions.
type named struct {
	group

	functions []string
}

func (n named) Functions() []capability.Function {
	var all []capability.Function
	for _, f := range n.functions {
		all = append(all, capability.Function{Name: f})
	}
	return all
}

func goGroups() []capability.Group {
	return []capability.Group{
		named{"serial", []string{"open", "write", "drain", "flush"}},
		named{"log", []string{"write"}},
		named{"clock", []string{"now", "sleep"}},
		named{"kv", []string{"get", "put"}},
	}
}

func goLink() engine.Link {
	return engine.Link{"serial": engine.Denied, "log": engine.Linked, "clock": engine.Linked, "kv": engine.Denied}
}

func newGoEngine(t testing.TB, cacheDir string) *engine.Engine {
	t.Helper()
	e, err := engine.New(t.Context(), engine.Config{CacheDir: cacheDir, Groups: goGroups()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// open opens the echo guest with this config.
func open(t testing.TB, i *engine.Instance, config string) {
	t.Helper()
	in := (&abi.OpenInput{Config: []byte(config)}).Append(nil)
	if _, err := i.Call(t.Context(), abi.EntryOpen, in); err != nil {
		t.Fatal(err)
	}
}

// frames is an encoded batch of one serial frame.
func frames(texts ...string) []byte {
	var batch abi.Events
	for _, text := range texts {
		batch.Events = append(batch.Events, abi.Event{Type: abi.EventData, Data: []byte(text)})
	}
	return batch.Append(nil)
}

func TestGoGuest(t *testing.T) {
	e := newGoEngine(t, filepath.Join(scratch, "cache"))
	m := compile(t, e, goModule(t))
	for _, c := range []struct {
		name, action string
		limit        uint64
		timeout      time.Duration // 0: long enough
		kind         fault.Kind
		words        []string
	}{
		{name: "log", action: "log hello"},
		{name: "stderr", action: "stderr hello"},
		{name: "wasi_sleep", action: "wasi_sleep 20ms"},
		{name: "error", action: "error", kind: fault.Guest, words: []string{"told to fail"}},
		{name: "panic", action: "panic", kind: fault.GuestTrap, words: []string{"on_events trapped: unreachable\nstderr:\npanic: echo was told to panic", "goroutine "}},
		{name: "exit", action: "exit", kind: fault.GuestTrap, words: []string{"exited with code 3"}},
		{name: "spin", action: "spin", timeout: 300 * time.Millisecond, kind: fault.GuestDeadline, words: []string{"on_events did not return within"}},
		{name: "long sleep", action: "wasi_sleep 1h", timeout: 300 * time.Millisecond, kind: fault.GuestDeadline},
		{name: "alloc", action: "alloc", limit: 24 << 20, kind: fault.GuestMemory, words: []string{"24576 KiB", "fatal error: out of memory"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &host{}
			i := instantiate(t, e, m, engine.InstanceConfig{
				Link: goLink(), Host: h, MemoryBytes: c.limit, CallTimeout: time.Minute,
			})
			open(t, i, `{"on":{"now":"`+c.action+`"}}`)
			ctx := t.Context()
			if c.timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.timeout)
				defer cancel()
			}
			out, err := i.Call(ctx, abi.EntryOnEvents, frames("now"))
			if c.kind != fault.Internal {
				wantFault(t, err, c.kind, c.words...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got abi.OutcomeView
			if err := got.Decode(out); err != nil || len(got.Batch) == 0 {
				t.Errorf("the outcome is %v, %v", got, err)
			}
			if c.name == "stderr" && strings.Join(h.output(), "|") != "2 hello" {
				t.Errorf("output: %q", h.output())
			}
			if c.name == "log" && !strings.Contains(strings.Join(h.calls, " "), "log.write") {
				t.Errorf("host calls: %q", h.calls)
			}
		})
	}
}

// TestInputSurvivesACollection lets the guest collect its garbage, and fill
// memory, while it holds an input and between calls: a buffer that is not
// rooted would be given to somebody else.
func TestInputSurvivesACollection(t *testing.T) {
	e := newGoEngine(t, filepath.Join(scratch, "cache"))
	i := instantiate(t, e, compile(t, e, goModule(t)), engine.InstanceConfig{
		Link: goLink(), Host: &host{}, CallTimeout: time.Minute,
	})
	open(t, i, `{"always":"gc"}`)
	for n := range 20 {
		frame := bytes.Repeat([]byte{byte('a' + n%26)}, 1+n*n%5000)
		out, err := i.Call(t.Context(), abi.EntryOnEvents, frames(string(frame)))
		if err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
		var got abi.OutcomeView
		var batch abi.Batch
		if err := got.Decode(out); err != nil {
			t.Fatal(err)
		}
		if err := batch.Decode(got.Batch); err != nil {
			t.Fatal(err)
		}
		if len(batch.Records) != 1 || !bytes.Equal(batch.Records[0].Payload, frame) {
			t.Fatalf("call %d: the frame changed", n)
		}
	}
}
