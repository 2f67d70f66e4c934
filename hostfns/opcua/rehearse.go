package opcua

import (
	"bytes"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// rehearseWrite says what would be written; the guest is told that all of it was.
func rehearseWrite(in, out []byte) (data, reply []byte) {
	var q abi.OPCUAWrite
	if q.Decode(in) != nil {
		return nil, out
	}
	return bytes.Clone(in), (&abi.OPCUAStatuses{Statuses: make([]abi.OPCUAStatus, len(q.Values))}).Append(out)
}

// rehearseCall says what would be called; the guest is told that it went well.
func rehearseCall(in, out []byte) (data, reply []byte) {
	var q abi.OPCUACall
	if q.Decode(in) != nil {
		return nil, out
	}
	return bytes.Clone(in), (&abi.OPCUACallResult{}).Append(out)
}
