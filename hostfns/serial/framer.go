package serial

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/framing"
)

// framer cuts a stream of bytes into frames, each ending with the delimiter, as
// framing does for all that read streams. On a line, silence ends one without it.
type framer struct{ framing.Framer }

func newFramer(delim string, limit int) *framer {
	set := abi.Framing{Kind: abi.FramingDelimiter, Delimiter: []byte(delim), MaxFrame: uint32(limit)}
	return &framer{framing.New(set)}
}

func (f *framer) next(in []byte) (frame, rest []byte, v verdict) { return f.Next(in) }
func (f *framer) reset() bool                                    { return f.Reset() }
func (f *framer) unfinished() []byte                             { return f.Unfinished() }
func (f *framer) idle() bool                                     { return !f.Pending() }

func (f *framer) silence() ([]byte, verdict) {
	if frame := f.unfinished(); len(frame) > 0 {
		return frame, whole
	}
	return nil, more
}
