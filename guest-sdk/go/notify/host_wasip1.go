//go:build wasip1

package notify

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:notify send
//go:noescape
func importSend(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostSend(request []byte) ([]byte, error) { return hostcall.Do(importSend, request) }
