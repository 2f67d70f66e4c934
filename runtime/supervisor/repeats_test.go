package supervisor_test

import (
	"fmt"
	"testing"

	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// TestRepeatsAreLeftOut: what a source hands over again is left out and counted,
// by its source key: in one step, in the next, after a crash of the guest, and
// after a restart of the server.
func TestRepeatsAreLeftOut(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, map[string]any{"keyed": true, "on": map[string]string{"bad": "panic", "pass": "skip"}}))
	s := r.stream("")
	l.send(t, "a\nb\na\n")
	s.wants("a\n", "b\n")
	l.send(t, "b\nc\n")
	s.wants("c\n")
	st := r.until(v.ID, "counted", func(s lifecycle.Status) bool { return s.Counters.Repeated == 2 })
	if st.Counters.Records != 3 || st.Counters.Quarantined != 0 {
		t.Errorf("status %+v", st.Counters)
	}
	r.stop()
	r.start()
	l.send(t, "c\na\nd\n")
	s = r.stream("")
	s.wants("a\n", "b\n", "c\n", "d\n")
	r.until(v.ID, "counted", func(s lifecycle.Status) bool { return s.Counters.Repeated == 2 && s.Counters.Records == 1 })
}

// TestWindowOfRepeatsIsBounded: a key that is older than the window is new again.
func TestWindowOfRepeatsIsBounded(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, map[string]any{"keyed": true}))
	const keys = 4096 + 100
	go func() { // a line holds less than that
		for i := range keys {
			_, _ = fmt.Fprintf(l.near, "%d\n", i)
		}
	}()
	r.until(v.ID, "done", func(s lifecycle.Status) bool { return s.Counters.Records == keys })
	l.send(t, fmt.Sprintf("%d\n0\n", keys-4096))
	st := r.until(v.ID, "done", func(s lifecycle.Status) bool { return s.Counters.Records == keys+1 })
	if st.Counters.Repeated != 1 {
		t.Errorf("%d repeats, want the one in the window", st.Counters.Repeated)
	}
}
