//go:build wasip1

package deploy

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:deploy connector
//go:noescape
func importConnector(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostConnector(request []byte) ([]byte, error) { return hostcall.Do(importConnector, request) }

//go:wasmimport snaprail:deploy device
//go:noescape
func importDevice(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostDevice(request []byte) ([]byte, error) { return hostcall.Do(importDevice, request) }

//go:wasmimport snaprail:deploy http
//go:noescape
func importHTTP(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostHTTP(request []byte) ([]byte, error) { return hostcall.Do(importHTTP, request) }

//go:wasmimport snaprail:deploy topic
//go:noescape
func importTopic(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostTopic(request []byte) ([]byte, error) { return hostcall.Do(importTopic, request) }

//go:wasmimport snaprail:deploy note
//go:noescape
func importNote(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostNote(request []byte) ([]byte, error) { return hostcall.Do(importNote, request) }
