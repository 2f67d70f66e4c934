package engine

import (
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// pageSize is the unit of linear memory.
const pageSize = 64 << 10

// maxMemory is all that 32-bit addresses reach.
const maxMemory = 1 << 32

// memory is the linear memory of one instance. It is handed to wazero as its
// allocator, so that it cannot grow beyond the instance's limit, whatever the
// module declares, and so that the host reads the same bytes without asking
// wazero.
type memory struct {
	limit   uint64 // bytes
	bytes   []byte
	size    atomic.Uint64 // len(bytes), for other goroutines
	total   *atomic.Int64 // of all instances
	refused bool          // growth was refused since it was last cleared
}

// Allocate makes this the memory of the module that is being instantiated.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate grows to size bytes, or answers nil beyond the limit. It makes
// room ahead, so that a guest that grows page by page is not copied each time.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused = true
		return nil
	}
	if size > uint64(cap(m.bytes)) {
		room := min(max(size, uint64(cap(m.bytes))*3/2), m.limit)
		grown := make([]byte, len(m.bytes), room)
		copy(grown, m.bytes)
		m.bytes = grown
	}
	m.resize(m.bytes[:size])
	return m.bytes
}

// Free gives the memory up.
func (m *memory) Free() { m.resize(nil) }

func (m *memory) resize(bytes []byte) {
	m.total.Add(int64(len(bytes)) - int64(len(m.bytes)))
	m.bytes = bytes
	m.size.Store(uint64(len(bytes)))
}

// at is the range that a guest named, if it lies inside.
func (m *memory) at(ptr, n uint32) ([]byte, bool) {
	end := uint64(ptr) + uint64(n)
	if end > uint64(len(m.bytes)) {
		return nil, false
	}
	return m.bytes[ptr:end:end], true
}
