//go:build wasip1

package random

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:random read
//go:noescape
func importRead(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostRead(request []byte) ([]byte, error) { return hostcall.Do(importRead, request) }
