package supervisor_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// far are the far ends of a source and of a sink, which outlive the node: what they know
// is in files that a kill leaves as they are. The peer of the source sends numbers, as
// fast as they are taken, and after a restart again what he has not heard of; what
// arrives at the sink is written down behind all that did before.
type far struct {
	t     *testing.T
	dir   string
	begun uint64        // the first number of this run
	acked atomic.Uint64 // the first one that the peer has not heard of
	most  atomic.Uint64 // no number is beyond it; 0: all are sent

	arrived *os.File
	reached atomic.Uint64 // the highest number that has arrived, and one

	mu      sync.Mutex
	tickets map[uint64]*consignment
	last    uint64
	under   chan *consignment
}

// consignment are the numbers of a call that the sink has put under way.
type consignment struct {
	numbers []byte
	done    chan struct{}
}

func (c *consignment) Done() <-chan struct{} { return c.done }
func (*consignment) Well() bool              { return true }
func (*consignment) Drop(bool)               {}

func newFar(t *testing.T, dir string) *far {
	t.Helper()
	f := &far{t: t, dir: dir, begun: readNumber(t, dir, "acked"), tickets: map[uint64]*consignment{}, under: make(chan *consignment, 16)}
	f.acked.Store(f.begun)
	var err error
	if f.arrived, err = os.OpenFile(filepath.Join(dir, "arrived"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for c := range f.under {
			f.arrive(c.numbers)
			close(c.done)
		}
	}()
	t.Cleanup(func() {
		close(f.under)
		<-over
		_ = f.arrived.Close()
	})
	return f
}

// note writes a number into the place of the one before, with one call: a kill leaves
// the one or the other.
func (f *far) note(name string, n uint64) {
	file, err := os.OpenFile(filepath.Join(f.dir, name), os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.WriteAt(binary.BigEndian.AppendUint64(nil, n), 0)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		f.t.Error(err)
	}
}

// arrive takes its time, and writes down what arrives.
func (f *far) arrive(numbers []byte) {
	<-time.After(3 * time.Millisecond)
	if _, err := f.arrived.Write(numbers); err != nil {
		f.t.Error(err)
	}
	if n := len(numbers); n > 0 {
		f.reached.Store(max(f.reached.Load(), binary.BigEndian.Uint64(numbers[n-8:])+1))
	}
}

// connect makes the source and the sink.
func (f *far) connect(r *rig) {
	f.t.Helper()
	add := func(m abi.Manifest, entry string, feed spec.Feed) {
		name := m.ProviderType
		m.Category, m.DisplayName, m.Version, m.ABI = "telemetry", name, "1.0.0", abi.Version{Major: 1, Minor: 3}
		m.Capabilities = []abi.Capability{{Group: "far" + name, Reason: "the far end"}, {Group: "farscript", Reason: "what to do"}}
		of, _, err := r.tenant.AddModule(f.t.Context(), bytes.NewReader(farGuest("far"+name, entry)), config(f.t, m), "")
		if err != nil {
			f.t.Fatal(err)
		}
		id := r.connect(control.ConnectorInput{
			Name: name, Module: of.Digest, Feed: feed, Grants: []spec.Grant{{Group: "far" + name, Resources: []string{"x"}}},
		}).ID
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(id), 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
	add(abi.Manifest{ProviderType: "sink", Kind: abi.KindSink, EntryPoints: []string{abi.EntryDeliver}}, abi.EntryDeliver, spec.Feed{Start: spec.FeedOldest})
	add(abi.Manifest{ProviderType: "source", Kind: abi.KindConnector, Mode: abi.ModeEvent}, abi.EntryOnEvents, spec.Feed{})
}

// farGuest is a guest that opens its far end, and hands the calls of an entry point on to
// farscript.
func farGuest(group, entry string) []byte {
	const replyAt = 0x8000
	host := func(module, name string) w.Import {
		return w.Import{Module: "snaprail:" + module, Name: name, Params: "iiii", Results: "I"}
	}
	function := func(name string, body []byte) w.Function {
		return w.Function{Export: name, Params: "ii", Results: "I", Locals: "I", Body: body}
	}
	m := w.Module{
		Imports: []w.Import{host("farscript", entry), host(group, "open")},
		Pages:   8,
		Functions: []w.Function{
			{Export: "snaprail_alloc", Params: "i", Results: "i", Body: w.I32(0x10000)},
			function(abi.EntryOpen, w.Join(w.I32(0), w.I32(0), w.I32(replyAt), w.I32(64), w.Call(1), w.Drop(), w.I64(0))),
			function(entry, w.Join(w.Get(0), w.Get(1), w.I32(replyAt), w.I32(0x8000), w.Call(0), w.Set(2),
				w.Packed(w.I32(replyAt), w.Join(w.Get(2), w.Op(0xa7))))),
		},
	}
	return m.Bytes()
}

// farScript is what the guests do.
type farScript struct{ *far }

func (farScript) Name() string { return "farscript" }
func (farScript) Contained()   {}
func (farScript) Functions() []capability.Function {
	return []capability.Function{{Name: abi.EntryOnEvents, Sentence: "x"}, {Name: abi.EntryDeliver, Sentence: "x"}}
}
func (farScript) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

func (s farScript) Open(context.Context, capability.Scope, []byte) (capability.Session, error) {
	return s, nil
}
func (farScript) Close(context.Context) error { return nil }

func (s farScript) Call(_ context.Context, function string, in, out []byte) ([]byte, error) {
	if function == abi.EntryDeliver {
		return s.deliver(in, out)
	}
	var q abi.Events
	if err := q.Decode(in); err != nil {
		return nil, err
	}
	var o abi.Outcome
	for i := range q.Events {
		if e := &q.Events[i]; e.Type == abi.EventData {
			o.Batch.Records = append(o.Batch.Records, abi.Record{Device: "d", Kind: abi.KindTelemetry, Time: e.Time, ContentType: "text/plain", Payload: e.Data})
		}
	}
	return o.Append(out[:0]), nil
}

// deliver puts what it is handed under way, unless it is to wait.
func (f *far) deliver(in, out []byte) ([]byte, error) {
	var q abi.DeliverInput
	if err := q.Decode(in); err != nil {
		return nil, err
	}
	c := &consignment{done: make(chan struct{})}
	for p := range q.Parts {
		for i := range q.Parts[p].Batch.Records {
			c.numbers = append(c.numbers, q.Parts[p].Batch.Records[i].Payload...)
		}
	}
	if q.Wait {
		return nil, errors.New("nothing fails here, so that nobody has to wait")
	}
	f.mu.Lock()
	f.last++
	number := f.last
	f.tickets[number] = c
	f.mu.Unlock()
	f.under <- c
	o := abi.Outcome{Tickets: []abi.Ticket{{Handle: 1, Number: number}}}
	return o.Append(out[:0]), nil
}

// farEnd is what the groups of both far ends have in common.
type farEnd struct{}

func (farEnd) Functions() []capability.Function {
	return []capability.Function{{Name: capability.OpenFunction, Sentence: "x"}}
}
func (farEnd) Matches(string, string) bool              { return true }
func (farEnd) CheckPattern(string) error                { return nil }
func (farEnd) Target([]byte) (capability.Target, error) { return capability.Target{Resource: "x"}, nil }
func (farEnd) Close(context.Context) error              { return nil }
func (farEnd) Call(context.Context, string, []byte, []byte) ([]byte, error) {
	return nil, nil
}

// farSink is where the sink puts its records.
type farSink struct {
	farEnd
	*far
}

func (farSink) Name() string { return "farsink" }
func (s farSink) Open(context.Context, capability.Scope, []byte) (capability.Session, error) {
	return s, nil
}

func (s farSink) Pending(number uint64) (capability.Pending, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.tickets[number]
	delete(s.tickets, number)
	return c, known
}

// farSource is where the source's numbers come from.
type farSource struct {
	farEnd
	*far
}

func (farSource) Name() string { return "farsource" }
func (s farSource) Open(context.Context, capability.Scope, []byte) (capability.Session, error) {
	ready := make(chan struct{}, 1)
	ready <- struct{}{}
	return &numbers{far: s.far, ready: ready, next: s.acked.Load()}, nil
}

// numbers is the peer of the source, on one connection.
type numbers struct {
	farEnd
	*far
	ready chan struct{}
	next  uint64
}

func (n *numbers) signal() {
	select {
	case n.ready <- struct{}{}:
	default:
	}
}

func (n *numbers) Ready() <-chan struct{} { return n.ready }

func (n *numbers) Take(dst []capability.Event, items, _ int) []capability.Event {
	for most := n.most.Load(); items > 0 && (most == 0 || n.next < most); items-- {
		dst = append(dst, capability.Event{Type: abi.EventData, Time: time.Now().UnixNano(), Data: binary.BigEndian.AppendUint64(nil, n.next)})
		n.next++
	}
	n.signal()
	return dst
}

// Ack is where the peer hears of what is safe.
func (n *numbers) Ack(count int) {
	n.note("acked", n.acked.Add(uint64(count)))
	n.signal()
}

func (n *numbers) Rewind() {
	n.next = n.acked.Load()
	n.signal()
}

func (*numbers) Replayable() bool { return true }
