//go:build wasip1

package clock

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:clock now
//go:noescape
func importNow(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostNow(request []byte) ([]byte, error) { return hostcall.Do(importNow, request) }

//go:wasmimport snaprail:clock sleep
//go:noescape
func importSleep(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostSleep(request []byte) ([]byte, error) { return hostcall.Do(importSleep, request) }
