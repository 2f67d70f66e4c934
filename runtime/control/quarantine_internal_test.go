package control

import (
	"encoding/json"
	"testing"

	"github.com/snaprail/snaprail/runtime/delivery"
)

// TestSettledMarks: a position is noted once, however often it is said, and as text.
func TestSettledMarks(t *testing.T) {
	var m settledMarks
	if err := json.Unmarshal([]byte(`{"through":"9.1"}`), &m); err != nil {
		t.Fatal(err)
	}
	for _, at := range []delivery.Position{{Block: 10, Index: 2}, {Block: 10}, {Block: 10, Index: 2}, {Block: 9, Index: 1}, {Block: 2, Index: 7}} {
		if m.add(at); !m.has(at) {
			t.Errorf("%s is not noted", at)
		}
	}
	if m.has(delivery.Position{Block: 9, Index: 2}) {
		t.Error("what nobody noted is")
	}
	if raw, err := json.Marshal(m); err != nil || string(raw) != `{"through":"9.1","each":["10.2","10.0"]}` {
		t.Errorf("%s, %v", raw, err)
	}
}
