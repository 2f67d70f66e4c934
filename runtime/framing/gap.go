package framing

import "github.com/snaprail/snaprail/guest-sdk/abi"

// gapped is frames that silence ends, or a byte of them that tells their length.
type gapped struct {
	buffer

	expect []abi.SerialExpect
	from   int // of part: the frames before were handed out
}

// NewGap is a framer of frames of at most so many bytes that silence ends. expect
// tells where else one does: the first that fits it, by its length.
func NewGap(most int, expect []abi.SerialExpect) Framer {
	return &gapped{buffer: buffer{max: most}, expect: expect}
}

// Next implements Framer.
func (f *gapped) Next(in []byte) (frame, rest []byte, v Verdict) {
	f.part, f.from = f.part[:copy(f.part, f.part[f.from:])], 0
	if f.skipping {
		return nil, nil, More
	}
	room := min(len(in), f.max-len(f.part))
	f.part = append(f.part, in[:room]...)
	if n := f.expected(); n > 0 && n <= len(f.part) {
		f.from = n
		return f.part[:n], in[room:], Whole
	}
	if room < len(in) {
		f.part, f.skipping = f.part[:0], true
		return nil, nil, TooLong
	}
	return nil, nil, More
}

// expected is how long the frame is to be; 0: nobody knows.
func (f *gapped) expected() int {
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

// Pending implements Framer.
func (f *gapped) Pending() bool { return len(f.part) > f.from || f.skipping }

// Reset implements Framer.
func (f *gapped) Reset() bool {
	had := len(f.part) > f.from
	f.part, f.from, f.skipping = f.part[:0], 0, false
	return had
}

// Unfinished implements Framer.
func (f *gapped) Unfinished() []byte {
	frame := f.part[f.from:]
	if !f.Reset() {
		return nil
	}
	return frame
}

// Rest implements Framer.
func (f *gapped) Rest() []byte { return f.Unfinished() }

// Silence implements Framer: it is a frame's end.
func (f *gapped) Silence() ([]byte, Verdict) { return ended(f.Unfinished()) }

// ended is what silence has ended.
func ended(frame []byte) ([]byte, Verdict) {
	if len(frame) == 0 {
		return nil, More
	}
	return frame, Whole
}
