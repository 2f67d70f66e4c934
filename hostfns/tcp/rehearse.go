package tcp

import (
	"bytes"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// rehearseWrite says what a write would send; the guest is told that all of it was.
func rehearseWrite(in, out []byte) (data, reply []byte) {
	var q abi.TCPWrite
	if q.Decode(in) != nil {
		return nil, out
	}
	return bytes.Clone(q.Data), abi.TCPWritten{Count: uint32(len(q.Data))}.Append(out)
}

// rehearseTransact says what a transaction would send; the answer is empty, since
// nobody knows what the peer would say.
func rehearseTransact(in, out []byte) (data, reply []byte) {
	var q abi.TCPTransact
	if q.Decode(in) != nil {
		return nil, out
	}
	return bytes.Clone(q.Data), abi.TCPData{}.Append(out)
}
