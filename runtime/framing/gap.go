package framing

import "github.com/snaprail/snaprail/guest-sdk/abi"

// gapped is frames that silence ends, or a byte of them that tells their length.
type gapped struct {
	window

	expect []abi.SerialExpect
}

// NewGap is a framer of frames of at most so many bytes that silence ends. expect
// tells where else one does: the first that fits it, by its length.
func NewGap(most int, expect []abi.SerialExpect) Framer {
	return &gapped{window: window{buffer: buffer{max: most}}, expect: expect}
}

// Next implements Framer.
func (f *gapped) Next(in []byte) (frame, rest []byte, v Verdict) {
	f.slide()
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
func (f *gapped) Pending() bool { return f.window.Pending() || f.skipping }

// Silence implements Framer: it is a frame's end.
func (f *gapped) Silence() ([]byte, Verdict) { return ended(f.Unfinished()) }

// ended is what silence has ended.
func ended(frame []byte) ([]byte, Verdict) {
	if len(frame) == 0 {
		return nil, More
	}
	return frame, Whole
}
