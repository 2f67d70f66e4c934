package engine

import (
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// pageSize is the unit of linear memory.
const pageSize = 64 << 10

// maxMemory is all that 32-bit addresses reach.
const maxMemory = 1 << 32

// memory is the linear memory of one instance. It is handed to wazero as its
// allocator, so that it cannot grow beyond the instance's limit, whatever the
// module declares, and so that the host reads the same bytes without asking
// wazero.
//
// Room for the whole limit is mapped at once, outside of the Go heap, and the
// system lends a page when the guest first touches it: memory grows without
// being copied, never moves, and goes back to the system when it is freed.
// Bytes of a mapping that was freed must not be touched, so it is freed when
// nobody is in the instance.
//
// Where a warm image is mapped instead of nothing, reserve is the place.
type memory struct {
	limit   uint64 // bytes
	aside   uint64 // bytes that the host holds for the guest: its kernel
	room    []byte // the mapping; nil before the first page and after Free
	bytes   []byte // what of it the guest has
	size    atomic.Uint64
	peak    atomic.Uint64
	total   *atomic.Int64 // of all instances
	refused bool          // growth was refused since it was last cleared
	failed  error         // the system gave no room
}

// Allocate makes this the memory of the module that is being instantiated.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate grows to size bytes, or answers nil beyond the limit.
func (m *memory) Reallocate(size uint64) []byte {
	if size+m.aside > m.limit {
		m.refused = true
		return nil
	}
	if m.room == nil && size > 0 {
		if m.room, m.failed = reserve(m.limit); m.failed != nil {
			return nil
		}
	}
	m.resize(m.room[:size])
	return m.bytes
}

// Free gives the memory up. wazero calls it when it closes the module, and the
// instance once more, for a module that was never made.
func (m *memory) Free() {
	room := m.room
	m.room = nil
	m.beside(0, 0)
	m.resize(nil)
	if room != nil {
		unreserve(room)
	}
}

func (m *memory) resize(bytes []byte) {
	m.total.Add(int64(len(bytes)) - int64(len(m.bytes)))
	m.bytes = bytes
	m.tell()
}

func (m *memory) tell() {
	size := uint64(len(m.bytes)) + m.aside
	m.size.Store(size)
	m.peak.Store(max(m.peak.Load(), size))
}

// beside sees to what the host holds for the guest beside its linear memory:
// at most so many bytes, of which at least so many are needed. It answers how
// many it may be; 0: too much.
func (m *memory) beside(least, most uint64) uint64 {
	left := m.limit - uint64(len(m.bytes))
	if least > left {
		return 0
	}
	granted := min(most, left)
	m.total.Add(int64(granted) - int64(m.aside)) //nolint:gosec // both are at most the limit
	m.aside = granted
	m.tell()
	return granted
}

// write puts a part of the module's image in its place, if it lies inside.
func (m *memory) write(s wasmbin.Segment) bool {
	place, inside := m.at(s.Offset, uint32(len(s.Bytes)))
	copy(place, s.Bytes)
	return inside
}

// at is the range that a guest named, if it lies inside.
func (m *memory) at(ptr, n uint32) ([]byte, bool) {
	end := uint64(ptr) + uint64(n)
	if end > uint64(len(m.bytes)) {
		return nil, false
	}
	return m.bytes[ptr:end:end], true
}
