package hostfnstest

import (
	"fmt"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// candidate is a guest that works on the sessions of another: it may call whatever
// it likes, and that one misses nothing of what comes.
func candidate(t *testing.T, c Case) {
	if c.Emit != nil {
		t.Run("Events", func(t *testing.T) { takesNoEvents(t, c) })
	}
	if c.Pull != nil {
		t.Run("Data", func(t *testing.T) { takesNoData(t, c) })
	}
	h := c.host()
	h.candidate = true
	defer h.close(t)
	callAll(t, c, instance(t, h), func(f capability.Function) bool { return f.Withheld(c.Group.Name()) != nil })
}

// notShaping are the functions that work on a session: what shapes it works on a
// draft, when a candidate calls it.
func notShaping(f capability.Function) bool { return !f.Shapes }

func takesNoEvents(t *testing.T, c Case) {
	const n = 3
	end := c.open(t)
	source, ok := end.(capability.Source)
	if !ok {
		t.Fatal("the sessions are no sources")
	}
	c.Emit(t, n)
	var all []capability.Event
	eventually(t, "the events come", func() bool {
		all = source.Take(all, n-len(all), 1<<20)
		return len(all) == n
	})
	want := texts(all)
	source.Rewind()
	h := c.host()
	h.candidate, h.ends = true, []capability.Session{end}
	callAll(t, c, instance(t, h), notShaping)
	got := source.Take(nil, n, 1<<20)
	if fmt.Sprint(texts(got)) != fmt.Sprint(want) {
		t.Errorf("a candidate has left %v, of %v", texts(got), want)
	}
	source.Ack(len(got))
}

func takesNoData(t *testing.T, c Case) {
	h := c.host()
	defer h.close(t)
	i := instance(t, h)
	if _, err := i.Call(t.Context(), entryCall+capability.OpenFunction, c.Pull.Open.Append(nil)); err != nil {
		t.Fatal(err)
	}
	c.Pull.Emit(t)
	h.candidate = true
	callAll(t, c, i, notShaping)
	h.candidate = false
	if out, err := i.Call(t.Context(), entryCall+c.Pull.Take.Function, c.Pull.Take.Request.Append(nil)); err != nil || len(out) == 0 {
		t.Errorf("a candidate has left %q, %v", out, err)
	}
}

// callAll calls functions, as a candidate, on the first session, with what the case
// has to say to it. Those that are withheld are refused, and others are not for that
// reason.
func callAll(t *testing.T, c Case, i *engine.Instance, which func(capability.Function) bool) {
	t.Helper()
	for _, f := range c.Group.Functions() {
		if f.Name == capability.OpenFunction || !which(f) {
			continue
		}
		requests := []Message{abi.Handle{Handle: 1}}
		for _, call := range c.Calls {
			if call.Function == f.Name && call.Request != nil {
				requests = append(requests, call.Request)
			}
		}
		if c.Pull != nil && c.Pull.Take.Function == f.Name {
			requests = append(requests, c.Pull.Take.Request)
		}
		for _, request := range requests {
			_, err := i.Call(t.Context(), entryCall+f.Name, request.Append(nil))
			refused := err != nil && code(err) == fault.NotActive.String()
			if want := f.Withheld(c.Group.Name()) != nil; refused != want {
				t.Errorf("%s(%s) of a candidate: %v", f.Name, fields(request, nil), err)
			}
		}
	}
}
