package wasmbin

// checkBodies walks the function bodies by their sizes and answers their
// number. Of each it reads the local variables, because a few bytes can declare
// billions of them; the instructions that follow are skipped.
func checkBodies(c *cursor) int {
	n := c.count("function bodies", MaxFunctions)
	for range n {
		body := c.span("a function body")
		if checkLocals(&body); body.err != nil {
			c.err = body.err
			return 0
		}
	}
	return n
}

func checkLocals(c *cursor) {
	at := c.pos
	total := int64(0)
	for range c.count("groups of locals", MaxLocals) {
		total += int64(c.u32())
		if c.valueType(); c.err != nil {
			return
		}
		if total > MaxLocals {
			c.refuse(at, "byte %d: more than %d local variables in a function", at, MaxLocals)
			return
		}
	}
}
