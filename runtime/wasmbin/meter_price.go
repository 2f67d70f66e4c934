package wasmbin

// What things cost. These are a promise: quotas and bills count in them, so a
// change needs another MeterVersion.
const (
	pathUnits     = 64    // a way is charged when it owes more than this
	straightUnits = 4_096 // a way is checked when it has gone on for this long
	unwindUnits   = 4     // so much for each word of a call's stack may be done unchecked when it goes back
	localsPerUnit = 32    // a branch costs a unit more for so many locals
	valuesPerUnit = 8     // a call or a branch costs a unit more for so many values
	hostUnits     = 250   // an instruction that leaves compiled code
	growUnits     = 1_000 // memory.grow and table.grow
	growShift     = 5     // 32 units for an entry of table.grow
	bulkUnits     = 8     // an instruction on a range, and beside that:
	bytesShift    = -2    // a unit for 4 bytes
	entriesShift  = 1     // 2 units for an entry of a table

	// so far does a short instruction on a range bring the next check nearer
	wholeSince = straightUnits / 4

	mostInline = 64 // of them are done in place in a function

	wholeBytes = 64 << 10  // more than this is done in pieces
	pieceBytes = 256 << 10 // of this size

	mostStale = 16 // loads of the fuel that are put in for the sake of one loop

	frameBase = 8    // words that a call takes beside its values
	freeSteps = 1024 // instructions of a function for whose values that is enough

	stepsPerWord = 8 // of the instructions beyond

	maxFrame = 1 << 20 // words of one function's locals, far beyond what Read allows
)

// price is what a plain instruction costs, and by how much it makes the stack
// of operands grow.
type price struct {
	units uint16
	grows int8
}

// prices knows the instructions that go on to the next one, except those that
// step() knows itself.
type prices struct {
	plain  [256]price
	misc   [256]price
	vector [256]price
}

func (p *prices) of(op opcode) price {
	switch op &^ 0xff {
	case prefixVector:
		return p.vector[op&0xff]
	case prefixMisc:
		return p.misc[op&0xff]
	default:
		return p.plain[op&0xff]
	}
}

func newPrices() *prices {
	p, sigs := new(prices), newSignatures()
	for i := range p.plain {
		p.plain[i] = priced(&sigs.plain[i], 1)
	}
	for i := range sigs.misc {
		p.misc[i] = priced(&sigs.misc[i], 1)
	}
	for i := range sigs.vector {
		p.vector[i] = priced(&sigs.vector[i], 2)
	}
	for op, one := range p.others() {
		p.plain[op] = one
	}
	for _, op := range []int{0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82, 0x91, 0x95, 0x9f, 0xa3} {
		p.plain[op].units = 4 // division and square root
	}
	p.plain[opMemoryGrow].units = growUnits
	return p
}

func priced(s *signature, units uint16) price {
	return price{units: units, grows: int8(s.pushes() - s.pops())} //nolint:gosec // at most 3
}

// others are those that are more than their signature, or cost nothing.
func (p *prices) others() map[opcode]price {
	return map[opcode]price{
		opNop:         {0, 0},
		opDrop:        {0, -1},
		opSelect:      {1, -2},
		opSelectTyped: {1, -2},
		opLocalGet:    {0, 1},
		opLocalSet:    {1, -1},
		opLocalTee:    {1, 0},
		opGlobalGet:   {1, 1},
		opGlobalSet:   {1, -1},
		opTableGet:    {1, 0},
		opTableSet:    {1, -2},
		opI32Const:    {0, 1},
		opI64Const:    {0, 1},
		opF32Const:    {0, 1},
		opF64Const:    {0, 1},
		opRefNull:     {0, 1},
		opRefIsNull:   {1, 0},
	}
}
