package wasmbin

import (
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
)

// nameSection is the custom section that compilers read: a debugger's names.
const nameSection = "name"

// The subsections of the name section that compilers read.
const (
	namesModule = iota
	namesFunctions
	namesLocals
)

// maxLocalNames bounds the names of one function's locals.
const maxLocalNames = 1 << 16

// checkNames walks the name section. It could be ignored when it is wrong, but
// the compiler reads it, and believes its counts.
func checkNames(c cursor) error {
	for c.more() {
		id := c.byte()
		sub := c.span("a subsection of names")
		switch id {
		case namesModule:
			sub.name("the module's name")
		case namesFunctions:
			sub.names("names of functions", MaxFunctions+MaxImports)
		case namesLocals:
			for range sub.count("functions with names", MaxFunctions+MaxImports, fault.WasmName) {
				sub.u32()
				if sub.names("names of locals", maxLocalNames); sub.err != nil {
					break
				}
			}
		default:
			sub.pos = sub.end
		}
		if err := sub.done("a subsection of names"); err != nil {
			return err
		}
	}
	return c.err
}

// names reads pairs of an index and a name. A name can be long: C++ and Rust
// write whole types into it.
func (c *cursor) names(what string, bound int) {
	for range c.count(what, bound, fault.WasmName) {
		c.u32()
		at := c.pos
		s := c.span("a name")
		if c.err != nil {
			return
		}
		if !utf8.Valid(s.src[s.pos:s.end]) {
			c.fail(at, "byte %d: a name is not UTF-8", at)
			return
		}
	}
}
