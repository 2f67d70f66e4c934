package wasmbin

import "encoding/binary"

// siteKind says what is put in at a site.
type siteKind uint8

const (
	siteCharge  siteKind = iota // units
	siteCheck                   // units, and a check
	siteLoop                    // a loop around a loop, where it yields
	siteHeader                  // a check and units at the loop's header
	siteBack                    // a check and units where a loop goes back
	siteEnd                     // the end of the loop around
	siteLoad                    // the local of the fuel, if it is needed
	siteReplace                 // an opcode and an index
	siteTable                   // a branch table
	siteBulk                    // an instruction on a range
)

// site is a place in a body where code is put in, or in place of an
// instruction.
type site struct {
	at      uint32
	skip    uint32 // bytes of the source that are left out
	kind    siteKind
	op      byte
	index   uint32
	units   int
	held    bool // the local of the fuel holds it
	hold    bool // and shall hold it afterwards
	load    bool // the local of the fuel is loaded
	params  bool // the loop has parameters
	stack   bool // the stack is checked too
	earlier int  // of siteLoad: the one before for the same loop; -1: there is none
}

// emit copies the body from one offset to another, with what the sites put in.
func (b *bodies) emit(out []byte, from, to int) []byte {
	for i := range b.sites {
		s := &b.sites[i]
		out = append(out, b.src[from:s.at]...)
		from = int(s.at + s.skip)
		switch s.kind {
		case siteCharge:
			out = b.charge(out, s)
		case siteCheck:
			out = b.charge(out, s)
			out = b.check(out, s.hold)
		case siteLoop:
			out = b.loopAround(out, s)
		case siteHeader:
			out = b.checkHeader(out, s)
		case siteBack:
			out = b.charge(out, s)
			out = append(b.getHeld(out, s.held && s.units == 0), b.m.negative...)
			out = append(out, byte(opIf), blockNothing)
			out = uleb(append(out, byte(opBr)), uint64(s.index)+1)
			out = append(out, byte(opEnd))
		case siteEnd:
			out = append(out, byte(opEnd))
		case siteLoad:
			if s.load {
				out = b.loadFuel(out)
			}
		case siteReplace:
			out = uleb(append(out, s.op), uint64(s.index))
		case siteBulk:
			out = b.bulkSite(out, s)
		case siteTable:
			out = append(out, b.tables[s.units:s.index]...)
		}
	}
	return append(out, b.src[from:to]...)
}

// charge takes units of fuel, from the local if it holds the fuel: in a loop
// without calls that is much faster than from the global, since one round need
// not wait for what the last one stored.
func (b *bodies) charge(out []byte, s *site) []byte {
	if s.units == 0 {
		return out
	}
	out = b.getHeld(out, s.held)
	out = sleb(append(out, byte(opI64Const)), int64(s.units))
	out = append(out, i64Sub)
	if s.hold {
		out = uleb(append(out, byte(opLocalTee)), uint64(b.fuelAt))
	}
	return append(out, b.m.setFuel...)
}

func (b *bodies) loadFuel(out []byte) []byte {
	out = append(out, b.m.getFuel...)
	return uleb(append(out, byte(opLocalSet)), uint64(b.fuelAt))
}

// bulkSite charges for the length that lies on the stack, and lets a helper
// do what is long.
func (b *bodies) bulkSite(out []byte, s *site) []byte {
	get := func(out []byte, op opcode) []byte { return uleb(append(out, byte(op)), uint64(b.fuelAt)+1) } //nolint:gosec // a plain opcode
	out = get(get(out, opLocalTee), opLocalGet)
	out = sleb(append(out, byte(opI32Const)), wholeBytes)
	out = append(out, i32GtU, byte(opIf))
	out = sleb(out, int64(s.units))
	out = uleb(append(out, byte(opCall)), uint64(s.index))
	out = append(append(out, byte(opElse)), b.m.getFuel...)
	out = get(out, opLocalGet)
	out = append(out, i64ExtendU, byte(opI64Const), -bytesShift, i64ShrU, i64Sub)
	out = append(out, b.m.setFuel...)
	out = append(out, b.src[s.at:s.at+s.skip]...)
	return append(out, byte(opEnd))
}

// getHeld pushes the fuel.
func (b *bodies) getHeld(out []byte, held bool) []byte {
	if held {
		return uleb(append(out, byte(opLocalGet)), uint64(b.fuelAt))
	}
	return append(out, b.m.getFuel...)
}

// check yields if no fuel is left.
func (b *bodies) check(out []byte, hold bool) []byte {
	out = b.m.check(out, false)
	if hold {
		out = b.loadFuel(out)
	}
	return out
}

// loopAround puts a loop around a loop. Its header yields if no fuel is left,
// and the header of the loop inside branches to it then: so the loop inside
// calls nothing for the sake of the fuel, and the compiler can keep in
// registers what it works with.
func (b *bodies) loopAround(out []byte, s *site) []byte {
	out = b.charge(out, s)
	out = append(out, b.src[s.at:s.index]...)
	out = b.m.check(out, s.stack)
	if s.load {
		out = b.loadFuel(out)
	}
	return out
}

// checkHeader checks before it charges: there is nothing to give back then.
func (b *bodies) checkHeader(out []byte, s *site) []byte {
	out = b.getHeld(out, s.held)
	out = append(out, b.m.negative...)
	if s.params {
		out = append(out, byte(opBrIf), 1)
	} else { // the compiler makes less of a conditional branch to a loop
		out = append(out, byte(opIf), blockNothing, byte(opBr), 2, byte(opEnd))
	}
	return b.charge(out, s)
}

// code is what is put in everywhere: instructions on the globals.
type code struct {
	fuel, stack, table uint32 // indexes of the globals
	getFuel, setFuel   []byte
	getStack, setStack []byte
	negative, yielding []byte
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
	out = append(out, c.getFuel...)
	out = sleb(append(out, byte(opI64Const)), int64(units))
	return append(append(out, i64Sub), c.setFuel...)
}

// check yields if no fuel is left, or traps if no stack is.
func (c *code) check(out []byte, stack bool) []byte {
	out = append(out, c.getFuel...)
	if stack {
		out = append(append(out, c.getStack...), i64Or)
	}
	out = append(out, c.negative...)
	return append(append(out, c.yielding...), byte(opEnd))
}

// enter charges at the entry of a function, and counts the stack.
func (c *code) enter(out []byte, units, words int, check bool) []byte {
	out = c.charge(out, units)
	if words > 0 {
		out = c.addStack(out, words, i64Sub)
	}
	if check {
		out = c.check(out, words > 0)
	}
	return out
}

// leave gives the words of the stack back.
func (c *code) leave(out []byte, words int) []byte { return c.addStack(out, words, i64Add) }

func (c *code) addStack(out []byte, words int, op byte) []byte {
	out = append(out, c.getStack...)
	out = sleb(append(out, byte(opI64Const)), int64(words))
	return append(append(out, op), c.setStack...)
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
