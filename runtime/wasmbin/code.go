package wasmbin

import "github.com/snaprail/snaprail/runtime/fault"

// readCode checks the function bodies.
func (r *reader) readCode(c *cursor) {
	at := c.pos
	r.bodies = c.count("function bodies", MaxFunctions, fault.WasmFunctions)
	own := r.funcs[len(r.funcs)-r.info.Functions:]
	if r.bodies > len(own) {
		c.fail(at, "byte %d: the module declares %d functions and has %d bodies", at, len(own), r.bodies)
		return
	}
	if r.bodies == 0 {
		return
	}
	if r.declared == nil {
		r.declared = make([]bool, len(r.funcs))
	}
	v := &validator{reader: r, sigs: newSignatures(), budget: newBudget(len(r.src))}
	for i := range r.bodies {
		at := c.pos
		body := c.span("a function body")
		size := body.end - body.pos
		if size > MaxBody {
			c.refuse(fault.WasmBody, at, "byte %d: a function of %d bytes, and %d are allowed", at, size, MaxBody)
		}
		if c.err != nil {
			return
		}
		r.info.LargestBody = max(r.info.LargestBody, size)
		if r.outline {
			continue
		}
		if c.err = v.body(body, r.types[own[i]]); c.err != nil {
			return
		}
	}
}
