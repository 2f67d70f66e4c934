package wasmbin

// checkBodies walks the function bodies by their sizes and answers their
// number.
func checkBodies(c *cursor) int {
	n := c.count("function bodies", MaxFunctions)
	for range n {
		if body := c.span("a function body"); body.err != nil {
			return 0
		}
	}
	return n
}
