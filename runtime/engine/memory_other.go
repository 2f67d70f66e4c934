//go:build !linux

package engine

import (
	"fmt"
	"math"
)

// reserve takes room for a memory from the Go heap, which backs it when it is
// touched.
func reserve(size uint64) ([]byte, error) {
	if size > math.MaxInt {
		return nil, fmt.Errorf("%d bytes are more than this machine can address", size)
	}
	return make([]byte, size), nil
}

func unreserve([]byte) {}
