package engine

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// reserve maps room for a memory. Nothing of it is backed before it is
// touched; huge pages are declined, because they would back 2 MiB for a byte.
func reserve(size uint64) ([]byte, error) {
	if size > math.MaxInt {
		return nil, fmt.Errorf("%d bytes are more than this machine can address", size)
	}
	room, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("map %d KiB: %w", size>>10, err)
	}
	_ = unix.Madvise(room, unix.MADV_NOHUGEPAGE) // a kernel without them says so
	return room, nil
}

// unreserve unmaps a room. It cannot fail for one that reserve made.
func unreserve(room []byte) { _ = unix.Munmap(room) }
