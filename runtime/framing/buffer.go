package framing

// buffer holds the beginning of a frame. It does not allocate once that has grown.
type buffer struct {
	max      int
	part     []byte
	skipping bool // the frame is dropped up to its end
}

// Pending implements Framer.
func (b *buffer) Pending() bool { return len(b.part) > 0 || b.skipping }

// Reset implements Framer.
func (b *buffer) Reset() bool {
	had := len(b.part) > 0 && !b.skipping
	b.part, b.skipping = b.part[:0], false
	return had
}

// Unfinished implements Framer.
func (b *buffer) Unfinished() []byte {
	frame, skipped := b.part, b.skipping
	b.Reset()
	if skipped || len(frame) == 0 {
		return nil
	}
	return frame
}

// Silence implements Framer.
func (b *buffer) Silence() ([]byte, Verdict) {
	if b.Reset() {
		return nil, Broken
	}
	return nil, More
}

// Rest implements Framer.
func (b *buffer) Rest() []byte { return b.Unfinished() }

// Encode implements Framer.
func (*buffer) Encode(dst, data []byte) []byte { return append(dst, data...) }

// window is a buffer of which more may come at once than one frame: what stands before
// from was handed out, or dropped.
type window struct {
	buffer
	from int
}

// have is what is left of it.
func (w *window) have() []byte { return w.part[w.from:] }

// slide forgets what is done with.
func (w *window) slide() { w.part, w.from = w.part[:copy(w.part, w.have())], 0 }

// Pending implements Framer.
func (w *window) Pending() bool { return len(w.have()) > 0 }

// Reset implements Framer.
func (w *window) Reset() bool {
	had := w.Pending()
	w.part, w.from, w.skipping = w.part[:0], 0, false
	return had
}

// Unfinished implements Framer.
func (w *window) Unfinished() []byte {
	frame := w.have()
	if !w.Reset() {
		return nil
	}
	return frame
}

// Rest implements Framer.
func (w *window) Rest() []byte { return w.Unfinished() }
