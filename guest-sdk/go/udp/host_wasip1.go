//go:build wasip1

package udp

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:udp open
//go:noescape
func importOpen(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostOpen(request []byte) ([]byte, error) { return hostcall.Do(importOpen, request) }

//go:wasmimport snaprail:udp send
//go:noescape
func importSend(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostSend(request []byte) ([]byte, error) { return hostcall.Do(importSend, request) }
