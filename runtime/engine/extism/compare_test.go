package extism_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/snaprail/snaprail/runtime/engine/extism"
)

// pair is one block in both kernels.
type pair struct {
	ours, theirs uint64
	content      []byte // as it must be
	freed        bool
}

// comparison drives both kernels.
type comparison struct {
	t      *testing.T
	k      *extism.Kernel
	o      oracle
	rand   *rand.Rand
	blocks []*pair
}

func compare(t *testing.T, o oracle, seed uint64) {
	t.Helper()
	k, _ := newKernel(t, extism.Settings{}, 64<<20)
	c := &comparison{t: t, k: k, o: o, rand: rand.New(rand.NewPCG(seed, 1))}
	c.begin()
	for range 400 {
		c.step()
		c.check()
	}
}

func (c *comparison) begin() {
	in := make([]byte, c.rand.IntN(300)*c.rand.IntN(3))
	for i := range in {
		in[i] = byte(c.rand.Uint32())
	}
	c.k.Begin(in)
	c.o.call("reset")
	c.blocks = nil
	if len(in) == 0 {
		return
	}
	at := c.o.call("alloc", uint64(len(in)))
	c.o.module.Memory().Write(uint32(at), in)
	c.o.call("input_set", at, uint64(len(in)))
	ours, _ := c.k.Input()
	c.blocks = append(c.blocks, &pair{ours: ours, theirs: at, content: in})
}

func (c *comparison) pick() *pair {
	if len(c.blocks) == 0 {
		return &pair{}
	}
	return c.blocks[c.rand.IntN(len(c.blocks))]
}

func (c *comparison) step() {
	n := uint64(c.rand.IntN(200))
	p := c.pick()
	inside := uint64(0)
	if len(p.content) > 0 && !p.freed {
		inside = uint64(c.rand.IntN(len(p.content)))
	}
	switch c.rand.IntN(12) {
	case 0, 1, 2, 3:
		c.alloc(n)
	case 4, 5:
		if at, n := c.k.Input(); n > 0 && at > p.ours && at < p.ours+uint64(len(p.content)) {
			return // what a reused block shows there depends on where it lies
		}
		c.k.Free(p.ours)
		c.o.call("free", p.theirs)
		p.freed = true
		if c.k.Error() == p.ours { // the offset may come to mean another block
			c.k.SetError(0)
			c.o.call("error_set", 0)
		}
		c.drop()
	case 6:
		if inside > 0 || len(p.content) > 0 && !p.freed {
			c.k.Store8(p.ours+inside, byte(n))
			c.o.call("store_u8", p.theirs+inside, n)
			p.content[inside] = byte(n)
		}
	case 7:
		if !p.freed && uint64(len(p.content)) >= inside+8 {
			v := c.rand.Uint64()
			c.k.Store64(p.ours+inside, v)
			c.o.call("store_u64", p.theirs+inside, v)
			for i := range 8 {
				p.content[inside+uint64(i)] = byte(v >> (8 * i))
			}
		}
	case 8:
		c.k.SetOutput(p.ours, uint64(len(p.content)))
		c.o.call("output_set", p.theirs, uint64(len(p.content)))
	case 9:
		c.k.SetError(p.ours)
		c.o.call("error_set", p.theirs)
	case 10:
		c.k.SetInput(p.ours+inside, uint64(len(p.content))-inside)
		c.o.call("input_set", p.theirs+inside, uint64(len(p.content))-inside)
	case 11:
		if n < 20 {
			c.begin()
		}
	}
}

// drop forgets blocks that are free, since their offsets may come to mean
// others.
func (c *comparison) drop() {
	kept := c.blocks[:0]
	for _, p := range c.blocks {
		if p.freed {
			if c.k.Length(p.ours) != 0 || c.o.call("length", p.theirs) != 0 {
				c.t.Fatal("a block that was freed has a length")
			}
			continue
		}
		kept = append(kept, p)
	}
	c.blocks = kept
}

func (c *comparison) alloc(n uint64) {
	p := &pair{ours: c.k.Alloc(n), theirs: c.o.call("alloc", n)}
	if (p.ours == 0) != (p.theirs == 0) {
		c.t.Fatalf("alloc(%d) is %d here and %d there", n, p.ours, p.theirs)
	}
	if n == 0 {
		return
	}
	p.content = make([]byte, n)
	for i := range n { // both may show old bytes of a block that is used again
		c.k.Store8(p.ours+i, byte(i))
		c.o.call("store_u8", p.theirs+i, uint64(byte(i)))
		p.content[i] = byte(i)
	}
	c.blocks = append(c.blocks, p)
}

func (c *comparison) check() {
	for _, p := range c.blocks {
		n := uint64(len(p.content))
		theirs, _ := c.o.module.Memory().Read(uint32(p.theirs), uint32(n))
		if c.k.Length(p.ours) != n || c.o.call("length", p.theirs) != n || c.o.call("length_unsafe", p.theirs) != n ||
			!bytes.Equal(c.k.Block(p.ours), p.content) || !bytes.Equal(theirs, p.content) {
			c.t.Fatalf("a block differs:\n%x\n%x\n%x", p.content, c.k.Block(p.ours), theirs)
		}
	}
	_, n := c.k.Input()
	if theirs := c.o.call("input_length"); n != theirs {
		c.t.Fatalf("the input has %d bytes here and %d there", n, theirs)
	}
	if n > 0 {
		i := c.rand.Uint64N(n + 9)
		at, _ := c.k.Input()
		if c.whole(at, n) && (uint64(c.k.InputLoad8(i)) != c.o.call("input_load_u8", i) ||
			c.k.InputLoad64(i) != c.o.call("input_load_u64", i)) {
			c.t.Fatalf("byte %d of %d of the input differs", i, n)
		}
	}
	_, n = c.k.OutputRange()
	if theirs := c.o.call("output_length"); n != theirs {
		c.t.Fatalf("the output has %d bytes here and %d there", n, theirs)
	}
	if ours, theirs := len(c.k.ErrorText()), c.o.call("length", c.o.call("error_get")); uint64(ours) != theirs {
		c.t.Fatalf("the error has %d bytes here and %d there", ours, theirs)
	}
}

// whole reports whether a range lies in one block in use.
func (c *comparison) whole(at, n uint64) bool {
	for _, p := range c.blocks {
		if at >= p.ours && at+n <= p.ours+uint64(len(p.content)) {
			return true
		}
	}
	return false
}
