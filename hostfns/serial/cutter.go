package serial

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/framing"
)

// cutter cuts a stream of bytes into frames. It holds a bounded number of bytes
// and does not allocate once it has grown to that.
type cutter interface {
	// next takes in and answers the first frame, or what is wrong, and what is
	// still to be handed in. Only after more there is nothing left in it.
	// The frame is valid until the next call and while in is.
	next(in []byte) (frame, rest []byte, v verdict)
	// silence says that the line is quiet. It is called until it answers more.
	silence() (frame []byte, v verdict)
	// idle reports whether silence means nothing.
	idle() bool
	// reset forgets an unfinished frame and reports whether there was one.
	reset() bool
	// unfinished answers what there is of a frame, as it was received, and
	// forgets it.
	unfinished() []byte
}

// verdict is what a cutter found, as framing has it.
type verdict = framing.Verdict

const (
	more    = framing.More
	whole   = framing.Whole
	tooLong = framing.TooLong
	broken  = framing.Broken
)

// newCutter is the cutter of the settings. expect is for those that know no other
// end of a frame than silence.
func newCutter(set settings, expect []abi.SerialExpect) cutter {
	switch set.framing {
	case abi.SerialFixed, abi.SerialPrefixed:
		return &lengthFramer{layout: set.layout, max: set.maxFrame}
	case abi.SerialGap:
		return &gapFramer{max: set.maxFrame, expect: expect}
	case abi.SerialSLIP:
		return &slipFramer{max: set.maxFrame}
	default: // SerialRaw has none, and does not ask
		return newFramer(set.delimiter, set.maxFrame)
	}
}

// onWire is a frame as it is sent.
func onWire(set settings, frame []byte) []byte {
	if set.framing == abi.SerialSLIP {
		return appendSLIP(nil, frame)
	}
	return frame
}

// gapFramer ends a frame by silence, or where a byte of it tells its length.
type gapFramer struct {
	max      int
	expect   []abi.SerialExpect
	part     []byte
	from     int // of part, the frames before were handed out
	skipping bool
}

func (f *gapFramer) next(in []byte) (frame, rest []byte, v verdict) {
	f.part, f.from = f.part[:copy(f.part, f.part[f.from:])], 0
	if f.skipping {
		return nil, nil, more
	}
	room := min(len(in), f.max-len(f.part))
	f.part = append(f.part, in[:room]...)
	if n := f.expected(); n > 0 && n <= len(f.part) {
		f.from = n
		return f.part[:n], in[room:], whole
	}
	if room < len(in) {
		f.part, f.skipping = f.part[:0], true
		return nil, nil, tooLong
	}
	return nil, nil, more
}

// expected is how long the frame is to be; 0: nobody knows.
func (f *gapFramer) expected() int {
	for _, e := range f.expect {
		if e.Mask == 0 {
			return int(e.Length)
		}
		if int(e.At) >= len(f.part) {
			return 0 // it may still be this one
		}
		if uint32(f.part[e.At])&e.Mask == e.Value {
			return int(e.Length)
		}
	}
	return 0
}

func (f *gapFramer) silence() ([]byte, verdict) {
	frame := f.part[f.from:]
	f.part, f.from, f.skipping = f.part[:0], 0, false
	if len(frame) == 0 {
		return nil, more
	}
	return frame, whole
}

func (f *gapFramer) idle() bool { return len(f.part) == f.from && !f.skipping }

func (f *gapFramer) reset() bool {
	had := len(f.part) > f.from
	f.part, f.from, f.skipping = f.part[:0], 0, false
	return had
}

func (f *gapFramer) unfinished() []byte {
	rest := f.part[f.from:]
	f.reset()
	return rest
}
