//go:build wasip1

package http

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:http request
//go:noescape
func importRequest(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostRequest(request []byte) ([]byte, error) { return hostcall.Do(importRequest, request) }

//go:wasmimport snaprail:http read
//go:noescape
func importRead(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostRead(request []byte) ([]byte, error) { return hostcall.Do(importRead, request) }
