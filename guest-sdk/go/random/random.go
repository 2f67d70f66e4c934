// Package random reads the host's source of randomness (group random), which is
// good for keys. A guest has a generator of its own without it: crypto/rand and
// math/rand read that, which is seeded from the same source and can be replayed.
package random

import (
	"io"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// MaxRead is how many bytes come at once.
const MaxRead = 4096

// Reader is the source as an io.Reader, for whoever wants one.
type Reader struct{}

var _ io.Reader = Reader{}

// Read fills p. It asks as often as it has to.
func (Reader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		reply, err := hostRead(abi.RandomRead{Count: uint32(min(len(p)-n, MaxRead))}.Append(hostcall.Request()))
		if err != nil {
			return n, err
		}
		var bytes abi.RandomBytes
		if err := bytes.Decode(reply); err != nil {
			return n, err
		}
		if len(bytes.Data) == 0 {
			return n, io.ErrNoProgress
		}
		n += copy(p[n:], bytes.Data)
	}
	return n, nil
}

// Bytes are n of them.
func Bytes(n int) ([]byte, error) {
	p := make([]byte, n)
	_, err := Reader{}.Read(p)
	return p, err
}
