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
		block, index, err := control.ParsePosition(control.Position(tt.block, tt.index))
		if err != nil || block != tt.block || index != tt.index {
			t.Errorf("%+v became %d.%d, %v", tt, block, index, err)
		}
	}
	for _, p := range []string{"", ".", "1", "1.", ".1", "0.0", "1.-1", "1.65537", "1.+1", "01.1", "1.1.1", " 1.1", "a.b", "1,1", "18446744073709551616.0", "1.1\n"} {
		if _, _, err := control.ParsePosition(p); !fault.Is(err, fault.Invalid) {
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
		block, index, err := control.ParsePosition(p)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || len(err.Error()) > 1000 {
				t.Fatalf("%q: %v", p, err)
			}
			return
		}
		if block == 0 || index < 0 || index > control.EndOfBlock || control.Position(block, index) != p {
			t.Fatalf("%q became %d.%d", p, block, index)
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
