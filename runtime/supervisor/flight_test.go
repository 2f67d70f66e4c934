package supervisor_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// gate is a disk that takes nothing while it is shut.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // nil: it is open
	came chan struct{} // has one when somebody has come to it while it was shut
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.came = make(chan struct{}), make(chan struct{}, 1)
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
	}
	g.shut = nil
}

// flood shuts the gate with all frames behind it in the port's buffer, so that the
// batches are full ones whatever sizes the port hands them over in: a frame of their
// own ("ahead") holds the lane until they are there. The gate is opened at the end of
// the test, also when that fails.
func (g *gate) flood(r *rig, l *line, id string, frames []string) {
	r.t.Helper()
	g.close()
	r.t.Cleanup(g.open)
	l.send(r.t, "ahead\n")
	select {
	case <-g.came:
	case <-time.After(patience):
		r.t.Fatal("no block came to the disk")
	}
	l.send(r.t, strings.Join(frames, ""))
	r.until(id, "full", func(s lifecycle.Status) bool { return s.Sessions[0].Buffered == 1+len(frames) })
	g.pass()
}

// pass lets go who stands before the gate, and shuts it for the next.
func (g *gate) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut = make(chan struct{})
}

func (g *gate) free(string) (int64, error) {
	g.mu.Lock()
	shut, came := g.shut, g.came
	g.mu.Unlock()
	if shut != nil {
		select {
		case came <- struct{}{}:
		default:
		}
		<-shut
	}
	return math.MaxInt64, nil
}

// TestGuestWorksOnWhileABlockIsSynced: the next batch is in the guest's hands
// while the last one is not on the disk yet; until it is, nothing is acknowledged
// or seen, and then everything comes in order, over a swap too.
func TestGuestWorksOnWhileABlockIsSynced(t *testing.T) {
	g := &gate{}
	r := newRig(t, func(r *rig) { r.outbox.Free = g.free })
	l := newLine(t)
	in := r.echoOn(l, map[string]any{"on": map[string]string{"0400": "log the second batch is here"}})
	v, s := r.connect(in), r.stream("")
	l.send(t, "first\n")
	s.wants("first\n")
	want := make([]string, 700)
	for i := range want {
		want[i] = fmt.Sprintf("%04d\n", i)
	}
	g.flood(r, l, v.ID, want)
	r.logged(v.ID, "the second batch is here")
	st := r.until(v.ID, "buffering", func(s lifecycle.Status) bool { return s.Sessions[0].Buffered == len(want) })
	if st.Counters.Records != 2 {
		t.Errorf("%d records are counted while the disk takes none", st.Counters.Records)
	}
	g.open()
	in.Config = config(t, map[string]any{"port": l.port})
	r.update(v.ID, in)
	s.wants(append([]string{"ahead\n"}, want...)...)
	r.until(v.ID, "done", func(s lifecycle.Status) bool {
		return s.Sessions[0].Buffered == 0 && s.Counters.Records == uint64(2+len(want)) && s.Counters.Events >= s.Counters.Records
	})
}

// TestNothingIsToldBeforeItIsDurable: a guest that works on while its last block
// is synced writes to the device only when it is: a device takes an answer for the
// word that its data is safe.
func TestNothingIsToldBeforeItIsDurable(t *testing.T) {
	g := &gate{}
	r := newRig(t, func(r *rig) { r.outbox.Free = g.free })
	l := newLine(t)
	v := r.connect(r.echoOn(l, map[string]any{"on": map[string]string{"0400": "log here", "0401": "reply"}}))
	s := r.stream("")
	l.send(t, "first\n")
	s.wants("first\n")
	want := make([]string, 500)
	for i := range want {
		want[i] = fmt.Sprintf("%04d\n", i)
	}
	g.flood(r, l, v.ID, want)
	r.logged(v.ID, "here")
	answer := make(chan string, 1)
	go func() {
		buf := make([]byte, 64)
		n, _ := l.near.Read(buf)
		answer <- string(buf[:n])
	}()
	quiet := time.NewTimer(100 * time.Millisecond)
	defer quiet.Stop()
	select {
	case text := <-answer:
		t.Errorf("the device was told %q before the last block was on the disk", text)
	case <-quiet.C:
	}
	g.open()
	if text := <-answer; text != "0401\n" {
		t.Errorf("the device was told %q", text)
	}
	s.wants(append([]string{"ahead\n"}, want...)...)
}

// TestAStepThatIsTooMuchIsHalved: a batch whose outcome is beyond what a step may
// have is handed in again by halves; what is too much alone is put aside.
func TestAStepThatIsTooMuchIsHalved(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	in := r.echoOn(l, map[string]any{"on": map[string]string{"0000": "sleep 300ms"}}) // the others come together behind it
	in.Limits = spec.Limits{OutputRecords: 10}
	v, s := r.connect(in), r.stream("")
	want := make([]string, 100)
	for i := range want {
		want[i] = fmt.Sprintf("%04d\n", i)
	}
	l.send(t, strings.Join(want, ""))
	s.wants(want...)
	st := r.until(v.ID, "done", func(s lifecycle.Status) bool { return s.Sessions[0].Buffered == 0 })
	if st.Counters.Quarantined != 0 || st.Counters.Retried == 0 || st.State != lifecycle.Running || st.Counters.Records != uint64(len(want)) {
		t.Errorf("status %+v", st)
	}
	if rejects := r.rejects("plant"); len(rejects) != 0 {
		t.Errorf("%d rejects", len(slices.Clone(rejects)))
	}
}
