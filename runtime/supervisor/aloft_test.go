package supervisor_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// countedFrames are frames that say where they stand.
func countedFrames(n int) []string {
	frames := make([]string, n)
	for i := range frames {
		frames[i] = fmt.Sprintf("%04d\n", i)
	}
	return frames
}

// TestSeveralBlocksAreAloft: while the disk takes its time the guest works on, as far
// as the inbox goes and no further; the blocks come in order, and nothing of them is
// counted or acknowledged before.
func TestSeveralBlocksAreAloft(t *testing.T) {
	g := &gate{}
	r := newRig(t, func(r *rig) { r.outbox.Free = g.free })
	l := newLine(t)
	// The fourth batch, of four that the inbox may have under way, ends at 1023.
	v, s := r.connect(r.echoOn(l, map[string]any{"on": map[string]string{"0768": "log the fourth batch is here"}})), r.stream("")
	l.send(t, "first\n")
	s.wants("first\n")
	want := countedFrames(1500)
	g.flood(r, l, v.ID, want)
	r.logged(v.ID, "the fourth batch is here")
	st := r.until(v.ID, "buffering", func(s lifecycle.Status) bool { return s.Sessions[0].Buffered == len(want) })
	if st.Counters.Records != 2 {
		t.Errorf("%d records are counted while the disk takes none", st.Counters.Records)
	}
	g.open()
	s.wants(append([]string{"ahead\n"}, want...)...)
	r.until(v.ID, "done", func(s lifecycle.Status) bool {
		return s.Sessions[0].Buffered == 0 && s.Counters.Records == uint64(2+len(want))
	})
}

// TestWhatIsAloftWaitsForAFullDisk: blocks that find the disk full wait for it in
// their order, and nothing is lost or comes twice.
func TestWhatIsAloftWaitsForAFullDisk(t *testing.T) {
	g := &gate{}
	var full atomic.Bool
	r := newRig(t, func(r *rig) {
		r.outbox.Free = func(dir string) (int64, error) {
			if free, err := g.free(dir); err != nil || !full.Load() {
				return free, err
			}
			return 0, nil
		}
	})
	l := newLine(t)
	v, s := r.connect(r.echoOn(l, map[string]any{"on": map[string]string{"0512": "log the third batch is here"}})), r.stream("")
	l.send(t, "first\n")
	s.wants("first\n")
	want := countedFrames(1200)
	g.flood(r, l, v.ID, want)
	r.logged(v.ID, "the third batch is here")
	full.Store(true)
	g.open()
	st := r.until(v.ID, "held up", func(s lifecycle.Status) bool {
		return s.State == lifecycle.Paused && s.Sessions[0].Buffered == len(want)
	})
	if st.Counters.Records != 2 {
		t.Errorf("%d records are counted while the disk is full", st.Counters.Records)
	}
	full.Store(false)
	s.wants(append([]string{"ahead\n"}, want...)...)
	r.until(v.ID, "done", func(s lifecycle.Status) bool {
		return s.State == lifecycle.Running && s.Sessions[0].Buffered == 0 && s.Counters.Records == uint64(2+len(want))
	})
}
