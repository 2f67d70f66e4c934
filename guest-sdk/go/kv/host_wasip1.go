//go:build wasip1

package kv

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:kv get
//go:noescape
func importGet(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostGet(request []byte) ([]byte, error) { return hostcall.Do(importGet, request) }

//go:wasmimport snaprail:kv put
//go:noescape
func importPut(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostPut(request []byte) ([]byte, error) { return hostcall.Do(importPut, request) }
