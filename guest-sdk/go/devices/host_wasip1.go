//go:build wasip1

package devices

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:devices get
//go:noescape
func importGet(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostGet(request []byte) ([]byte, error) { return hostcall.Do(importGet, request) }

//go:wasmimport snaprail:devices list
//go:noescape
func importList(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostList(request []byte) ([]byte, error) { return hostcall.Do(importList, request) }

//go:wasmimport snaprail:devices put
//go:noescape
func importPut(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostPut(request []byte) ([]byte, error) { return hostcall.Do(importPut, request) }

//go:wasmimport snaprail:devices disconnect
//go:noescape
func importDisconnect(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostDisconnect(request []byte) ([]byte, error) { return hostcall.Do(importDisconnect, request) }

//go:wasmimport snaprail:devices remove
//go:noescape
func importRemove(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostRemove(request []byte) ([]byte, error) { return hostcall.Do(importRemove, request) }
