//go:build wasip1

package mqtt

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:mqtt open
//go:noescape
func importOpen(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostOpen(request []byte) ([]byte, error) { return hostcall.Do(importOpen, request) }

//go:wasmimport snaprail:mqtt publish
//go:noescape
func importPublish(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostPublish(request []byte) ([]byte, error) { return hostcall.Do(importPublish, request) }

//go:wasmimport snaprail:mqtt will
//go:noescape
func importWill(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostWill(request []byte) ([]byte, error) { return hostcall.Do(importWill, request) }

//go:wasmimport snaprail:mqtt reconnect
//go:noescape
func importReconnect(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostReconnect(request []byte) ([]byte, error) { return hostcall.Do(importReconnect, request) }

//go:wasmimport snaprail:mqtt info
//go:noescape
func importInfo(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostInfo(request []byte) ([]byte, error) { return hostcall.Do(importInfo, request) }

//go:wasmimport snaprail:mqtt close
//go:noescape
func importClose(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostClose(request []byte) ([]byte, error) { return hostcall.Do(importClose, request) }
