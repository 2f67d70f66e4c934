//go:build wasip1

package hostcall

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Import is a host function as the linker knows it: declare one without a body
// under //go:wasmimport.
type Import func(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

// Install does nothing: a module has a real host.
func Install(Hook) (restore func()) { return func() {} }

//go:wasmimport snaprail:core take
//go:noescape
func take(request unsafe.Pointer, n uint32, out unsafe.Pointer, capacity uint32) uint64

// Do calls fn and answers its reply, which is valid until the next Do. An error
// is an *abi.Error.
func Do(fn Import, request []byte) ([]byte, error) {
	return Into(&scratch.reply, fn, request)
}

// Into is Do with a reply buffer of the caller's, for a reply that has to
// outlive the next call. The buffer must be reachable from a package variable;
// it grows as needed.
func Into(buf *[]byte, fn Import, request []byte) ([]byte, error) {
	keep(request)
	*buf = grown(*buf, 0)
	result := cross(fn, request, *buf)
	failed := result&abi.HostErrorBit != 0
	n := uint32(result)
	if int(n) > len(*buf) {
		*buf = grown(*buf, int(n))
		result = cross(take, nil, *buf)
		failed = failed || result&abi.HostErrorBit != 0
		n = min(uint32(result), n)
	}
	reply := (*buf)[:n]
	if failed {
		return nil, failure(reply)
	}
	return reply, nil
}

func cross(fn Import, request, out []byte) uint64 {
	from := unsafe.Pointer(unsafe.SliceData(request)) //nolint:gosec // the host is handed addresses
	to := unsafe.Pointer(unsafe.SliceData(out))       //nolint:gosec // as above
	return fn(from, uint32(len(request)), to, uint32(len(out)))
}

// keep remembers a request buffer that has grown, for the next Request.
func keep(request []byte) {
	if cap(request) > cap(scratch.request) {
		scratch.request = request[:0]
	}
}
