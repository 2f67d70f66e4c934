//go:build wasip1

package hooks

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:hooks open
//go:noescape
func importOpen(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostOpen(request []byte) ([]byte, error) { return hostcall.Do(importOpen, request) }

//go:wasmimport snaprail:hooks reply
//go:noescape
func importReply(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostReply(request []byte) ([]byte, error) { return hostcall.Do(importReply, request) }
