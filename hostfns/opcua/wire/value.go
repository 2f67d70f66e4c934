package wire

import "github.com/snaprail/snaprail/guest-sdk/abi"

// sizes are those of the types of fixed size, by their number.
//
//	Boolean SByte Byte Int16 UInt16 Int32 UInt32 Int64 UInt64 Float Double
func sizeOf(kind byte) int {
	switch kind {
	case 1, 2, 3:
		return 1
	case 4, 5:
		return 2
	case 6, 7, 10, 19:
		return 4
	case 8, 9, 11, 13:
		return 8
	case 14:
		return 16
	}
	return 0
}

// Variant reads one and answers it as it is.
func (r *Reader) Variant() []byte {
	before := r.src
	r.skipVariant()
	if r.err != nil {
		return nil
	}
	n := len(before) - len(r.src)
	return before[:n:n]
}

// CheckVariant says whether src is one variant and nothing else.
func CheckVariant(src []byte) error {
	r := NewReader(src)
	if r.Variant(); r.err == nil && len(r.src) > 0 {
		r.fail()
	}
	return r.err
}

func (r *Reader) skipVariant() {
	mask := r.U8()
	kind := mask & 0x3f
	if kind == 0 {
		return
	}
	if kind > 25 {
		r.fail()
		return
	}
	if mask&0x80 == 0 {
		r.skipElement(kind)
		return
	}
	if size := sizeOf(kind); size > 0 {
		r.take(size * r.Count(size))
	} else {
		for range r.Count(1) {
			r.skipElement(kind)
		}
	}
	if mask&0x40 != 0 {
		r.take(4 * r.Count(4))
	}
}

func (r *Reader) skipElement(kind byte) {
	switch kind {
	case 12, 15, 16:
		r.Bytes()
	case 17:
		r.skipNode()
	case 18:
		r.skipExpandedNode()
	case 20:
		r.take(2)
		r.Bytes()
	case 21:
		r.localized()
	case 22:
		r.SkipExtension()
	case 23:
		r.nest(func() { r.Value() })
	case 24:
		r.nest(r.skipVariant)
	case 25:
		r.skipDiagnostic()
	default:
		r.take(sizeOf(kind))
	}
}

// localized reads a text and its locale.
func (r *Reader) localized() (text, locale string) {
	mask := r.U8()
	if mask&1 != 0 {
		locale = r.Text()
	}
	if mask&2 != 0 {
		text = r.Text()
	}
	return text, locale
}

// SkipExtension skips an extension object.
func (r *Reader) SkipExtension() {
	r.skipNode()
	if encoding := r.U8(); encoding == 1 || encoding == 2 {
		r.Bytes()
	}
}

// Value reads a data value.
func (r *Reader) Value() (v abi.OPCUAValue) {
	mask := r.U8()
	if mask&0x01 != 0 {
		v.Variant = r.Variant()
	}
	if mask&0x02 != 0 {
		v.Status = r.U32()
	}
	if mask&0x04 != 0 {
		v.SourceTicks = r.U64()
	}
	if mask&0x10 != 0 {
		v.SourcePico = uint32(r.U16())
	}
	if mask&0x08 != 0 {
		v.ServerTicks = r.U64()
	}
	if mask&0x20 != 0 {
		v.ServerPico = uint32(r.U16())
	}
	return v
}

// Value writes a data value: what is zero is left out.
func (w *Writer) Value(v *abi.OPCUAValue) {
	var mask byte
	set := func(bit byte, there bool) {
		if there {
			mask |= bit
		}
	}
	set(0x01, len(v.Variant) > 0)
	set(0x02, v.Status != 0)
	set(0x04, v.SourceTicks != 0)
	set(0x08, v.ServerTicks != 0)
	set(0x10, v.SourcePico != 0)
	set(0x20, v.ServerPico != 0)
	w.U8(mask)
	w.Raw(v.Variant)
	if v.Status != 0 {
		w.U32(v.Status)
	}
	if v.SourceTicks != 0 {
		w.U64(v.SourceTicks)
	}
	if v.SourcePico != 0 {
		w.U16(uint16(v.SourcePico)) //nolint:gosec // below 10,000, as the caller has checked
	}
	if v.ServerTicks != 0 {
		w.U64(v.ServerTicks)
	}
	if v.ServerPico != 0 {
		w.U16(uint16(v.ServerPico)) //nolint:gosec // as above
	}
}
