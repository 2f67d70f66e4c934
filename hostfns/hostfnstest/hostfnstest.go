package hostfnstest

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Case is a group with what the suite needs to know of it.
type Case struct {
	Group  capability.Group
	Grants []spec.Grant // that cover Open
	Open   Message      // the arguments of the group's open function, if it has one
	Equal  []Message    // other ways to say the same
	Others []Message    // arguments that mean something else, each its own
	Calls  []Call       // a script; sessions are opened by it, too
	Log    string       // what it is logged as
	// Waits is a call that waits for longer than the suite does, on a session
	// that was opened with Open; none if no function waits.
	Waits *Call
	// Emit makes n events come, for a group whose sessions are sources.
	Emit func(t *testing.T, n int)
	// Less are grants that cover Open and name no network of what it reaches; nil: the
	// group's sessions reach nothing over a network, or ask for each call.
	Less []spec.Grant
	// Short are grants that do not cover what Open asks for beyond its target; nil: it
	// asks for nothing.
	Short []spec.Grant
	// Pull is a session whose guest fetches what comes; nil: the group has none.
	Pull *Pull
	// Lines and State are handed to sessions; nil: the suite's own.
	Lines capability.Lines
	State capability.State
	// Devices are handed to sessions as they are; nil: there are none.
	Devices capability.Devices
	// Notifier and Files are, too.
	Notifier capability.Notifier
	Files    capability.Files
}

// Pull is a session that gives no events: the guest asks.
type Pull struct {
	Open Message            // the arguments
	Emit func(t *testing.T) // makes one thing come
	Take Call               // that fetches it
}

// patience is how long the suite waits for what has to happen.
const patience = 10 * time.Second

// Run holds a group to its contract.
func Run(t *testing.T, c Case) {
	t.Helper()
	t.Run("Names", func(t *testing.T) { names(t, c) })
	t.Run("Target", func(t *testing.T) { target(t, c) })
	t.Run("Grants", func(t *testing.T) { grants(t, c) })
	t.Run("CallLog", func(t *testing.T) { callLog(t, c) })
	t.Run("BadInput", func(t *testing.T) { badInput(t, c) })
	t.Run("BadPointers", func(t *testing.T) { badPointers(t, c) })
	t.Run("Close", func(t *testing.T) { closes(t, c) })
	if c.Waits != nil {
		t.Run("Waits", func(t *testing.T) { waits(t, c) })
	}
	if c.Emit != nil {
		t.Run("Source", func(t *testing.T) { source(t, c) })
	}
	t.Run("Regrant", func(t *testing.T) { regrant(t, c) })
	t.Run("Candidate", func(t *testing.T) { candidate(t, c) })
}

func (c Case) args() []byte {
	if c.Open == nil {
		return nil
	}
	return c.Open.Append(nil)
}

func (c Case) scope() capability.Scope {
	s := capability.Scope{
		Grants: c.Grants, Owner: "con_suite", State: c.State, Lines: c.Lines, Devices: c.Devices, Notifier: c.Notifier, Files: c.Files,
		Log: slog.New(slog.DiscardHandler),
	}
	if s.State == nil {
		s.State = &State{}
	}
	if s.Lines == nil {
		s.Lines = &Lines{}
	}
	return s
}

// open opens a session that is closed when the test ends.
func (c Case) open(t *testing.T) capability.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	end, err := c.Group.Open(ctx, c.scope(), c.args())
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { closeSession(t, end) })
	return end
}

func (c Case) host() *host { return &host{group: c.Group, scope: c.scope()} }

func names(t *testing.T, c Case) {
	good := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	if !good.MatchString(c.Group.Name()) || c.Group.Name() == abi.CoreGroup {
		t.Errorf("the name %q", c.Group.Name())
	}
	seen := map[string]bool{}
	for _, f := range c.Group.Functions() {
		if !good.MatchString(f.Name) || seen[f.Name] {
			t.Errorf("the function %q: misnamed, or there twice", f.Name)
		}
		seen[f.Name] = true
		if f.Sentence == "" || strings.HasSuffix(f.Sentence, ".") {
			t.Errorf("%s: the sentence %q does not end the one that begins with \"it can\"", f.Name, f.Sentence)
		}
		if f.Right != "" && f.Right != spec.Read && f.Right != spec.Write {
			t.Errorf("%s: the right %q", f.Name, f.Right)
		}
	}
	if len(seen) == 0 {
		t.Error("no functions")
	}
	if capability.Opens(c.Group) != (c.Open != nil) {
		t.Error("the case has arguments to open, or the group the function, but not both")
	}
}

func target(t *testing.T, c Case) {
	want, err := c.Group.Target(c.args())
	if err != nil {
		t.Fatal(err)
	}
	if c.Open == nil {
		if want != (capability.Target{}) {
			t.Errorf("a group without open has the target %+v", want)
		}
		return
	}
	if want.Resource == "" || want.Key == "" {
		t.Errorf("the target is %+v", want)
	}
	for _, same := range append(c.Equal, c.Open) {
		if got, err := c.Group.Target(same.Append(nil)); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", fields(same, nil), got, err, want)
		}
	}
	seen := map[string]bool{want.Key: true}
	for _, other := range c.Others {
		got, err := c.Group.Target(other.Append(nil))
		if err != nil || seen[got.Key] {
			t.Errorf("%s: key %q, %v; want one of its own", fields(other, nil), got.Key, err)
		}
		seen[got.Key] = true
	}
}

// grants looks at what the caller of Open checks, and that a guest without the
// grant does not get through.
func grants(t *testing.T, c Case) {
	if c.Open == nil {
		return
	}
	ungranted := c
	ungranted.Grants = []spec.Grant{{Group: c.Group.Name(), Resources: []string{"/somewhere/else"}, Rights: []spec.Right{spec.Read, spec.Write}}}
	h := ungranted.host()
	_, err := instance(t, h).Call(t.Context(), entryCall+capability.OpenFunction, c.args())
	if err == nil || code(err) != fault.Denied.String() {
		t.Errorf("without a grant: %v", err)
	}
	if len(h.ends) != 0 {
		t.Error("a session was opened without a grant")
	}
	h.close(t)
}

func callLog(t *testing.T, c Case) {
	h := c.host()
	i := instance(t, h)
	defer h.close(t)
	if got := play(t, c.Group.Name(), i, c.Calls); strings.TrimSpace(got) != strings.TrimSpace(c.Log) {
		t.Errorf("got\n%s\nwant\n%s", got, c.Log)
	}
}

// garbage is input that no message is, and some that may be one.
func garbage() [][]byte {
	list := [][]byte{
		nil,
		{0},
		{0xff},
		{0x0a},
		{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f},
		{0x08},
		{0x0a, 4, 0xff, 0xfe, 0xfd, 0xfc},
		[]byte(strings.Repeat("\xff", 100)), []byte(strings.Repeat("\x0a\x01a", 1000)),
		{0x0b, 0x0c},
		make([]byte, 64),
		binary.AppendUvarint([]byte{0x08}, 1<<63), binary.AppendUvarint([]byte{0x10}, 1<<63),
	}
	for seed := range byte(64) {
		b := make([]byte, int(seed)+1)
		for i := range b {
			b[i] = seed*31 + byte(i)*byte(seed|1)
		}
		list = append(list, b)
	}
	return list
}

// badInput sends garbage to everything: no panic, no hang, and no answer that
// blames the host.
func badInput(t *testing.T, c Case) {
	end := c.open(t)
	blame := func(what string, in []byte, err error) {
		if fault.Is(err, fault.Internal) || err != nil && fault.Of(err).Kind == fault.Internal {
			t.Errorf("%s(%x): %v", what, in, err)
		}
	}
	for _, in := range garbage() {
		_, err := c.Group.Target(in)
		blame("Target", in, err)
		for _, f := range c.Group.Functions() {
			if f.Name == capability.OpenFunction {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err := end.Call(ctx, f.Name, in, nil)
			cancel()
			blame(f.Name, in, err)
		}
	}
	if c.Open != nil {
		if _, err := c.Group.Target([]byte{0xff}); !fault.Is(err, fault.Invalid) {
			t.Errorf("Target of what cannot be read: %v", err)
		}
	}
	if _, err := end.Call(t.Context(), "no_such_function", nil, nil); !fault.Is(err, fault.Unsupported) {
		t.Errorf("an unknown function: %v", err)
	}
}

// badPointers calls every host function with ranges that lie at the edges of
// the guest's memory and outside (abuse case 12).
func badPointers(t *testing.T, c Case) {
	h := c.host()
	i := instance(t, h)
	defer h.close(t)
	edges := []uint32{0, 1, inputAt, outAt, memory - 1, memory, memory + 1, 1 << 31, 1<<32 - 1}
	inside := func(ptr, n uint32) bool { return uint64(ptr)+uint64(n) <= memory }
	for _, f := range c.Group.Functions() {
		for _, ptr := range edges {
			for _, n := range edges {
				if inside(ptr, n) && n > 1 {
					continue // long requests are for other tests
				}
				badPointer(t, i, f.Name, [4]uint32{ptr, n, outAt, 64}, !inside(ptr, n))
				badPointer(t, i, f.Name, [4]uint32{inputAt, 0, ptr, n}, !inside(ptr, n))
				badPointer(t, i, f.Name, [4]uint32{ptr, n, ptr, n}, !inside(ptr, n)) // one on the other
			}
		}
	}
}

func badPointer(t *testing.T, i *engine.Instance, function string, args [4]uint32, refused bool) {
	t.Helper()
	var in []byte
	for _, a := range args {
		in = binary.LittleEndian.AppendUint32(in, a)
	}
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	out, err := i.Call(ctx, entryRaw+function, in)
	if err != nil || len(out) != 8 {
		t.Fatalf("%s%v: the guest did not survive: %v", function, args, err)
	}
	if result := binary.LittleEndian.Uint64(out); refused && result&abi.HostErrorBit == 0 {
		t.Errorf("%s%v: answered %#x, want an error", function, args, result)
	}
}

// closes opens and closes: in time, twice, and nothing runs on.
func closes(t *testing.T, c Case) {
	before := runtime.NumGoroutine()
	for range 3 {
		end, err := c.Group.Open(t.Context(), c.scope(), c.args())
		if err != nil {
			t.Fatal(err)
		}
		closeSession(t, end)
		for _, f := range c.Group.Functions() {
			if f.Name != capability.OpenFunction && c.Open != nil {
				if _, err := end.Call(t.Context(), f.Name, abi.Handle{Handle: 1}.Append(nil), nil); err == nil {
					t.Errorf("%s on a closed session was served", f.Name)
				}
			}
		}
	}
	eventually(t, "its goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

// waits ends a wait by its context, and by a deadline.
func waits(t *testing.T, c Case) {
	end := c.open(t)
	in := c.Waits.Request.Append(nil)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := end.Call(ctx, c.Waits.Function, in, nil); !fault.Is(err, fault.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := end.Call(ctx, c.Waits.Function, in, nil); !fault.Is(err, fault.Timeout) {
		t.Errorf("at its deadline: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("a wait with a deadline of 50 ms took %v", took)
	}
}

// source holds to the laws of Take, Ack, Rewind and Ready.
func source(t *testing.T, c Case) {
	s, ok := c.open(t).(capability.Source)
	if !ok {
		t.Fatal("the sessions are no sources")
	}
	const n = 6
	c.Emit(t, n)
	var all []capability.Event
	for end := time.After(patience); len(all) < n; {
		select {
		case <-s.Ready():
			all = s.Take(all, n-len(all), 1<<20)
		case <-end:
			t.Fatalf("%d events came, want %d", len(all), n)
		}
	}
	want := texts(all)
	if again := s.Take(nil, n, 1<<20); len(again) != 0 {
		t.Errorf("taken twice: %v", texts(again))
	}
	s.Rewind()
	select {
	case <-s.Ready():
	default:
		t.Error("not ready after Rewind")
	}
	first := s.Take(nil, 2, 1<<20)
	rest := s.Take(first, n, 1<<20)
	if got := texts(rest); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after Rewind: %v, want %v", got, want)
	}
	if got := texts(all); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the data of events that were not acknowledged changed: %v", got)
	}
	s.Ack(2)
	s.Rewind()
	if got := texts(s.Take(nil, n, 1<<20)); fmt.Sprint(got) != fmt.Sprint(want[2:]) {
		t.Errorf("after Ack(2) and Rewind: %v, want %v", got, want[2:])
	}
	s.Ack(n - 2)
	s.Rewind()
	if got := s.Take(nil, n, 1<<20); len(got) != 0 {
		t.Errorf("after all were acknowledged: %v", texts(got))
	}
	oneOfMany(t, c, s)
}

// oneOfMany asks for fewer bytes than the first event has.
func oneOfMany(t *testing.T, c Case, s capability.Source) {
	t.Helper()
	c.Emit(t, 2)
	var got []capability.Event
	eventually(t, "an event comes", func() bool { got = s.Take(got, 1, 1); return len(got) == 1 })
	eventually(t, "Ready tells of the rest", func() bool {
		select {
		case <-s.Ready():
			return true
		default:
			return false
		}
	})
}

func texts(events []capability.Event) []string {
	list := make([]string, len(events))
	for i, e := range events {
		list[i] = fmt.Sprintf("%d:%s%s", e.Type, e.Name, e.Data)
	}
	return list
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !cond(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}
