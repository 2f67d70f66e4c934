package serial

import (
	"bytes"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// rehearse says what a write would put on the line; the guest is told that all
// of it was written.
func rehearse(in, out []byte) (data, reply []byte) {
	var request abi.SerialWrite
	if request.Decode(in) != nil {
		return nil, out
	}
	return bytes.Clone(request.Data), abi.SerialWritten{Count: uint32(len(request.Data))}.Append(out)
}

// rehearseTransact says what would be asked; nobody answers.
func rehearseTransact(in, out []byte) (data, reply []byte) {
	var request abi.SerialTransact
	if request.Decode(in) != nil {
		return nil, out
	}
	return bytes.Clone(request.Data), out
}

// rehearseNothing is for what puts no bytes on the line.
func rehearseNothing(_, out []byte) (data, reply []byte) { return nil, out }
