package wasmbin_test

import (
	"encoding/binary"
	"math/rand/v2"
)

// generated is a module made from a seed: functions that call each other,
// directly and through a table, with loops, branch tables, several results,
// memory and instructions on ranges. Each run ends, because each loop counts a
// local down and no call goes round in a circle.
type generated struct {
	r     *rand.Rand
	types [][2][]byte // parameters and results
	funcs []int       // their types
	out   []byte
	local []byte // types of the locals of the function that is written
	label []int  // results of the open blocks, innermost last: i32s
	fn    int
	size  int
}

const (
	genFuncs = 6
	genTable = 8
)

// generate is the module of a seed. It exports "run" () -> i64 and "memory".
func generate(seed uint64) []byte {
	g := &generated{r: rand.New(rand.NewPCG(seed, 7))}
	g.types = [][2][]byte{
		{nil, {0x7e}}, {{0x7f}, {0x7f}}, {{0x7f, 0x7f}, {0x7f}}, {{0x7f}, {0x7f, 0x7f}}, {{0x7f}, nil}, {{}, {0x7f, 0x7f}},
	}
	g.funcs = []int{0}
	for len(g.funcs) < genFuncs {
		g.funcs = append(g.funcs, 1+g.r.IntN(4))
	}
	var bodies []byte
	for n := range g.funcs {
		body := g.function(n)
		bodies = append(binary.AppendUvarint(bodies, uint64(len(body))), body...)
	}
	return g.module(bodies)
}

func (g *generated) module(bodies []byte) []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	add := func(id byte, n int, entries []byte) {
		body := append(binary.AppendUvarint(nil, uint64(n)), entries...)
		out = append(out, id)
		out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
	}
	var types, funcs []byte
	for _, t := range g.types {
		types = append(append(types, 0x60, byte(len(t[0]))), t[0]...)
		types = append(append(types, byte(len(t[1]))), t[1]...)
	}
	for _, t := range g.funcs {
		funcs = append(funcs, byte(t))
	}
	add(1, len(g.types), types)
	add(3, len(g.funcs), funcs)
	add(4, 1, []byte{0x70, 0, genTable})
	add(5, 1, []byte{1, 2, 4})
	add(6, 1, []byte{0x7f, 1, 0x41, 5, 0x0b})
	add(7, 2, append([]byte{3}, "run\x00\x00\x06memory\x02\x00"...))
	elements := []byte{0, 0x41, 0, 0x0b, genFuncs - 1}
	for n := 1; n < genFuncs; n++ {
		elements = append(elements, byte(n))
	}
	add(9, 1, elements)
	out = append(out, 12, 1, 3)
	add(10, len(g.funcs), bodies)
	data := append([]byte{0, 0x41, 16, 0x0b, 4}, "abcd"...)
	data = append(append(data, 0, 0x41, 24, 0x0b, 4), "efgh"...)
	data = append(append(data, 1, 6), "passiv"...)
	add(11, 3, data)
	return out
}

func (g *generated) function(n int) []byte {
	t := g.types[g.funcs[n]]
	g.fn, g.out, g.size = n, nil, 0
	g.local = append(append([]byte{}, t[0]...), 0x7f, 0x7f, 0x7f, 0x7f, 0x7e)
	g.label = []int{len(t[1])}
	g.out = append(g.out, 2, 4, 0x7f, 1, 0x7e)
	g.block(4)
	if n == 0 { // the result is a sum over what the locals hold
		g.i32(3)
		g.op(0xac)
		g.op(0x23, 0, 0xac, 0x7c)
	} else {
		for range t[1] {
			g.i32(3)
		}
	}
	g.op(0x0b)
	return g.out
}

func (g *generated) op(codes ...byte) { g.out = append(g.out, codes...) }

func (g *generated) constant(v int64) {
	g.op(0x41)
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && b&0x40 == 0) || (v == -1 && b&0x40 != 0) {
			g.op(b)
			return
		}
		g.op(b | 0x80)
	}
}

// i32s are the numbers of the locals that may be set; the first of the own
// locals counts loops.
func (g *generated) someLocal() byte { return byte(g.own() + 1 + g.r.IntN(3)) }
func (g *generated) own() int        { return len(g.local) - 5 }

// i32 leaves an i32.
func (g *generated) i32(depth int) {
	if g.size++; depth == 0 || g.size > 400 {
		g.leaf()
		return
	}
	switch g.r.IntN(12) {
	case 0, 1:
		g.leaf()
	case 2, 3, 4:
		g.i32(depth - 1)
		g.i32(depth - 1)
		g.op([]byte{0x6a, 0x6b, 0x6c, 0x71, 0x72, 0x73, 0x74, 0x76, 0x46, 0x48, 0x6d, 0x70}[g.r.IntN(12)])
	case 5:
		g.i32(depth - 1)
		g.op([]byte{0x45, 0x67, 0x68, 0x69, 0xc0}[g.r.IntN(5)])
	case 6:
		g.address()
		g.op(0x28, 2, byte(g.r.IntN(100)))
	case 7:
		g.i32(depth - 1)
		g.i32(depth - 1)
		g.i32(depth - 1)
		g.op(0x1b)
	case 8:
		g.i32(depth - 1)
		g.op(0x04, 0x7f)
		g.label = append(g.label, 1)
		g.i32(depth - 1)
		g.op(0x05)
		g.i32(depth - 1)
		g.op(0x0b)
		g.label = g.label[:len(g.label)-1]
	case 9:
		g.call(depth - 1)
	case 10:
		g.indirect(depth - 1)
	default:
		g.op(0x02, 0x7f)
		g.label = append(g.label, 1)
		g.i32(depth - 1)
		g.i32(depth - 1)
		g.op(0x0d, 0)
		g.op(0x0b)
		g.label = g.label[:len(g.label)-1]
	}
}

func (g *generated) leaf() {
	switch g.r.IntN(4) {
	case 0:
		g.constant(int64(int32(g.r.Uint32())) >> g.r.IntN(31))
	case 1:
		g.op(0x23, 0)
	default:
		g.op(0x20, g.someLocal())
	}
}

// address leaves an address, mostly inside the memory.
func (g *generated) address() {
	g.leaf()
	if g.r.IntN(40) > 0 {
		g.constant(0xffff)
		g.op(0x71)
	}
}

// call leaves an i32 that a later function gave.
func (g *generated) call(depth int) {
	if g.fn+1 >= genFuncs {
		g.leaf()
		return
	}
	to := g.fn + 1 + g.r.IntN(genFuncs-g.fn-1)
	t := g.types[g.funcs[to]]
	for range t[0] {
		g.i32(min(depth, 1))
	}
	g.op(0x10, byte(to))
	g.results(len(t[1]))
}

// indirect calls through the table; a wrong type or an empty entry traps.
func (g *generated) indirect(depth int) {
	if g.fn+1 >= genFuncs {
		g.leaf()
		return
	}
	to := g.fn + 1 + g.r.IntN(genFuncs-g.fn-1)
	t := g.funcs[to]
	if g.r.IntN(30) == 0 {
		t = 1 + g.r.IntN(4)
	}
	for range g.types[t][0] {
		g.i32(min(depth, 1))
	}
	g.constant(int64(to - 1))
	g.op(0x11, byte(t), 0)
	g.results(len(g.types[t][1]))
}

func (g *generated) results(n int) {
	switch n {
	case 0:
		g.leaf()
	case 2:
		g.op(0x6a)
	}
}

// block writes statements.
func (g *generated) block(depth int) {
	for range 1 + g.r.IntN(4) {
		g.statement(depth)
	}
}

func (g *generated) statement(depth int) {
	if g.size++; depth == 0 || g.size > 400 {
		g.i32(1)
		g.op(0x21, g.someLocal())
		return
	}
	switch g.r.IntN(14) {
	case 0, 1:
		g.i32(3)
		g.op(0x21, g.someLocal())
	case 2:
		g.i32(2)
		g.op(0x24, 0)
	case 3:
		g.address()
		g.i32(2)
		g.op(0x36, 2, byte(g.r.IntN(100)))
	case 4, 5:
		g.loop(depth)
	case 6:
		g.i32(2)
		g.op(0x04, 0x40)
		g.label = append(g.label, 0)
		g.block(depth - 1)
		if g.r.IntN(2) == 0 {
			g.op(0x05)
			g.block(depth - 1)
		}
		g.op(0x0b)
		g.label = g.label[:len(g.label)-1]
	case 7:
		g.dispatch(depth)
	case 8:
		g.ranged()
	case 9:
		g.op(0x02, 0x40)
		g.label = append(g.label, 0)
		g.block(depth - 1)
		g.i32(2)
		g.op(0x0d, 0)
		g.block(depth - 1)
		g.op(0x0b)
		g.label = g.label[:len(g.label)-1]
	case 10:
		g.leave()
	case 12:
		g.machine()
	case 11: // several results through a block
		g.op(0x02, 5)
		g.i32(2)
		g.i32(2)
		g.op(0x0b, 0x6a, 0x21, g.someLocal())
	default:
		g.constant(0)
		g.op(0x40, 0, 0x21, g.someLocal())
	}
}

// loop goes round a few times.
func (g *generated) loop(depth int) {
	counter := byte(g.own())
	g.op(0x20, counter, 0x21, byte(g.own()+3))
	g.constant(int64(g.r.IntN(7)))
	g.op(0x21, counter)
	g.op(0x02, 0x40, 0x03, 0x40)
	g.op(0x20, counter, 0x45, 0x0d, 1)
	g.op(0x20, counter, 0x41, 1, 0x6b, 0x21, counter)
	g.label = append(g.label, 0, 0)
	if depth > 1 && g.r.IntN(3) == 0 {
		g.innerLoop()
	}
	for range 1 + g.r.IntN(3) {
		g.i32(2)
		g.op(0x21, g.someLocal())
	}
	if g.r.IntN(2) == 0 {
		g.i32(2)
		g.op(0x0d, byte(g.r.IntN(2)))
	}
	g.label = g.label[:len(g.label)-2]
	g.op(0x0c, 0, 0x0b, 0x0b)
}

// innerLoop has a parameter and a result, which count it down.
func (g *generated) innerLoop() {
	g.constant(int64(1 + g.r.IntN(5)))
	g.op(0x03, 1)
	g.op(0x41, 1, 0x6b, 0x22, g.someLocal())
	g.op(0x20, byte(g.own()+1), 0x1a)
	g.op(0x22, byte(g.own()+3), 0x20, byte(g.own()+3), 0x41, 0, 0x4a, 0x0d, 0)
	g.op(0x0b, 0x1a)
}

// dispatch is a branch table into nested blocks.
func (g *generated) dispatch(depth int) {
	n := 2 + g.r.IntN(3)
	for range n {
		g.op(0x02, 0x40)
		g.label = append(g.label, 0)
	}
	g.i32(2)
	g.constant(7)
	g.op(0x71, 0x0e, byte(n-1))
	for range n {
		g.op(byte(g.r.IntN(n)))
	}
	for range n {
		g.op(0x0b)
		g.label = g.label[:len(g.label)-1]
		g.statement(min(depth-1, 1))
	}
}

// machine is a loop around a branch table, with jumps in it forwards and back,
// as Go's compiler writes each function.
func (g *generated) machine() {
	n := 2 + g.r.IntN(4)
	counter, state := byte(g.own()), byte(g.own()+2)
	g.constant(int64(g.r.IntN(12)))
	g.op(0x21, counter)
	g.constant(int64(g.r.IntN(n)))
	g.op(0x21, state, 0x02, 0x40, 0x03, 0x40)
	for range n {
		g.op(0x02, 0x40)
	}
	g.op(0x20, state, 0x0e, byte(n))
	for range n + 1 {
		g.op(byte(g.r.IntN(n)))
	}
	for left := n - 1; left >= 0; left-- { // blocks that are still open
		g.op(0x0b)
		g.i32(1)
		g.op(0x21, byte(g.own()+1))
		g.op(0x20, counter, 0x45, 0x0d, byte(left+1))
		g.op(0x20, counter, 0x41, 1, 0x6b, 0x21, counter)
		always := g.r.IntN(4) == 0
		if !always {
			g.op(0x20, byte(g.own()+1), 0x41, 3, 0x71, 0x04, 0x40)
			left++
		}
		g.constant(int64(g.r.IntN(n+3) - 1))
		g.op(0x21, state, 0x0c, byte(left))
		if !always {
			g.op(0x0b)
			left--
		}
	}
	g.op(0x0b, 0x0b)
}

// ranged is an instruction on a range: short, long, or out of bounds.
func (g *generated) ranged() {
	length := func() {
		g.constant([]int64{0, 5, 300, 70_000, 66_000, 1 << 17, -1}[g.r.IntN(7)])
	}
	switch g.r.IntN(5) {
	case 0:
		g.constant(int64(g.r.IntN(70_000)))
		g.constant(int64(g.r.IntN(70_000)))
		length()
		g.op(0xfc, 10, 0, 0)
	case 1:
		g.constant(int64(g.r.IntN(70_000)))
		g.leaf()
		length()
		g.op(0xfc, 11, 0)
	case 2:
		g.constant(int64(g.r.IntN(1000)))
		g.constant(int64(g.r.IntN(4)))
		g.constant(int64(g.r.IntN(4)))
		g.op(0xfc, 8, 2, 0)
	case 3:
		g.op(0xd0, 0x70)
		g.constant(int64(g.r.IntN(3)))
		g.op(0xfc, 15, 0, 0x21, g.someLocal())
	default:
		g.constant(int64(g.r.IntN(3)))
		g.constant(int64(g.r.IntN(3)))
		g.constant(int64(g.r.IntN(5)))
		g.op(0xfc, 14, 0, 0)
	}
}

// leave returns, now and then.
func (g *generated) leave() {
	g.i32(1)
	g.constant(15)
	g.op(0x71, 0x45, 0x04, 0x40)
	for range g.label[0] {
		if g.fn == 0 {
			g.op(0x42, 11)
		} else {
			g.leaf()
		}
	}
	if g.r.IntN(2) == 0 {
		g.op(0x0f)
	} else {
		g.op(0x0c, byte(len(g.label)))
	}
	g.op(0x0b)
}
