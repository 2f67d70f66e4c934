// Package engine is the sandbox: it compiles modules, links them to what they
// may reach, and calls them. It is the only importer of wazero.
//
// The actor, the catalog and what stands above them import it; it imports the
// words, package capability and package wasmbin.
//
// Guests run on fuel: wasmbin rewrites each module so that it counts what it
// executes and calls back when a slice of fuel is used up. There the engine
// looks at the clock, books what was used, lets the tenant's share of the
// processor come in, and lets others run. Memory, stack and table have limits
// that are kept in the same way, and each has an error of its own.
//
// Its border is narrow: a guest is called with bytes and calls out with bytes,
// plus a context. Nothing else crosses, no function of the host and no
// pointer, so that guests can run in a process of their own later. Its
// invariants: what a guest may call is settled when it is linked; an Instance
// is called by one goroutine at a time; the state of a guest that trapped is
// never carried on with.
package engine
