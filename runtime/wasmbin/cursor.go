package wasmbin

import (
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
)

// cursor reads forward through src[pos:end]. It fails once: after the first
// fault every read gives zero values, so that callers look at err where it
// matters: before they act on a value, and at the end of each loop's body.
type cursor struct {
	src      []byte
	pos, end int
	err      error
}

// fail notes that the bytes at this offset of the file cannot be read. Only the
// first fault counts.
func (c *cursor) fail(at int, format string, args ...any) {
	c.refuse(fault.WasmMalformed, at, format, args...)
}

// invalid notes that what can be read does not mean anything.
func (c *cursor) invalid(at int, format string, args ...any) {
	c.refuse(fault.WasmInvalid, at, format, args...)
}

// feature notes the use of a proposal beyond WebAssembly 2.0.
func (c *cursor) feature(at int, format string, args ...any) {
	c.refuse(fault.WasmFeature, at, format, args...)
}

// refuse notes a fault of this kind: of a module that is wrong, or beyond a
// bound.
func (c *cursor) refuse(k fault.Kind, at int, format string, args ...any) {
	if c.err == nil {
		c.err = fault.New(k, format, args...).WithOffset(int64(at))
	}
	c.pos = c.end
}

func (c *cursor) more() bool { return c.err == nil && c.pos < c.end }

func (c *cursor) byte() byte {
	if c.pos >= c.end {
		c.fail(c.pos, "byte %d: the module ends in the middle of something", c.pos)
		return 0
	}
	b := c.src[c.pos]
	c.pos++
	return b
}

// u32 reads an unsigned LEB128 of at most 5 bytes whose spare bits are zero.
func (c *cursor) u32() uint32 {
	if c.pos < c.end && c.src[c.pos] < 0x80 {
		c.pos++
		return uint32(c.src[c.pos-1])
	}
	return c.longU32()
}

func (c *cursor) longU32() uint32 {
	at := c.pos
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b := c.byte()
		if c.err != nil {
			return 0
		}
		if shift == 28 && b > 0x0f {
			break
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	c.fail(at, "byte %d: an integer is too long or too large for 32 bits", at)
	return 0
}

// signed reads a signed LEB128 of at most this many bits: no byte more than they
// take, and spare bits that are copies of the sign.
func (c *cursor) signed(bits uint) int64 {
	at := c.pos
	var v int64
	for shift := uint(0); shift < bits; shift += 7 {
		b := c.byte()
		if c.err != nil {
			return 0
		}
		v |= int64(b&0x7f) << shift
		if b >= 0x80 {
			continue
		}
		if shift == 63 {
			if b != 0 && b != 0x7f {
				break
			}
			return v
		}
		v = v << (57 - shift) >> (57 - shift)
		if spare := 64 - bits; v<<spare>>spare != v {
			break
		}
		return v
	}
	c.fail(at, "byte %d: an integer is too long or too large for %d bits", at, bits)
	return 0
}

// s33 reads a block's type.
func (c *cursor) s33() int64 {
	if c.pos < c.end && c.src[c.pos] < 0x80 {
		c.pos++
		return int64(int8(c.src[c.pos-1]<<1)) >> 1 //nolint:gosec // seven bits and their sign
	}
	return c.signed(33)
}

// bits reads n bytes, the lowest first.
func (c *cursor) bits(n int) uint64 {
	at := c.pos
	c.skip(n)
	if c.err != nil {
		return 0
	}
	var v uint64
	for i := range n {
		v |= uint64(c.src[at+i]) << (8 * i)
	}
	return v
}

func (c *cursor) skip(n int) {
	if c.end-c.pos < n {
		c.fail(c.pos, "byte %d: the module ends in the middle of something", c.pos)
		return
	}
	c.pos += n
}

// span reads a size and answers a cursor over that many bytes, which it skips.
func (c *cursor) span(what string) cursor {
	at := c.pos
	n := c.u32()
	if c.err == nil && int64(n) > int64(c.end-c.pos) {
		c.fail(at, "byte %d: %s of %d bytes where %d are left", at, what, n, c.end-c.pos)
	}
	if c.err != nil {
		return cursor{err: c.err}
	}
	sub := cursor{src: c.src, pos: c.pos, end: c.pos + int(n)}
	c.pos = sub.end
	return sub
}

// name reads a size and that many bytes of UTF-8.
func (c *cursor) name(what string) string {
	at := c.pos
	s := c.span(what)
	if s.err != nil {
		return ""
	}
	raw := s.src[s.pos:s.end]
	switch {
	case len(raw) > MaxName:
		c.refuse(fault.WasmName, at, "byte %d: %s is %d bytes long, and %d are allowed", at, what, len(raw), MaxName)
		return ""
	case !utf8.Valid(raw):
		c.fail(at, "byte %d: %s is not UTF-8", at, what)
		return ""
	}
	return string(raw)
}

// count reads how many follow. Each takes a byte at least, so that a count
// beyond what is left is seen at once; one beyond the bound is a fault of kind k.
func (c *cursor) count(what string, bound int, k fault.Kind) int {
	at := c.pos
	n := int64(c.u32())
	switch {
	case c.err != nil:
		return 0
	case n > int64(bound):
		c.refuse(k, at, "byte %d: %d %s, and %d are allowed", at, n, what, bound)
		return 0
	case n > int64(c.end-c.pos):
		c.fail(at, "byte %d: %d %s in %d bytes", at, n, what, c.end-c.pos)
		return 0
	}
	return int(n)
}

// done checks that everything was read.
func (c *cursor) done(what string) error {
	if c.err == nil && c.pos != c.end {
		c.fail(c.pos, "byte %d: %s goes on for %d bytes after its end", c.pos, what, c.end-c.pos)
	}
	return c.err
}
