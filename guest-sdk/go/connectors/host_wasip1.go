//go:build wasip1

package connectors

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:connectors call
//go:noescape
func importCall(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostCall(request []byte) ([]byte, error) { return hostcall.Do(importCall, request) }
