//go:build wasip1

package log

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:log write
//go:noescape
func importWrite(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostWrite(request []byte) ([]byte, error) { return hostcall.Do(importWrite, request) }
