package engine

import (
	"sync/atomic"
	"testing"
)

// A machine without room says so, and freeing nothing, or twice, does no harm.
func TestMemoryWithoutRoom(t *testing.T) {
	var total atomic.Int64
	m := memory{limit: 1 << 62, total: &total}
	if got := m.Reallocate(pageSize); got != nil || m.failed == nil || m.refused {
		t.Errorf("2^62 bytes: %d bytes, %v, refused %v", len(got), m.failed, m.refused)
	}
	m.Free()

	m = memory{limit: 2 * pageSize, total: &total}
	a := m.Reallocate(pageSize)
	b := m.Reallocate(2 * pageSize)
	if m.failed != nil || &a[0] != &b[0] || len(b) != 2*pageSize || total.Load() != 2*pageSize {
		t.Errorf("memory moved, or has %d bytes: %v", len(b), m.failed)
	}
	if m.Reallocate(2*pageSize+1) != nil || !m.refused {
		t.Error("memory grew beyond its limit")
	}
	m.Free()
	m.Free()
	if total.Load() != 0 || m.bytes != nil || m.peak.Load() != 2*pageSize {
		t.Errorf("after Free: %d bytes in all", total.Load())
	}
}
