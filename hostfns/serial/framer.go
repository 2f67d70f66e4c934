package serial

import "bytes"

// framer cuts a stream of bytes into frames, each ending with the delimiter.
// A frame beyond max bytes, delimiter included, is dropped whole: the framer
// tells so once and is in step again after the next delimiter. It holds at
// most max bytes, and does not allocate once that has grown.
type framer struct {
	delim    []byte
	max      int
	part     []byte // the start of the frame; while skipping, enough of its end to find a delimiter
	skipping bool
}

func newFramer(delim string, limit int) *framer {
	return &framer{delim: []byte(delim), max: limit}
}

// next reads from in up to the end of a frame and answers the rest. The frame
// is valid until the next call and while in is.
func (f *framer) next(in []byte) (frame, rest []byte, v verdict) {
	end := f.end(in)
	if end < 0 {
		return nil, nil, f.keep(in)
	}
	piece, rest := in[:end], in[end:]
	switch {
	case f.skipping:
		f.reset()
		return nil, rest, more
	case len(f.part)+len(piece) > f.max:
		f.reset()
		return nil, rest, tooLong
	case len(f.part) == 0:
		return piece, rest, whole
	}
	frame = append(f.part, piece...)
	f.part = frame[:0]
	return frame, rest, whole
}

// reset forgets an unfinished frame and reports whether there was one.
func (f *framer) reset() bool {
	had := len(f.part) > 0 && !f.skipping
	f.part, f.skipping = f.part[:0], false
	return had
}

// unfinished answers what there is of a frame, and forgets it.
func (f *framer) unfinished() []byte {
	frame, skipped := f.part, f.skipping
	f.reset()
	if skipped {
		return nil
	}
	return frame
}

// silence ends a frame without its delimiter.
func (f *framer) silence() ([]byte, verdict) {
	if frame := f.unfinished(); len(frame) > 0 {
		return frame, whole
	}
	return nil, more
}

func (f *framer) idle() bool { return len(f.part) == 0 && !f.skipping }

// end is where in `in` the first delimiter ends, or -1.
func (f *framer) end(in []byte) int {
	if n := f.across(in); n > 0 {
		return n
	}
	if i := bytes.Index(in, f.delim); i >= 0 {
		return i + len(f.delim)
	}
	return -1
}

// across finds a delimiter that starts in what was kept and ends in `in`.
func (f *framer) across(in []byte) int {
	before := f.part[max(0, len(f.part)-len(f.delim)+1):]
	if len(before) == 0 {
		return 0
	}
	var joint [2 * maxDelimiter]byte
	n := copy(joint[:], before)
	n += copy(joint[n:], in[:min(len(in), len(f.delim)-1)])
	i := bytes.Index(joint[:n], f.delim)
	if i < 0 {
		return 0
	}
	return i + len(f.delim) - len(before)
}

// keep takes bytes without a delimiter.
func (f *framer) keep(in []byte) verdict {
	if !f.skipping && len(f.part)+len(in) <= f.max {
		f.part = append(f.part, in...)
		return more
	}
	v := more
	if !f.skipping {
		f.skipping, v = true, tooLong
	}
	tail := len(f.delim) - 1
	if len(in) > tail {
		f.part, in = f.part[:0], in[len(in)-tail:]
	}
	f.part = append(f.part, in...)
	f.part = f.part[:copy(f.part, f.part[max(0, len(f.part)-tail):])]
	return v
}
