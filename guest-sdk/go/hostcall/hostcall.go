// Package hostcall carries a request from a guest to a host function and its
// reply back. The stubs of the host groups are made of it; an author needs it
// only to write stubs for a group of his own.
//
// In a module (GOOS=wasip1) a call crosses the wall; in a native build it goes
// to the hook that guesttest installs, so that the same connector runs under go
// test. The contract of one host function is (ptr, len, out, cap) -> i64: the
// reply's length, the reply itself written to out if it fits, else kept for
// snaprail:core take; the sign bit marks an encoded abi.Error.
//
// A guest calls the host from one goroutine at a time.
package hostcall

import (
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// initialReply is the capacity of a fresh reply buffer: nearly every reply
// fits, so that a call is one crossing.
const initialReply = 4 << 10

// scratch is the memory of the calls. It lives in package variables because
// the host writes into it while the guest's collector does not look, and so
// that a call allocates nothing once the buffers have grown.
var scratch struct {
	request []byte
	reply   []byte
}

// Request is an empty buffer to append an encoded request to. It is the same
// memory each time: use it up with one call before asking again.
func Request() []byte { return scratch.request[:0] }

// Hook plays the host in a native build: it is handed the group, the function
// and the encoded request, which is valid during the call, and answers an
// encoded reply.
type Hook func(group, function string, request []byte) ([]byte, error)

// failure reads an encoded Error. It answers an *abi.Error, always.
func failure(reply []byte) error {
	fault := new(abi.Error)
	if err := fault.Decode(reply); err != nil {
		return &abi.Error{
			Kind: abi.FaultInternal,
			Code: "bad_reply",
			Text: fmt.Sprintf("the host's error cannot be read: %v", err),
			Hint: "Report this to who runs the host.",
		}
	}
	return fault
}

// grown answers buf with room for n bytes.
func grown(buf []byte, n int) []byte {
	if n < initialReply {
		n = initialReply
	}
	if cap(buf) >= n {
		return buf[:cap(buf)]
	}
	return make([]byte, n)
}
