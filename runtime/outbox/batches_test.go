package outbox

import (
	"bytes"
	"testing"
)

func TestBatchesOfABlock(t *testing.T) {
	want := [][]byte{[]byte("one"), bytes.Repeat([]byte{7}, 300), {}}
	var records []byte
	for _, b := range want {
		records = AppendBatch(records, b)
	}
	rest := records
	for i := range want {
		batch, behind, ok := CutBatch(rest)
		if !ok || !bytes.Equal(batch, want[i]) {
			t.Fatalf("batch %d: %q, %v", i, batch, ok)
		}
		rest = behind
	}
	if _, _, ok := CutBatch(rest); ok {
		t.Error("a batch behind the last")
	}
	for _, damaged := range [][]byte{nil, {5}, {5, 1, 2}, bytes.Repeat([]byte{0xff}, 11)} {
		if batch, _, ok := CutBatch(damaged); ok {
			t.Errorf("%x holds the batch %x", damaged, batch)
		}
	}
}
