package framing

import "bytes"

// NewScan is a framer of frames of a layout, of at most so many bytes. Where one
// turns out to be none it begins anew at the next byte, so that what stands behind
// noise is found; a framer of New says that it is Lost instead, for a stream that
// brings what was sent or nothing.
func NewScan(l Layout, most int) Framer {
	return &scanned{window: window{buffer: buffer{max: most}}, layout: l}
}

// scanned is skipping from the first byte that it drops, which it tells, to the next
// frame, though that may have begun.
type scanned struct {
	window

	layout Layout
}

// Next implements Framer.
func (f *scanned) Next(in []byte) (frame, rest []byte, v Verdict) {
	if len(in) > 0 {
		f.slide()
		f.part = append(f.part, in...)
	}
	frame, v = f.scan()
	return frame, nil, v
}

func (f *scanned) scan() (frame []byte, v Verdict) {
	for {
		have := f.have()
		if len(have) == 0 {
			return nil, More
		}
		n, ok := f.layout.length(have, f.max)
		switch {
		case ok && len(have) < n:
			return nil, More
		case ok && f.layout.holds(have[:n]):
			f.from += n
			f.skipping = false
			return have[:n], Whole
		}
		if f.drop() {
			return nil, Broken
		}
	}
}

// drop drops the first byte, and those behind it that begin no frame. It reports
// whether that has to be told.
func (f *scanned) drop() bool {
	f.from++
	if f.layout.Start != "" {
		if i := bytes.IndexByte(f.have(), f.layout.Start[0]); i >= 0 {
			f.from += i
		} else {
			f.from = len(f.part)
		}
	}
	tell := !f.skipping
	f.skipping = true
	return tell
}

// Silence gives up a frame that has begun: what stands in it may be whole.
func (f *scanned) Silence() (frame []byte, v Verdict) {
	for {
		if frame, v = f.scan(); v != More || !f.Pending() {
			return frame, v
		}
		if f.drop() {
			return nil, Broken
		}
	}
}
