//go:build wasip1

package files

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

//go:wasmimport snaprail:files list
//go:noescape
func importList(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostList(request []byte) ([]byte, error) { return hostcall.Do(importList, request) }

//go:wasmimport snaprail:files stat
//go:noescape
func importStat(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostStat(request []byte) ([]byte, error) { return hostcall.Do(importStat, request) }

//go:wasmimport snaprail:files read
//go:noescape
func importRead(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

func hostRead(request []byte) ([]byte, error) { return hostcall.Do(importRead, request) }
