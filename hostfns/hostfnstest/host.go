package hostfnstest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// callTimeout is the deadline of a guest's call.
const callTimeout = 2 * time.Second

// host serves a guest in the way that the actor does: a session is opened once
// its target is granted, and found by its handle.
type host struct {
	group capability.Group
	scope capability.Scope
	ends  []capability.Session // the handle is the place, from 1

	candidate bool // the guest is only one
}

func (h *host) HostCall(ctx context.Context, _, function string, in, out []byte) ([]byte, error) {
	f, ok := capability.Find(h.group, function)
	switch {
	case !ok:
		return nil, fault.New(fault.Unsupported, "no function %s", function)
	case function == capability.OpenFunction:
		return h.open(ctx, f, in, out)
	case h.candidate && f.Withheld(h.group.Name()) != nil:
		return nil, f.Withheld(h.group.Name())
	case !capability.Opens(h.group) && len(h.ends) == 0:
		end, err := h.group.Open(ctx, h.scope, nil)
		if err != nil {
			return nil, err
		}
		h.ends = append(h.ends, end)
	}
	if d, ok := h.group.(capability.Direct); ok && d.Direct(function) {
		return d.CallDirect(ctx, h.scope, function, in, out)
	}
	end, err := h.find(in)
	if err != nil {
		return nil, err
	}
	return end.Call(ctx, function, in, out)
}

func (h *host) open(ctx context.Context, f capability.Function, in, out []byte) ([]byte, error) {
	target, err := h.group.Target(in)
	if err != nil {
		return nil, err
	}
	if err := capability.CheckIn(h.group, h.scope.Grants, target.Resource, f.Right); err != nil {
		return nil, err
	}
	end, err := h.group.Open(ctx, h.scope, in)
	if err != nil {
		return nil, err
	}
	h.ends = append(h.ends, end)
	return abi.Handle{Handle: uint32(len(h.ends))}.Append(out[:0]), nil
}

func (h *host) find(in []byte) (capability.Session, error) {
	handle := abi.Handle{Handle: 1}
	if capability.Opens(h.group) {
		if err := handle.Decode(in); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "no handle")
		}
	}
	if handle.Handle == 0 || int(handle.Handle) > len(h.ends) {
		return nil, fault.New(fault.NotFound, "no handle %d", handle.Handle)
	}
	return h.ends[handle.Handle-1], nil
}

func (h *host) Output(int, []byte) {}

func (h *host) Denied(string, string) {}

// close closes all sessions, twice, each in time.
func (h *host) close(t *testing.T) {
	t.Helper()
	for _, end := range h.ends {
		closeSession(t, end)
	}
	h.ends = nil
}

func closeSession(t *testing.T, end capability.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
	defer cancel()
	for range 2 {
		if err := end.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// instance is a guest of the group in an engine, until the test ends.
func instance(t *testing.T, h *host) *engine.Instance {
	t.Helper()
	e, err := engine.New(t.Context(), engine.Config{Groups: []capability.Group{h.group}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	m, err := e.Compile(t.Context(), guest(h.group))
	if err != nil {
		t.Fatal(err)
	}
	i, err := e.Instantiate(t.Context(), m, engine.InstanceConfig{
		Link: engine.Link{h.group.Name(): engine.Linked}, Host: h, CallTimeout: callTimeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// State is the key-value state of a connector that never commits.
type State struct {
	mu     sync.Mutex
	values map[string][]byte
}

// Get implements capability.State.
func (s *State) Get(_ context.Context, key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[key]
	return slices.Clone(v), ok, nil
}

// Put implements capability.State.
func (s *State) Put(_ context.Context, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string][]byte{}
	}
	s.values[key] = slices.Clone(value)
	return nil
}

// Delete implements capability.State.
func (s *State) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	return nil
}

// Line is a log line.
type Line struct {
	Level        abi.LogLevel
	Target, Text string
}

// Lines keeps the lines of a guest.
type Lines struct {
	mu  sync.Mutex
	all []Line
}

// Line implements capability.Lines.
func (l *Lines) Line(level abi.LogLevel, target, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, Line{level, target, text})
}

// All is what was logged.
func (l *Lines) All() []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}
