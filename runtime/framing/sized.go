package framing

import "github.com/snaprail/snaprail/guest-sdk/abi"

// plain is bytes as they come, in pieces no larger than a frame.
type plain struct{ buffer }

func (f *plain) Next(in []byte) (frame, rest []byte, v Verdict) {
	if len(in) == 0 {
		return nil, nil, More
	}
	n := min(len(in), f.max)
	return in[:n], in[n:], Whole
}

// fixed is frames of one size.
type fixed struct {
	buffer

	size int
}

func (f *fixed) Next(in []byte) (frame, rest []byte, v Verdict) {
	return f.take(in, f.size)
}

// take fills a frame of n bytes.
func (b *buffer) take(in []byte, n int) (frame, rest []byte, v Verdict) {
	if len(b.part) == 0 && len(in) >= n {
		return in[:n], in[n:], Whole
	}
	missing := n - len(b.part)
	if len(in) < missing {
		b.part = append(b.part, in...)
		return nil, nil, More
	}
	frame = append(b.part, in[:missing]...)
	b.part = frame[:0]
	return frame, in[missing:], Whole
}

// counted is frames that say how long they are.
type counted struct {
	buffer

	set  abi.Framing
	left int64 // of a frame that is being dropped
}

func (f *counted) Next(in []byte) (frame, rest []byte, v Verdict) {
	if f.skipping {
		return f.skip(in, More)
	}
	var head [MaxHeader]byte
	end := int(f.set.LengthOffset + f.set.LengthSize)
	n := copy(head[:end], f.part)
	n += copy(head[n:end], in)
	if n < end {
		f.part = append(f.part, in...)
		return nil, nil, More
	}
	total, ok := f.total(head[f.set.LengthOffset:end])
	switch {
	case !ok || total > maxSkipped:
		f.part = f.part[:0]
		return nil, nil, Lost
	case total > int64(f.max):
		f.left = total - int64(len(f.part))
		f.part, f.skipping = f.part[:0], true
		return f.skip(in, TooLong)
	}
	return f.take(in, int(total))
}

// skip drops the rest of a frame.
func (f *counted) skip(in []byte, v Verdict) (frame, rest []byte, _ Verdict) {
	if int64(len(in)) < f.left {
		f.left -= int64(len(in))
		return nil, nil, v
	}
	rest = in[f.left:]
	f.Reset()
	return nil, rest, v
}

// total is how long a frame with this length field is; false: no frame is so.
func (f *counted) total(field []byte) (int64, bool) {
	var said uint64
	for i := range field {
		b := field[i]
		if f.set.LittleEndian {
			b = field[len(field)-1-i]
		}
		said = said<<8 | uint64(b)
	}
	if said > 1<<62 {
		return 0, false
	}
	head := int64(f.set.LengthOffset + f.set.LengthSize)
	n := head + int64(said) + f.set.LengthAdjust
	return n, n >= head
}
