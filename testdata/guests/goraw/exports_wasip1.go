//go:build wasip1

//nolint:unused,gosec // called by the host, which is handed addresses
package main

import (
	"encoding/binary"
	"unsafe"
)

// The two buffers that the host touches: package variables, because the
// collector must not take them.
var (
	input  []byte
	output []byte
)

//go:wasmexport snaprail_alloc
func alloc(n int32) uint32 {
	if n < 0 {
		return 0
	}
	input = make([]byte, n)
	return address(input)
}

func address(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func answer() uint64 { return uint64(address(output))<<32 | uint64(len(output)) }

//go:wasmexport raw
func exportRaw(_, n uint32) uint64 {
	output = convert(output[:0], input[:n])
	return answer()
}

//go:wasmexport spin
func exportSpin(_, n uint32) uint64 {
	if n < 8 {
		return 0
	}
	output = binary.LittleEndian.AppendUint64(output[:0], spin(binary.LittleEndian.Uint64(input)))
	return answer()
}
