package wire

import (
	"encoding/binary"
	"errors"
	"strings"
)

// errMalformed is what a peer sent that is no message.
var errMalformed = errors.New("the message cannot be read")

// maxDepth bounds how deep values may lie inside of each other.
const maxDepth = 32

// Reader reads what a peer sent, and trusts nothing of it. After a fault all it
// reads is zero, and Err says so.
type Reader struct {
	src   []byte
	err   error
	depth int
}

// NewReader reads src, of which what it answers may be a part.
func NewReader(src []byte) *Reader { return &Reader{src: src} }

// Err is the first fault.
func (r *Reader) Err() error { return r.err }

// Len is how many bytes are left.
func (r *Reader) Len() int { return len(r.src) }

func (r *Reader) fail() {
	if r.err == nil {
		r.err = errMalformed
	}
	r.src = nil
}

func (r *Reader) take(n int) []byte {
	if n < 0 || n > len(r.src) {
		r.fail()
		return nil
	}
	out := r.src[:n:n]
	r.src = r.src[n:]
	return out
}

// U8 reads a byte.
func (r *Reader) U8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// U16 reads two bytes.
func (r *Reader) U16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// U32 reads four bytes.
func (r *Reader) U32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// U64 reads eight bytes.
func (r *Reader) U64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Bytes reads a byte string; nil: null.
func (r *Reader) Bytes() []byte {
	n := int32(r.U32()) //nolint:gosec // -1 is null
	if n < 0 {
		return nil
	}
	return r.take(int(n))
}

// Text reads a string. What is not UTF-8 in it is replaced.
func (r *Reader) Text() string { return strings.ToValidUTF8(string(r.Bytes()), "\uFFFD") }

// Count reads the length of an array whose elements have at least least bytes
// each, so that a peer cannot make anyone allocate what it does not send.
func (r *Reader) Count(least int) int {
	n := int32(r.U32()) //nolint:gosec // -1 is null
	if n <= 0 {
		return 0
	}
	if int(n) > len(r.src)/least {
		r.fail()
		return 0
	}
	return int(n)
}

// Statuses reads an array of status codes.
func (r *Reader) Statuses() []uint32 {
	list := make([]uint32, r.Count(4))
	for i := range list {
		list[i] = r.U32()
	}
	return list
}

// nest runs read one level deeper.
func (r *Reader) nest(read func()) {
	if r.depth++; r.depth > maxDepth {
		r.fail()
	} else {
		read()
	}
	r.depth--
}

// SkipDiagnostics skips an array of what nobody asked for.
func (r *Reader) SkipDiagnostics() {
	for range r.Count(1) {
		r.skipDiagnostic()
	}
}

func (r *Reader) skipDiagnostic() {
	r.nest(func() {
		mask := r.U8()
		for _, bit := range []byte{0x01, 0x02, 0x04, 0x08} {
			if mask&bit != 0 {
				r.take(4)
			}
		}
		if mask&0x10 != 0 {
			r.Bytes()
		}
		if mask&0x20 != 0 {
			r.take(4)
		}
		if mask&0x40 != 0 {
			r.skipDiagnostic()
		}
	})
}

// Rest is a reader of what is left, which outlives the one that it comes from.
func (r *Reader) Rest() *Reader { return &Reader{src: r.src} }
