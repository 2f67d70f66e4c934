package mask_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/mask"
)

func value(i int) string { return fmt.Sprintf("value number %d of many", i) }

func masked(t *testing.T, m *mask.Mask, text string, want bool) {
	t.Helper()
	if got := m.Text(text) == mask.Masked; got != want {
		t.Errorf("%q is masked: %t", text, got)
	}
}

// TestPassingValues: what was only tried is masked for a while, takes no more
// room however much is tried, and never the place of what a name stands for.
func TestPassingValues(t *testing.T) {
	m := mask.New()
	m.Learn("a", []byte("the value of a"))
	m.Learn("b", []byte("the first of b"))
	m.Learn("b", []byte("the second of b"))
	m.Pass([]byte(value(0)))
	masked(t, m, value(0), true)
	full := 0
	for i := 1; i <= 6_000; i++ {
		m.Pass([]byte(value(i)))
		if i == 2_000 {
			full = m.Forms()
		}
	}
	masked(t, m, value(6_000), true)
	masked(t, m, value(0), false)
	masked(t, m, "the value of a", true)
	masked(t, m, "the first of b", true) // a guest may have it yet
	if got := m.Forms(); got > full+50 {
		t.Errorf("%d forms are kept, after %d", got, full)
	}
	if text := strings.Repeat("temperature 21.5 at pump 7; ", 50); m.Looks(text) > len(text)/2 {
		t.Errorf("%d bytes of %d of an ordinary text are looked at twice", m.Looks(text), len(text))
	}
}

// TestLongPassingValues: a value of many lines has many forms, and counts so.
func TestLongPassingValues(t *testing.T) {
	m := mask.New()
	for i := range 400 {
		var b strings.Builder
		for line := range 256 {
			fmt.Fprintf(&b, "line %d of the key number %d\n", line, i)
		}
		m.Pass([]byte(b.String()))
	}
	if got := m.Forms(); got > 1<<15 {
		t.Errorf("%d forms are kept", got)
	}
	masked(t, m, "line 7 of the key number 399", true)
}

// TestDroppedNames: what nothing stands for any more is given up at last.
func TestDroppedNames(t *testing.T) {
	m := mask.New()
	for i := range 2_000 {
		m.Learn(fmt.Sprint(i), []byte(value(i)))
		m.Drop(fmt.Sprint(i))
	}
	masked(t, m, value(1_999), true)
	masked(t, m, value(0), false)
	m.Drop("nobody")
	for range 3 { // the same value under two names, one of which goes
		m.Learn("x", []byte("the same value"))
		m.Learn("y", []byte("the same value"))
		m.Drop("x")
	}
	for i := range 300 {
		m.Learn("z", []byte(value(i)))
	}
	masked(t, m, "the same value", true)
}

func TestOf(t *testing.T) {
	m := mask.Of("correct horse", "", "short")
	if got := m.Text("a correct horse is short: Y29ycmVjdCBob3JzZQ=="); got != "a [masked] is short: [masked]Q==" {
		t.Errorf("masked to %q", got)
	}
	if f := m.Fault(nil); f != nil {
		t.Errorf("no fault became %v", f)
	}
}

// TestFaultOfAGuest: what a guest called its error stays, and no field tells.
func TestFaultOfAGuest(t *testing.T) {
	f := fault.New(fault.Guest, "no correct horse").WithFields(fault.Field{Pointer: "/a", Detail: "636F727265637420686F727365"})
	f.Said = abi.FaultDenied
	got := mask.Of("correct horse").Fault(f)
	if got.Said != f.Said || got.Text != "no [masked]" || got.Fields[0].Detail != mask.Masked {
		t.Errorf("%+v", got)
	}
}
