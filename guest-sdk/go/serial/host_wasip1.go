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

//go:wasmimport snaprail:serial transact
//go:noescape
func importTransact(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostTransact(request []byte) ([]byte, error) { return hostcall.Do(importTransact, request) }

//go:wasmimport snaprail:serial read
//go:noescape
func importRead(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostRead(request []byte) ([]byte, error) { return hostcall.Do(importRead, request) }

//go:wasmimport snaprail:serial read_until
//go:noescape
func importReadUntil(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostReadUntil(request []byte) ([]byte, error) { return hostcall.Do(importReadUntil, request) }

//go:wasmimport snaprail:serial signals
//go:noescape
func importSignals(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostSignals(request []byte) ([]byte, error) { return hostcall.Do(importSignals, request) }

//go:wasmimport snaprail:serial set_signals
//go:noescape
func importSetSignals(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostSetSignals(request []byte) ([]byte, error) { return hostcall.Do(importSetSignals, request) }

//go:wasmimport snaprail:serial break
//go:noescape
func importBreak(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostBreak(request []byte) ([]byte, error) { return hostcall.Do(importBreak, request) }

//go:wasmimport snaprail:serial list
//go:noescape
func importList(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostList(request []byte) ([]byte, error) { return hostcall.Do(importList, request) }
