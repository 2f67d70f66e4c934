package framing

// The bytes that mean something to SLIP (RFC 1055).
const (
	slipEnd    = 0xc0
	slipEscape = 0xdb
	slipEndIn  = 0xdc // after an escape: slipEnd
	slipEscIn  = 0xdd // after an escape: slipEscape
)

// slip decodes frames of SLIP. Empty ones, as between two ends, are none. One with
// an escape that means nothing is dropped whole.
type slip struct {
	buffer

	escaped bool
}

func (f *slip) Next(in []byte) (frame, rest []byte, v Verdict) {
	for i, b := range in {
		if b == slipEnd {
			if frame, v = f.end(); v == More {
				continue
			}
			return frame, in[i+1:], v
		}
		if f.skipping {
			continue
		}
		if v := f.add(b); v != More {
			f.part, f.skipping = f.part[:0], true
			return nil, in[i+1:], v
		}
	}
	return nil, nil, More
}

func (f *slip) add(b byte) Verdict {
	switch {
	case f.escaped && b == slipEndIn:
		b = slipEnd
	case f.escaped && b == slipEscIn:
		b = slipEscape
	case f.escaped:
		f.escaped = false
		return Broken
	case b == slipEscape:
		f.escaped = true
		return More
	}
	f.escaped = false
	if len(f.part) == f.max {
		return TooLong
	}
	f.part = append(f.part, b)
	return More
}

// end is what an end makes of what came before it.
func (f *slip) end() ([]byte, Verdict) {
	cut := f.escaped
	f.escaped = false
	switch {
	case f.skipping:
		f.Reset()
		return nil, More
	case cut:
		f.part = f.part[:0]
		return nil, Broken
	case len(f.part) == 0:
		return nil, More
	}
	frame := f.part
	f.part = f.part[:0]
	return frame, Whole
}

// Pending implements Framer.
func (f *slip) Pending() bool { return f.escaped || f.buffer.Pending() }

// Reset implements Framer.
func (f *slip) Reset() bool {
	cut := f.escaped
	f.escaped = false
	return f.buffer.Reset() || cut
}

// Silence implements Framer.
func (f *slip) Silence() ([]byte, Verdict) {
	if f.Reset() {
		return nil, Broken
	}
	return nil, More
}

// Rest implements Framer.
func (f *slip) Rest() []byte {
	if f.skipping || len(f.part) == 0 && !f.escaped {
		f.Reset()
		return nil
	}
	rest := appendEscaped([]byte{slipEnd}, f.part)
	if f.escaped {
		rest = append(rest, slipEscape)
	}
	f.Reset()
	return rest
}

// Unfinished implements Framer.
func (f *slip) Unfinished() []byte {
	f.escaped = false
	return f.buffer.Unfinished()
}

// Encode implements Framer. An end goes in front too, so that noise on the line is
// a frame of its own.
func (*slip) Encode(dst, data []byte) []byte {
	return append(appendEscaped(append(dst, slipEnd), data), slipEnd)
}

func appendEscaped(dst, data []byte) []byte {
	for _, b := range data {
		switch b {
		case slipEnd:
			dst = append(dst, slipEscape, slipEndIn)
		case slipEscape:
			dst = append(dst, slipEscape, slipEscIn)
		default:
			dst = append(dst, b)
		}
	}
	return dst
}
