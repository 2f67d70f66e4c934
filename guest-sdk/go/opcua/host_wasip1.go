//go:build wasip1

package opcua

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:opcua open
//go:noescape
func importOpen(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostOpen(request []byte) ([]byte, error) { return hostcall.Do(importOpen, request) }

//go:wasmimport snaprail:opcua info
//go:noescape
func importInfo(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostInfo(request []byte) ([]byte, error) { return hostcall.Do(importInfo, request) }

//go:wasmimport snaprail:opcua read
//go:noescape
func importRead(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostRead(request []byte) ([]byte, error) { return hostcall.Do(importRead, request) }

//go:wasmimport snaprail:opcua browse
//go:noescape
func importBrowse(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostBrowse(request []byte) ([]byte, error) { return hostcall.Do(importBrowse, request) }

//go:wasmimport snaprail:opcua subscribe
//go:noescape
func importSubscribe(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostSubscribe(request []byte) ([]byte, error) { return hostcall.Do(importSubscribe, request) }

//go:wasmimport snaprail:opcua write
//go:noescape
func importWrite(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostWrite(request []byte) ([]byte, error) { return hostcall.Do(importWrite, request) }

//go:wasmimport snaprail:opcua call
//go:noescape
func importCall(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostCall(request []byte) ([]byte, error) { return hostcall.Do(importCall, request) }
