//go:build wasip1

package serial

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:serial open
//go:noescape
func importOpen(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostOpen(request []byte) ([]byte, error) { return hostcall.Do(importOpen, request) }

//go:wasmimport snaprail:serial write
//go:noescape
func importWrite(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostWrite(request []byte) ([]byte, error) { return hostcall.Do(importWrite, request) }

//go:wasmimport snaprail:serial drain
//go:noescape
func importDrain(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostDrain(request []byte) ([]byte, error) { return hostcall.Do(importDrain, request) }

//go:wasmimport snaprail:serial flush
//go:noescape
func importFlush(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostFlush(request []byte) ([]byte, error) { return hostcall.Do(importFlush, request) }
