package delivery_test

import (
	"encoding/json"
	"testing"

	"github.com/snaprail/snaprail/runtime/delivery"
)

func TestPositionHasOneForm(t *testing.T) {
	for text, want := range map[string]delivery.Position{"1.0": {Block: 1}, "184.12": {Block: 184, Index: 12}, "18446744073709551615.7": {Block: 1<<64 - 1, Index: 7}} {
		var p delivery.Position
		if err := p.UnmarshalText([]byte(text)); err != nil || p != want || p.String() != text {
			t.Errorf("%s: %v, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "1", "1.", ".1", "0.1", "01.0", "1.00", "+1.0", "1.-1", "1.0 ", "1.0.0", "18446744073709551616.0", "x.0"} {
		p := delivery.Position{Block: 7}
		if err := p.UnmarshalText([]byte(text)); err == nil || p.Block != 7 {
			t.Errorf("%q is %v", text, p)
		}
	}
}

func TestPositionsAreOrdered(t *testing.T) {
	var all []delivery.Position
	if err := json.Unmarshal([]byte(`["2.10","10.0","10.1"]`), &all); err != nil { // not as text is
		t.Fatal(err)
	}
	for i := range all {
		for j := range all {
			if got, want := all[i].Compare(all[j]), min(max(i-j, -1), 1); got != want {
				t.Errorf("%s to %s: %d", all[i], all[j], got)
			}
		}
	}
}
