package serial

// The bytes of SLIP (RFC 1055).
const (
	slipEnd    = 0xc0
	slipEsc    = 0xdb
	slipEscEnd = 0xdc
	slipEscEsc = 0xdd
)

// appendSLIP adds a frame as it is sent, with an end before it, which flushes
// noise out of the receiver.
func appendSLIP(dst, frame []byte) []byte {
	return append(appendEscaped(append(dst, slipEnd), frame), slipEnd)
}

func appendEscaped(dst, frame []byte) []byte {
	for _, c := range frame {
		switch c {
		case slipEnd:
			dst = append(dst, slipEsc, slipEscEnd)
		case slipEsc:
			dst = append(dst, slipEsc, slipEscEsc)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// slipFramer undoes SLIP. A frame with an escape that the RFC does not know is
// dropped whole; empty frames are none.
type slipFramer struct {
	max      int
	part     []byte
	done     bool // part was handed out
	escaped  bool
	skipping bool
}

func (f *slipFramer) next(in []byte) (frame, rest []byte, v verdict) {
	if f.done {
		f.part, f.done = f.part[:0], false
	}
	for i, c := range in {
		if v := f.take(c); v != more {
			if v == whole {
				return f.part, in[i+1:], whole
			}
			return nil, in[i+1:], v
		}
	}
	return nil, nil, more
}

func (f *slipFramer) take(c byte) verdict {
	switch {
	case f.skipping:
		f.skipping = c != slipEnd
		return more
	case c == slipEnd && f.escaped:
		f.reset()
		return broken
	case c == slipEnd:
		f.done = len(f.part) > 0
		if f.done {
			return whole
		}
		return more
	case f.escaped:
		f.escaped = false
		switch c {
		case slipEscEnd:
			c = slipEnd
		case slipEscEsc:
			c = slipEsc
		default:
			return f.skip(broken)
		}
	case c == slipEsc:
		f.escaped = true
		return more
	}
	if len(f.part) == f.max {
		return f.skip(tooLong)
	}
	f.part = append(f.part, c)
	return more
}

// skip drops the frame up to its end.
func (f *slipFramer) skip(why verdict) verdict {
	f.reset()
	f.skipping = true
	return why
}

// silence gives up a frame that has begun.
func (f *slipFramer) silence() ([]byte, verdict) {
	if f.reset() {
		return nil, broken
	}
	return nil, more
}

func (f *slipFramer) idle() bool {
	return !f.skipping && !f.escaped && (len(f.part) == 0 || f.done)
}

func (f *slipFramer) reset() bool {
	had := f.escaped || len(f.part) > 0 && !f.done
	f.part, f.done, f.escaped, f.skipping = f.part[:0], false, false, false
	return had
}

func (f *slipFramer) unfinished() []byte {
	if f.done || len(f.part) == 0 && !f.escaped {
		f.reset()
		return nil
	}
	rest := appendEscaped([]byte{slipEnd}, f.part)
	if f.escaped {
		rest = append(rest, slipEsc)
	}
	f.reset()
	return rest
}
