//go:build wasip1

package kafka

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:kafka open
//go:noescape
func importOpen(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostOpen(request []byte) ([]byte, error) { return hostcall.Do(importOpen, request) }

//go:wasmimport snaprail:kafka produce
//go:noescape
func importProduce(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostProduce(request []byte) ([]byte, error) { return hostcall.Do(importProduce, request) }

//go:wasmimport snaprail:kafka ensure
//go:noescape
func importEnsure(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostEnsure(request []byte) ([]byte, error) { return hostcall.Do(importEnsure, request) }

//go:wasmimport snaprail:kafka topic
//go:noescape
func importTopic(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostTopic(request []byte) ([]byte, error) { return hostcall.Do(importTopic, request) }

//go:wasmimport snaprail:kafka delete
//go:noescape
func importDelete(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostDelete(request []byte) ([]byte, error) { return hostcall.Do(importDelete, request) }
