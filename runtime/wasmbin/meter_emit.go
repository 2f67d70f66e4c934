package wasmbin

import "encoding/binary"

// siteKind says what is put in at a site.
type siteKind uint8

const (
	siteCharge  siteKind = iota // units
	siteCheck                   // units, and a check
	siteLoop                    // the same behind a loop's header
	siteReplace                 // an opcode and an index
)

// site is a place in a body where code is put in, or in place of an
// instruction.
type site struct {
	at    uint32
	skip  uint32 // bytes of the source that are left out
	kind  siteKind
	op    byte
	index uint32
	units int
}

// emit copies the body from one offset to another, with what the sites put in.
func (b *bodies) emit(out []byte, from, to int) []byte {
	for i := range b.sites {
		s := &b.sites[i]
		out = append(out, b.src[from:s.at]...)
		from = int(s.at + s.skip)
		switch s.kind {
		case siteCharge:
			out = b.m.charge(out, s.units)
		case siteCheck:
			out = b.m.charge(out, s.units)
			out = b.m.check(out)
		case siteLoop:
			out = b.m.checkLoop(out, s.units)
		case siteReplace:
			out = uleb(append(out, s.op), uint64(s.index))
		}
	}
	return append(out, b.src[from:to]...)
}

// code is what is put in everywhere: instructions on the globals.
type code struct {
	fuel, stack, table              uint32 // indexes of the globals
	getFuel, setFuel                []byte
	getStack, setStack              []byte
	negative, negativeOne, yielding []byte
}

func newCode(globals, pause uint32) code {
	c := code{fuel: globals, stack: globals + 1, table: globals + 2}
	c.getFuel, c.setFuel = uleb([]byte{byte(opGlobalGet)}, uint64(c.fuel)), uleb([]byte{byte(opGlobalSet)}, uint64(c.fuel))
	c.getStack, c.setStack = uleb([]byte{byte(opGlobalGet)}, uint64(c.stack)), uleb([]byte{byte(opGlobalSet)}, uint64(c.stack))
	c.negative = []byte{byte(opI64Const), 0, i64LtS}
	c.yielding = append([]byte{byte(opIf), blockNothing}, uleb([]byte{byte(opCall)}, uint64(pause))...)
	return c
}

// The opcodes that only the meter writes, and that have no name elsewhere.
const (
	blockNothing = 0x40
	i32LtU       = 0x49
	i32GtU       = 0x4b
	i64LtS       = 0x53
	i64GtU       = 0x56
	i64LeU       = 0x58
	i32Add       = 0x6a
	i32Sub       = 0x6b
	i32And       = 0x71
	i64Add       = 0x7c
	i64Sub       = 0x7d
	i64Or        = 0x84
	i64Shl       = 0x86
	i64ShrU      = 0x88
	i64ExtendU   = 0xad
)

// charge takes units of fuel.
func (c *code) charge(out []byte, units int) []byte {
	if units == 0 {
		return out
	}
	return c.addFuel(out, -units)
}

func (c *code) addFuel(out []byte, units int) []byte {
	out = append(out, c.getFuel...)
	out = sleb(append(out, byte(opI64Const)), int64(units))
	return append(append(out, i64Add), c.setFuel...)
}

func (c *code) addStack(out []byte, words int) []byte {
	out = append(out, c.getStack...)
	out = sleb(append(out, byte(opI64Const)), int64(words))
	return append(append(out, i64Add), c.setStack...)
}

// check yields if no fuel is left.
func (c *code) check(out []byte) []byte {
	out = append(out, c.getFuel...)
	out = append(out, c.negative...)
	return append(append(out, c.yielding...), byte(opEnd))
}

// checkLoop charges and checks behind a loop's header. After a yield it goes
// back to the header instead of on, with the charge given back: so what the
// compiler holds in registers need not be the same after a yield and without
// one, which makes tight loops faster.
func (c *code) checkLoop(out []byte, units int) []byte {
	out = c.charge(out, units)
	out = append(out, c.getFuel...)
	out = append(out, c.negative...)
	out = append(out, c.yielding...)
	out = c.addFuel(out, units)
	return append(out, byte(opBr), 1, byte(opEnd))
}

// enter charges at the entry of a function, and counts the stack.
func (c *code) enter(out []byte, units, words int) []byte {
	if units == 0 && words == 0 {
		return out
	}
	out = c.charge(out, units)
	if words == 0 {
		return c.check(out)
	}
	out = c.addStack(out, -words)
	out = append(out, c.getFuel...)
	out = append(out, c.getStack...)
	out = append(out, i64Or)
	out = append(out, c.negative...)
	return append(append(out, c.yielding...), byte(opEnd))
}

// leave gives the words of the stack back.
func (c *code) leave(out []byte, words int) []byte {
	return c.addStack(out, words)
}

func uleb(out []byte, v uint64) []byte { return binary.AppendUvarint(out, v) }

func sleb(out []byte, v int64) []byte {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && b&0x40 == 0) || (v == -1 && b&0x40 != 0) {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
