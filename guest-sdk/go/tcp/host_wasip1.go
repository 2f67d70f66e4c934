//go:build wasip1

package tcp

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:tcp open
//go:noescape
func importOpen(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostOpen(request []byte) ([]byte, error) { return hostcall.Do(importOpen, request) }

//go:wasmimport snaprail:tcp write
//go:noescape
func importWrite(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostWrite(request []byte) ([]byte, error) { return hostcall.Do(importWrite, request) }

//go:wasmimport snaprail:tcp read
//go:noescape
func importRead(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostRead(request []byte) ([]byte, error) { return hostcall.Do(importRead, request) }

//go:wasmimport snaprail:tcp transact
//go:noescape
func importTransact(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostTransact(request []byte) ([]byte, error) { return hostcall.Do(importTransact, request) }
