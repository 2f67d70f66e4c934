package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// Module is one reference to a compiled module. It is immutable and safe for
// use by several goroutines.
type Module struct {
	engine *Engine
	code   *compiled
	closed atomic.Bool
}

// compiled is one module, shared by the Modules and Instances of its digest.
type compiled struct {
	digest string
	refs   int // under Engine.mu
	turn   turn

	ready chan struct{} // closed when what follows is set
	err   error
	translation
	cost    time.Duration // what CompileFor answers
	info    *wasmbin.Info
	imports []spec.Import
	exports []string
	// entries numbers the exports that have the signature of an entry point.
	entries map[string]int
}

// translation is a rewritten module that is ready to run.
type translation struct {
	native wazero.CompiledModule
	image  []wasmbin.Segment // what its memory starts with
}

// Compile compiles a module, once for each digest: a module that is compiled
// already is shared. Close gives it back. Errors are faults: NotWasm,
// WasmComponent, WasmMalformed, ModuleTooLarge; Canceled and Timeout if ctx
// ends, though a compilation that has begun may go on for a while after that.
func (e *Engine) Compile(ctx context.Context, wasm []byte) (*Module, error) {
	m, _, err := e.CompileFor(ctx, "", wasm)
	return m, err
}

// CompileFor is Compile for an account: accounts take turns at the processes
// that compile, so that nobody waits for all that another has to compile.
//
// The cost is known also when it fails: the processor time that was used, or the
// time in which it kept an account waiting that had nothing under way, if that
// is more; nearly none if the module was compiled before.
func (e *Engine) CompileFor(ctx context.Context, account string, wasm []byte) (m *Module, cost time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, fault.Of(err)
	}
	if err := e.begin(); err != nil {
		return nil, 0, err
	}
	defer e.end()
	sum := sha256.Sum256(wasm)
	code, first := e.hold(hex.EncodeToString(sum[:]))
	e.want(code, account)
	if first {
		e.compile(ctx, code, wasm)
		cost = code.cost
	}
	select {
	case <-code.ready:
	case <-ctx.Done():
		e.release(ctx, code)
		return nil, cost, fault.Of(ctx.Err())
	}
	if err := code.err; err != nil {
		e.release(ctx, code)
		// Whoever waited for another's compilation does not share its deadline.
		if !first && ctx.Err() == nil && (fault.Is(err, fault.Canceled) || fault.Is(err, fault.Timeout)) {
			return e.CompileFor(ctx, account, wasm)
		}
		return nil, cost, err
	}
	return &Module{engine: e, code: code}, cost, nil
}

// hold takes a reference to the module of this digest. If it reports true, the
// module is not compiled and the caller has to.
func (e *Engine) hold(digest string) (*compiled, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	code, ok := e.modules[digest]
	if !ok {
		code = &compiled{digest: digest, ready: make(chan struct{})}
		e.modules[digest] = code
	}
	code.refs++
	return code, !ok
}

// want says for which account a module is compiled that is not ready yet.
func (e *Engine) want(code *compiled, account string) {
	if e.compiler == nil {
		return
	}
	select {
	case <-code.ready:
	default:
		e.compiler.places.want(&code.turn, account)
	}
}

// compile compiles for all who wait. A module that failed is forgotten before
// they learn of it, so that the next one to ask tries again.
func (e *Engine) compile(ctx context.Context, code *compiled, wasm []byte) {
	defer close(code.ready)
	if code.err = code.compile(ctx, e, wasm); code.err == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.modules, code.digest)
}

// release gives a reference back.
func (e *Engine) release(ctx context.Context, code *compiled) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if code.refs--; code.refs > 0 {
		return
	}
	if e.modules[code.digest] == code {
		delete(e.modules, code.digest)
	}
	if code.native != nil {
		_ = code.native.Close(ctx) // never fails
	}
}

// compile makes the module ready to run. What is in the cache has passed this
// very check (wasmbin.CheckVersion) and is not checked again.
func (c *compiled) compile(ctx context.Context, e *Engine, wasm []byte) (err error) {
	if err := ctx.Err(); err != nil {
		return fault.Of(err)
	}
	if c.translation = e.loadKept(ctx, c.digest); c.native != nil {
		return c.outline(wasm)
	}
	began := time.Now()
	info, err := wasmbin.Read(wasm)
	c.cost = time.Since(began)
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return fault.Of(ctx.Err())
	case e.compiler != nil:
		var cost time.Duration
		c.translation, cost, err = e.compileOutside(ctx, &c.turn, c.digest, wasm)
		c.cost += cost
	default:
		c.translation, err = e.compileHere(ctx, c.digest, wasm)
		c.cost = time.Since(began)
	}
	if err != nil {
		return err
	}
	c.describe(info)
	return nil
}

// outline describes a module that was in the cache.
func (c *compiled) outline(wasm []byte) error {
	info, err := wasmbin.Outline(wasm)
	if err == nil {
		c.describe(info)
	}
	return err // release closes what was loaded
}

// entryType is the type of the module's entry points: (ptr, len) -> i64, or
// () -> i32 for one of an Extism PDK, whose input and output go by the kernel.
func entryType(info *wasmbin.Info) (params, results string) {
	if info.HasExtism {
		return "", "i"
	}
	return "ii", "I"
}

// EntryType is the type of the module's entry points, as people write it.
func EntryType(info *wasmbin.Info) string { return typeText(entryType(info)) }

// IsEntryPoint reports whether an export has the type of an entry point.
func IsEntryPoint(info *wasmbin.Info, e wasmbin.Export) bool {
	params, results := entryType(info)
	return e.Kind == wasmbin.Function && e.Params == params &&
		(e.Results == results || info.HasExtism && e.Results == "")
}

func (c *compiled) describe(info *wasmbin.Info) {
	c.info = info
	for _, i := range info.Imports {
		if i.Kind == wasmbin.Function {
			c.imports = append(c.imports, spec.Import{Module: i.Module, Function: i.Name})
		}
	}
	c.entries = make(map[string]int)
	for _, e := range info.Exports {
		if e.Kind != wasmbin.Function {
			continue
		}
		c.exports = append(c.exports, e.Name)
		if IsEntryPoint(info, e) {
			c.entries[e.Name] = len(c.entries)
		}
	}
}

// Digest is the sha256 of the binary, in hex.
func (m *Module) Digest() string { return m.code.digest }

// Imports lists the functions that the module needs, in the order of the
// binary. The slice is shared; do not change it.
func (m *Module) Imports() []spec.Import { return m.code.imports }

// Info is what was read of the binary. It is shared; do not change it.
func (m *Module) Info() *wasmbin.Info { return m.code.info }

// Exports lists the names of the exported functions, in the order of the
// binary. The slice is shared; do not change it.
func (m *Module) Exports() []string { return m.code.exports }

// Offers reports whether the module exports a function of this name with the
// type of an entry point.
func (m *Module) Offers(entry string) bool {
	_, ok := m.code.entries[entry]
	return ok
}

// Close drops this reference. Instances that were made of it live on. It may
// be called more than once.
func (m *Module) Close(ctx context.Context) error {
	if m.closed.CompareAndSwap(false, true) {
		m.engine.release(ctx, m.code)
	}
	return nil
}

// isSignature reports whether a function has these parameters and results,
// where i is an i32 and I an i64.
func isSignature(def api.FunctionDefinition, params, results string) bool {
	return def != nil && sameTypes(def.ParamTypes(), params) && sameTypes(def.ResultTypes(), results)
}

func sameTypes(types []api.ValueType, sig string) bool {
	if len(types) != len(sig) {
		return false
	}
	for i, t := range valueTypes(sig) {
		if types[i] != t {
			return false
		}
	}
	return true
}

func valueTypes(sig string) []api.ValueType {
	out := make([]api.ValueType, len(sig))
	for i := range sig {
		out[i] = api.ValueTypeI32
		if sig[i] == 'I' {
			out[i] = api.ValueTypeI64
		}
	}
	return out
}
