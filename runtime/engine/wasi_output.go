package engine

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

// The bounds of a guest's output.
const (
	maxLine   = 8 << 10  // bytes; the rest of a longer line is dropped and counted
	maxWrite  = 64 << 10 // bytes taken by one call; guests write the rest again
	maxRanges = 1024     // of one call
	tailSize  = 4 << 10  // of stderr, for the text of a trap
)

// fdWrite (fd, ranges, count, result) takes stdout and stderr.
func fdWrite(i *Instance, p []uint64) errno {
	fd, n := api.DecodeU32(p[0]), api.DecodeU32(p[2])
	if fd != 1 && fd != 2 {
		return ebadf
	}
	if n > maxRanges {
		return einval
	}
	ranges, ok := i.memory.at(api.DecodeU32(p[1]), n*8)
	if !ok {
		return efault
	}
	var written uint32
	for ; len(ranges) > 0 && written < maxWrite; ranges = ranges[8:] {
		text, ok := i.memory.at(binary.LittleEndian.Uint32(ranges), binary.LittleEndian.Uint32(ranges[4:]))
		if !ok {
			return efault
		}
		text = text[:min(len(text), int(maxWrite-written))]
		i.print(int(fd), text)
		written += uint32(len(text))
	}
	i.charge(int(written))
	return i.put32(p[3], written)
}

// print takes a piece of a guest's output.
func (i *Instance) print(stream int, text []byte) {
	w := &i.wasi
	if stream == 2 {
		w.remember(text)
	}
	l := &w.output[stream-1]
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		text = rest
		if whole && len(l.part) == 0 && len(line) <= maxLine {
			i.line(stream, line)
			continue
		}
		if l.add(line) {
			i.engine.stats.cutLines.Add(1)
		}
		if whole {
			i.line(stream, l.part)
			l.reset()
		}
	}
}

// line hands on a whole line. It costs as much as a host call, which it is to
// the Host: a write can hold tens of thousands of empty ones.
func (i *Instance) line(stream int, line []byte) {
	i.charge(len(line))
	if stream == 2 && isVerdict(line) {
		i.wasi.verdict = append(i.wasi.verdict[:0], line[:min(len(line), maxErrorText)]...)
	}
	i.tell(stream, line)
}

// isVerdict recognizes the line in which a language's runtime says why it gives
// up. What follows can be longer than what is kept.
func isVerdict(line []byte) bool {
	for _, start := range []string{"panic: ", "fatal error: ", "runtime: out of memory", "thread '", "abort: "} {
		if bytes.HasPrefix(line, []byte(start)) {
			return true
		}
	}
	return false
}

// lines is the beginning of a line that has not ended yet.
type lines struct {
	part []byte
	cut  bool
}

// add reports whether the line has just become too long.
func (l *lines) add(text []byte) bool {
	room := maxLine - len(l.part)
	l.part = append(l.part, text[:min(len(text), room)]...)
	if len(text) <= room || l.cut {
		return false
	}
	l.cut = true
	return true
}

func (l *lines) reset() { l.part, l.cut = l.part[:0], false }

// flush hands on lines that will not end.
func (i *Instance) flush() {
	for n := range i.wasi.output {
		if l := &i.wasi.output[n]; len(l.part) > 0 {
			i.tell(n+1, l.part)
			l.reset()
		}
	}
}

// remember keeps the end of stderr.
func (w *wasiState) remember(text []byte) {
	if len(text) > tailSize {
		text = text[len(text)-tailSize:]
	}
	w.tail = append(w.tail, text...)
	if over := len(w.tail) - tailSize; over > tailSize {
		w.tail = append(w.tail[:0], w.tail[over:]...)
	}
}

// lastWords is why the guest gave up, if it said so, and the end of stderr: at
// most tailSize bytes in whole lines.
func (w *wasiState) lastWords() string {
	tail := w.tail
	if over := len(tail) - tailSize; over > 0 {
		tail = tail[over:]
		if _, whole, ok := bytes.Cut(tail, []byte{'\n'}); ok {
			tail = whole
		}
	}
	text := string(tail)
	if !bytes.Contains(tail, w.verdict) {
		text = string(w.verdict) + "\n...\n" + text
	}
	return strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD"))
}

// clip shortens a text that crosses into a guest.
func clip(text string) string {
	if len(text) <= maxErrorText {
		return text
	}
	return strings.ToValidUTF8(text[:maxErrorText], "") + " ..."
}
