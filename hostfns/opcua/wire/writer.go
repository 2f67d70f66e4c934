package wire

import (
	"encoding/binary"
	"math"
	"time"
)

// Writer writes a request.
type Writer struct{ dst []byte }

// U8 writes a byte.
func (w *Writer) U8(v byte) { w.dst = append(w.dst, v) }

// U16 writes two bytes.
func (w *Writer) U16(v uint16) { w.dst = binary.LittleEndian.AppendUint16(w.dst, v) }

// U32 writes four bytes.
func (w *Writer) U32(v uint32) { w.dst = binary.LittleEndian.AppendUint32(w.dst, v) }

// U64 writes eight bytes.
func (w *Writer) U64(v uint64) { w.dst = binary.LittleEndian.AppendUint64(w.dst, v) }

// Double writes a number.
func (w *Writer) Double(v float64) { w.U64(math.Float64bits(v)) }

// Bool writes a truth value.
func (w *Writer) Bool(v bool) {
	if v {
		w.U8(1)
	} else {
		w.U8(0)
	}
}

// Count writes the length of an array.
func (w *Writer) Count(n int) { w.U32(uint32(n)) }

// Raw writes what is encoded already.
func (w *Writer) Raw(b []byte) { w.dst = append(w.dst, b...) }

// Bytes writes a byte string; nil: null.
func (w *Writer) Bytes(b []byte) {
	if b == nil {
		w.U32(math.MaxUint32)
		return
	}
	w.Count(len(b))
	w.Raw(b)
}

// Text writes a string; empty: null.
func (w *Writer) Text(s string) {
	if s == "" {
		w.U32(math.MaxUint32)
		return
	}
	w.Count(len(s))
	w.dst = append(w.dst, s...)
}

// Null writes a node that names none.
func (w *Writer) Null() { w.Raw([]byte{0, 0}) }

// Name writes a qualified name that is empty.
func (w *Writer) Name() {
	w.U16(0)
	w.Text("")
}

// typeID writes the type of a message.
func (w *Writer) typeID(id uint16) {
	w.Raw([]byte{1, 0})
	w.U16(id)
}

// header writes the header of a request.
func (w *Writer) header(token []byte, handle uint32, hint time.Duration) {
	if token == nil {
		w.Null()
	} else {
		w.Raw(token)
	}
	w.U64(Ticks(time.Now()))
	w.U32(handle)
	w.U32(0)
	w.Text("")
	w.U32(uint32(min(hint.Milliseconds(), math.MaxInt32)))
	w.Null()
	w.U8(0)
}

// ticksAt1970 is the Unix epoch in ticks.
const ticksAt1970 = 116444736000000000

// Ticks is a time in units of 100 ns since 1601.
func Ticks(t time.Time) uint64 { return uint64(t.UnixNano()/100 + ticksAt1970) }

// Done is what was written.
func (w *Writer) Done() []byte { return w.dst }
