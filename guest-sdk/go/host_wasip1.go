//go:build wasip1

package snaprail

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:core receive
//go:noescape
func importReceive(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

//go:wasmimport snaprail:core emit
//go:noescape
func importEmit(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostReceive(buf *[]byte, request []byte) ([]byte, error) {
	return hostcall.Into(buf, importReceive, request)
}

func hostEmit(request []byte) ([]byte, error) { return hostcall.Do(importEmit, request) }

//go:wasmimport snaprail:core health
//go:noescape
func importHealth(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostHealth(request []byte) ([]byte, error) { return hostcall.Do(importHealth, request) }

// State is of the group kv: only a module that has Known imports it.

//go:wasmimport snaprail:kv get
//go:noescape
func importStateGet(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

//go:wasmimport snaprail:kv put
//go:noescape
func importStatePut(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostStateGet(request []byte) ([]byte, error) { return hostcall.Do(importStateGet, request) }

func hostStatePut(request []byte) ([]byte, error) { return hostcall.Do(importStatePut, request) }
