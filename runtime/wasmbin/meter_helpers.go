package wasmbin

import "math"

// helperKind is a function that the meter adds.
type helperKind uint8

const (
	pause         helperKind = iota // () -> (): yields, or traps if no stack is left
	copyMemory                      // memory.copy in pieces
	fillMemory                      // memory.fill in pieces
	initMemory                      // memory.init of a large segment in pieces
	chargeBytes                     // (n) -> n: charges for n bytes
	chargeEntries                   // (n) -> n: charges for n entries of a table
	growTable                       // table.grow up to the limit
)

// i32Or is needed by growTable alone.
const i32Or = 0x72

// helper names one; index is its segment or its table.
type helper struct {
	kind  helperKind
	index uint32
}

// helper is the number of a function that the meter adds, which is added if it
// is not there yet.
func (m *meter) helper(h helper) uint32 {
	n, ok := m.helperAt[h]
	if !ok {
		n = m.total + 1 + uint32(len(m.helpers))
		m.helperAt[h] = n
		m.helpers = append(m.helpers, h)
	}
	return n
}

// helperType is the signature of a helper: its parameters and results.
func (m *meter) helperType(h helper) (params, results []byte) {
	i := byte(i32)
	switch h.kind {
	case copyMemory, fillMemory, initMemory:
		return []byte{i, i, i}, nil
	case chargeBytes, chargeEntries:
		return []byte{i}, []byte{i}
	case growTable:
		return []byte{m.tableType(h.index), i}, []byte{i}
	default:
		return nil, nil
	}
}

// helperBody is the body of a helper, with its declarations of locals.
func (m *meter) helperBody(h helper) []byte {
	w := &writer{code: &m.code}
	switch h.kind {
	case pause:
		w.locals(0)
		w.pauseBody(m.imported)
	case copyMemory:
		op := []byte{0xfc, 10, 0, 0}
		w.locals(1)
		w.pieces(w.copyRange, op, func() { w.copyPieces(op) })
	case fillMemory:
		op := []byte{0xfc, 11, 0}
		w.locals(1)
		w.pieces(w.fillRange, op, func() { w.forward(op, localTo) })
	case initMemory:
		op := append(uleb([]byte{0xfc, 8}, uint64(h.index)), 0)
		w.locals(1)
		w.pieces(func() { w.initRange(op) }, op, func() { w.forward(op, localTo, localFrom) })
	case chargeBytes:
		w.locals(0)
		w.chargeLength(0, bytesShift)
		w.get(0)
	case chargeEntries:
		w.locals(0)
		w.chargeLength(0, entriesShift)
		w.get(0)
	case growTable:
		w.locals(0)
		w.growTable(h.index)
	}
	return append(w.out, byte(opEnd))
}

// writer writes the body of a helper. Of one that works in pieces the locals
// are 0 to, 1 from or the value, 2 the length, and 3 the length of the piece.
type writer struct {
	*code
	out []byte
}

const (
	localTo = iota
	localFrom
	localLength
	localPiece
)

func (w *writer) op(ops ...byte)    { w.out = append(w.out, ops...) }
func (w *writer) get(n uint32)      { w.out = uleb(append(w.out, byte(opLocalGet)), uint64(n)) }
func (w *writer) set(n uint32)      { w.out = uleb(append(w.out, byte(opLocalSet)), uint64(n)) }
func (w *writer) i32(v int32)       { w.out = sleb(append(w.out, byte(opI32Const)), int64(v)) }
func (w *writer) i64(v int64)       { w.out = sleb(append(w.out, byte(opI64Const)), v) }
func (w *writer) long(local uint32) { w.get(local); w.op(i64ExtendU) }

// locals declares so many locals of type i32.
func (w *writer) locals(n byte) {
	if n == 0 {
		w.op(0)
		return
	}
	w.op(1, n, byte(i32))
}

// pauseBody traps if no stack is left, else asks the host for fuel.
func (w *writer) pauseBody(yield uint32) {
	w.op(w.getStack...)
	w.op(w.negative...)
	w.op(byte(opIf), blockNothing, byte(opUnreachable), byte(opEnd))
	w.op(w.getFuel...)
	w.out = uleb(append(w.out, byte(opCall)), uint64(yield))
	w.op(w.setFuel...)
}

// chargeLength charges for what a local counts, and checks. A shift to the
// right is negative.
func (w *writer) chargeLength(local uint32, shift int) {
	w.op(w.getFuel...)
	w.long(local)
	if shift < 0 {
		w.i64(int64(-shift))
		w.op(i64ShrU)
	} else {
		w.i64(int64(shift))
		w.op(i64Shl)
	}
	w.i64(bulkUnits)
	w.op(i64Add, i64Sub)
	w.op(w.setFuel...)
	w.out = w.check(w.out, false)
}

// pieces does an instruction on the operands at once if it is short, else in
// pieces. A range leaves whether the long one lies inside the memory, or traps
// as the instruction does; if it does not, the instruction itself traps.
func (w *writer) pieces(inside func(), instruction []byte, long func()) {
	w.get(localLength)
	w.i32(wholeBytes)
	w.op(i32GtU, byte(opIf), blockNothing)
	inside()
	w.op(byte(opIf), blockNothing)
	long()
	w.op(byte(opReturn), byte(opEnd), byte(opEnd))
	w.chargeLength(localLength, bytesShift)
	w.get(localTo)
	w.get(localFrom)
	w.get(localLength)
	w.op(instruction...)
}

// fits leaves whether a range that starts at a local lies inside the memory.
func (w *writer) fits(local uint32) {
	w.long(local)
	w.long(localLength)
	w.op(i64Add, byte(opMemorySize), 0, i64ExtendU)
	w.i64(16) // a page is 64 KiB
	w.op(i64Shl, i64LeU)
}

func (w *writer) copyRange() {
	w.fits(localTo)
	w.fits(localFrom)
	w.op(i32And)
}

func (w *writer) fillRange() { w.fits(localTo) }

// initRange asks the instruction itself, by a copy of nothing at the end of
// both ranges: the size of a segment cannot be asked for.
func (w *writer) initRange(instruction []byte) {
	for _, local := range []uint32{localTo, localFrom} {
		w.long(local)
		w.long(localLength)
		w.op(i64Add)
		w.i64(1<<32 - 1)
		w.op(i64LeU)
	}
	w.op(i32And, byte(opIf), byte(i32))
	for _, local := range []uint32{localTo, localFrom} {
		w.get(local)
		w.get(localLength)
		w.op(i32Add)
	}
	w.i32(0)
	w.op(instruction...)
	w.i32(1)
	w.op(byte(opElse))
	w.i32(0)
	w.op(byte(opEnd))
}

// piece sets the length of the next piece, and charges it.
func (w *writer) piece() {
	w.get(localLength)
	w.i32(pieceBytes)
	w.get(localLength)
	w.i32(pieceBytes)
	w.op(i32LtU, byte(opSelect))
	w.set(localPiece)
	w.chargeLength(localPiece, bytesShift)
}

func (w *writer) add(local uint32, op byte) {
	w.get(local)
	w.get(localPiece)
	w.op(op)
	w.set(local)
}

// again ends a loop that goes on while something is left.
func (w *writer) again() {
	w.get(localLength)
	w.op(byte(opBrIf), 0, byte(opEnd))
}

// forward works from the start to the end.
func (w *writer) forward(instruction []byte, moving ...uint32) {
	w.op(byte(opLoop), blockNothing)
	w.piece()
	w.get(localTo)
	w.get(localFrom)
	w.get(localPiece)
	w.op(instruction...)
	for _, local := range moving {
		w.add(local, i32Add)
	}
	w.add(localLength, i32Sub)
	w.again()
}

// backward works from the end to the start.
func (w *writer) backward(instruction []byte) {
	w.op(byte(opLoop), blockNothing)
	w.piece()
	w.add(localLength, i32Sub)
	for _, local := range []uint32{localTo, localFrom} {
		w.get(local)
		w.get(localLength)
		w.op(i32Add)
	}
	w.get(localPiece)
	w.op(instruction...)
	w.again()
}

// copyPieces works from the end if the target lies behind the source: so an
// overlap is not overwritten before it is read.
func (w *writer) copyPieces(instruction []byte) {
	w.get(localFrom)
	w.get(localTo)
	w.op(i32LtU, byte(opIf), blockNothing)
	w.backward(instruction)
	w.op(byte(opElse))
	w.forward(instruction, localTo, localFrom)
	w.op(byte(opEnd))
}

// growTable answers -1 for a table that would be larger than the limit, and
// sets the sign of the limit so that the host can see that it did.
func (w *writer) growTable(table uint32) {
	const value, entries = 0, 1
	limit := func() {
		w.out = uleb(append(w.out, byte(opGlobalGet)), uint64(w.table))
		w.i32(math.MaxInt32)
		w.op(i32And)
	}
	w.out = w.charge(w.out, growUnits)
	w.out = uleb(append(w.out, 0xfc, 16), uint64(table))
	w.op(i64ExtendU)
	w.long(entries)
	w.op(i64Add)
	limit()
	w.op(i64ExtendU, i64GtU, byte(opIf), blockNothing)
	limit()
	w.i32(math.MinInt32)
	w.op(i32Or)
	w.out = uleb(append(w.out, byte(opGlobalSet)), uint64(w.table))
	w.i32(-1)
	w.op(byte(opReturn), byte(opEnd))
	w.chargeLength(entries, growShift)
	w.get(value)
	w.get(entries)
	w.out = uleb(append(w.out, 0xfc, 15), uint64(table))
}
