//go:build wasip1

package metrics

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:metrics record
//go:noescape
func importRecord(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostRecord(request []byte) ([]byte, error) { return hostcall.Do(importRecord, request) }
