//go:build wasip1

//nolint:unused,gosec // called by the host, which is handed addresses
package snaprail

import (
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// firstInput is the least capacity of the input buffer: room for most batches,
// so that alloc is called once.
const firstInput = 16 << 10

// The two buffers that the host touches. They are package variables because the
// guest's collector must not take them: the host writes the input between calls
// and reads the reply after one.
var (
	input []byte
	reply []byte
)

// alloc answers the one input buffer, with room for n bytes, or 0 when n is no
// size. The buffer before it is given up.
//
//go:wasmexport snaprail_alloc
func alloc(n int32) uint32 {
	if n < 0 {
		return 0
	}
	if need := max(int(n), firstInput); len(input) < need {
		input = make([]byte, need)
	}
	return address(input)
}

// address is where buf stands in the guest's memory.
func address(buf []byte) uint32 {
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(buf))))
}

// enter runs one entry point on the input buffer's first n bytes.
func enter(entry string, ptr, n uint32) uint64 {
	if n != 0 && (ptr != address(input) || uint64(n) > uint64(len(input))) {
		return leave((&abi.Error{
			Kind: abi.FaultInvalid,
			Code: "bad_input",
			Text: "the input of " + entry + " does not stand in the buffer of " + abi.ExportAlloc,
		}).Append(reply[:0]), true)
	}
	return leave(registered.Call(entry, input[:n], reply[:0]))
}

func leave(answer []byte, failed bool) uint64 {
	reply = answer
	result := uint64(address(reply))<<32 | uint64(len(reply))
	if failed {
		result |= abi.EntryErrorBit
	}
	return result
}

//go:wasmexport describe
func exportDescribe(ptr, n uint32) uint64 { return enter(abi.EntryDescribe, ptr, n) }

//go:wasmexport open
func exportOpen(ptr, n uint32) uint64 { return enter(abi.EntryOpen, ptr, n) }

//go:wasmexport close
func exportClose(ptr, n uint32) uint64 { return enter(abi.EntryClose, ptr, n) }

//go:wasmexport poll
func exportPoll(ptr, n uint32) uint64 { return enter(abi.EntryPoll, ptr, n) }

//go:wasmexport on_events
func exportOnEvents(ptr, n uint32) uint64 { return enter(abi.EntryOnEvents, ptr, n) }

//go:wasmexport run
func exportRun(ptr, n uint32) uint64 { return enter(abi.EntryRun, ptr, n) }

//go:wasmexport convert
func exportConvert(ptr, n uint32) uint64 { return enter(abi.EntryConvert, ptr, n) }

//go:wasmexport deliver
func exportDeliver(ptr, n uint32) uint64 { return enter(abi.EntryDeliver, ptr, n) }

//go:wasmexport test
func exportTest(ptr, n uint32) uint64 { return enter(abi.EntryTest, ptr, n) }

//go:wasmexport normalize_import
func exportNormalizeImport(ptr, n uint32) uint64 { return enter(abi.EntryNormalizeImport, ptr, n) }

//go:wasmexport exchange_oauth_code
func exportExchangeOAuthCode(ptr, n uint32) uint64 { return enter(abi.EntryExchangeOAuthCode, ptr, n) }

//go:wasmexport oauth_authorize_url
func exportOAuthAuthorizeURL(ptr, n uint32) uint64 { return enter(abi.EntryOAuthAuthorizeURL, ptr, n) }

//go:wasmexport on_publish
func exportOnPublish(ptr, n uint32) uint64 { return enter(abi.EntryOnPublish, ptr, n) }

//go:wasmexport on_query
func exportOnQuery(ptr, n uint32) uint64 { return enter(abi.EntryOnQuery, ptr, n) }

//go:wasmexport on_rpc
func exportOnRPC(ptr, n uint32) uint64 { return enter(abi.EntryOnRPC, ptr, n) }

//go:wasmexport on_command
func exportOnCommand(ptr, n uint32) uint64 { return enter(abi.EntryOnCommand, ptr, n) }

//go:wasmexport on_attributes
func exportOnAttributes(ptr, n uint32) uint64 { return enter(abi.EntryOnAttributes, ptr, n) }

//go:wasmexport encode
func exportEncode(ptr, n uint32) uint64 { return enter(abi.EntryEncode, ptr, n) }

//go:wasmexport on_job
func exportOnJob(ptr, n uint32) uint64 { return enter(abi.EntryOnJob, ptr, n) }

//go:wasmexport deploy
func exportDeploy(ptr, n uint32) uint64 { return enter(abi.EntryDeploy, ptr, n) }

//go:wasmexport tear_down
func exportTearDown(ptr, n uint32) uint64 { return enter(abi.EntryTearDown, ptr, n) }

// Operation is the body of an export op_<name>: it hands the call to the
// Operator that was registered.
func Operation(name string, ptr, n uint32) uint64 {
	return enter(abi.OperationPrefix+name, ptr, n)
}
