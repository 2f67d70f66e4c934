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
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut = nil
}

func (g *gate) free(string) (int64, error) {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil {
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
	g.close()
	want := make([]string, 700)
	for i := range want {
		want[i] = fmt.Sprintf("%04d\n", i)
	}
	l.send(t, strings.Join(want, ""))
	r.logged(v.ID, "the second batch is here")
	st := r.until(v.ID, "buffering", func(s lifecycle.Status) bool { return s.Sessions[0].Buffered == len(want) })
	if st.Counters.Records != 1 {
		t.Errorf("%d records are counted while the disk takes none", st.Counters.Records)
	}
	g.open()
	in.Config = config(t, map[string]any{"port": l.port})
	r.update(v.ID, in)
	s.wants(want...)
	r.until(v.ID, "done", func(s lifecycle.Status) bool {
		return s.Sessions[0].Buffered == 0 && s.Counters.Records == uint64(1+len(want)) && s.Counters.Events >= s.Counters.Records
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
	g.close()
	want := make([]string, 500)
	for i := range want {
		want[i] = fmt.Sprintf("%04d\n", i)
	}
	l.send(t, strings.Join(want, ""))
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
	s.wants(want...)
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
