package framing

import "bytes"

// delimited ends each frame with a delimiter, which is part of it. A frame beyond
// the bound, delimiter included, is dropped whole.
type delimited struct {
	buffer // while skipping, part is enough of the frame's end to find a delimiter

	delim []byte
}

func (f *delimited) Next(in []byte) (frame, rest []byte, v Verdict) {
	end := f.end(in)
	if end < 0 {
		return nil, nil, f.keep(in)
	}
	piece, rest := in[:end], in[end:]
	switch {
	case f.skipping:
		f.Reset()
		return nil, rest, More
	case len(f.part)+len(piece) > f.max:
		f.Reset()
		return nil, rest, TooLong
	case len(f.part) == 0:
		return piece, rest, Whole
	}
	frame = append(f.part, piece...)
	f.part = frame[:0]
	return frame, rest, Whole
}

// Silence implements Framer: on a quiet line nothing comes behind, a delimiter least.
func (f *delimited) Silence() ([]byte, Verdict) { return ended(f.Unfinished()) }

// end is where in `in` the first delimiter ends, or -1.
func (f *delimited) end(in []byte) int {
	if n := f.across(in); n > 0 {
		return n
	}
	if i := bytes.Index(in, f.delim); i >= 0 {
		return i + len(f.delim)
	}
	return -1
}

// across finds a delimiter that starts in what was kept and ends in `in`.
func (f *delimited) across(in []byte) int {
	before := f.part[max(0, len(f.part)-len(f.delim)+1):]
	if len(before) == 0 {
		return 0
	}
	var joint [2 * MaxDelimiter]byte
	n := copy(joint[:], before)
	n += copy(joint[n:], in[:min(len(in), len(f.delim)-1)])
	i := bytes.Index(joint[:n], f.delim)
	if i < 0 {
		return 0
	}
	return i + len(f.delim) - len(before)
}

// keep takes bytes without a delimiter.
func (f *delimited) keep(in []byte) Verdict {
	if !f.skipping && len(f.part)+len(in) <= f.max {
		f.part = append(f.part, in...)
		return More
	}
	v := More
	if !f.skipping {
		f.skipping, v = true, TooLong
	}
	tail := len(f.delim) - 1
	if len(in) > tail {
		f.part, in = f.part[:0], in[len(in)-tail:]
	}
	f.part = append(f.part, in...)
	f.part = f.part[:copy(f.part, f.part[max(0, len(f.part)-tail):])]
	return v
}
