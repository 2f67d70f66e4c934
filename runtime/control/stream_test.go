package control_test

import (
	"math"
	"testing"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestPositions(t *testing.T) {
	for _, tt := range []struct {
		block uint64
		index int
	}{{1, 0}, {42, 255}, {math.MaxUint64, control.EndOfBlock}} {
		at, err := control.ParsePosition(control.Position(tt.block, tt.index))
		if err != nil || at.Block != tt.block || at.Index != tt.index {
			t.Errorf("%+v became %s, %v", tt, at, err)
		}
	}
	for _, p := range []string{"", ".", "1", "1.", ".1", "0.0", "1.-1", "1.65537", "1.+1", "01.1", "1.1.1", " 1.1", "a.b", "1,1", "18446744073709551616.0", "1.1\n"} {
		if _, err := control.ParsePosition(p); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, want invalid", p, err)
		}
	}
}

// FuzzPosition: a position has one form alone, so two clients that hold equal
// places hold equal texts, and what is refused says so.
func FuzzPosition(f *testing.F) {
	for _, p := range []string{"1.0", "42.256", "now", "1.1.1", "+1.0", "1.00"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		at, err := control.ParsePosition(p)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || len(err.Error()) > 1000 {
				t.Fatalf("%q: %v", p, err)
			}
			return
		}
		if at.Block == 0 || at.Index < 0 || at.Index > control.EndOfBlock || at.String() != p {
			t.Fatalf("%q became %s", p, at)
		}
	})
}

func TestStreamStartsWhereItIsTold(t *testing.T) {
	r := newRig(t)
	for _, after := range []string{"", "start", "now"} {
		s, err := r.Stream(t.Context(), control.StreamOptions{After: after})
		if err != nil {
			t.Errorf("%q: %v", after, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, after := range []string{"yesterday", "7.3"} { // no position, and one that the log has not come to
		_, err := r.Stream(t.Context(), control.StreamOptions{After: after})
		wantFault(t, err, fault.Invalid)
	}
	_, err := r.Stream(t.Context(), control.StreamOptions{Connector: "nobody"})
	wantFault(t, err, fault.NotFound)
}
