//go:build !wasip1

package hostcall

import (
	"errors"
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

var installed Hook

// Install makes hook the host until restore is called. It is guesttest's, and
// not safe for concurrent use.
func Install(hook Hook) (restore func()) {
	before := installed
	installed = hook
	return func() { installed = before }
}

// Native is the twin of Do in a native build: the same buffers, so that a
// connector that keeps a reply too long fails under go test as it would in the
// sandbox.
func Native(group, function string, request []byte) ([]byte, error) {
	return NativeInto(&scratch.reply, group, function, request)
}

// NativeInto is the twin of Into in a native build.
func NativeInto(buf *[]byte, group, function string, request []byte) ([]byte, error) {
	if installed == nil {
		return nil, &abi.Error{
			Kind: abi.FaultUnavailable,
			Code: "no_host",
			Text: fmt.Sprintf("%s.%s was called outside a host", group, function),
			Hint: "Run the connector under guest-sdk/guesttest.",
		}
	}
	reply, err := installed(group, function, request)
	if err != nil {
		return nil, asFault(err)
	}
	*buf = grown(*buf, len(reply))
	return (*buf)[:copy(*buf, reply)], nil
}

// asFault sends err over an imagined wall: what is not an *abi.Error arrives as
// one of kind unknown.
func asFault(err error) error {
	fault, ok := errors.AsType[*abi.Error](err)
	if !ok {
		fault = &abi.Error{Kind: abi.FaultUnknown, Text: err.Error()}
	}
	return failure(fault.Append(nil))
}
