package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tetratelabs/wazero"
)

// The kinds of engine.
const (
	Compiler    = "compiler"
	Interpreter = "interpreter"
)

// wazeroVersion is the release of wazero that go.mod names, which a test
// checks. It is part of the path of compiled code, because wazero's own part
// is "dev" in binaries without module information.
const wazeroVersion = "v1.12.0"

// start makes the runtime: a compiling one, or an interpreting one where the
// machine does not let us run what we write.
func (e *Engine) start(ctx context.Context, cfg Config, log *slog.Logger) error {
	e.kind = Interpreter
	if canCompile(ctx) {
		e.kind = Compiler
	}
	base := runtimeConfig(e.kind)
	if err := e.startCompiler(ctx, cfg, log); err != nil {
		return err
	}
	if e.cache != nil && e.kind == Compiler {
		base = base.WithCompilationCache(e.cache.CompilationCache)
	}
	e.runtime = wazero.NewRuntimeWithConfig(ctx, base)
	return nil
}

// runtimeConfig is what modules are compiled with, here and in the process that
// compiles for us: with another one, its code would not be found in the cache.
func runtimeConfig(kind string) wazero.RuntimeConfig {
	base := wazero.NewRuntimeConfigInterpreter()
	if kind == Compiler {
		base = wazero.NewRuntimeConfigCompiler()
	}
	return base.
		// Debug information is written by strangers, and its reader is not ours.
		WithDebugInfoEnabled(false)
}

// canCompile tries the compiler on the smallest module that has code. wazero
// panics where the platform is not supported, and where the system refuses
// executable memory.
func canCompile(ctx context.Context) bool {
	nop := []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a\x04\x01\x02\x00\x0b")
	err := guard(func() error {
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
		_, err := r.Instantiate(ctx, nop)
		return errorsOf(err, r.Close(ctx))
	})
	return err == nil
}

// errPanic is a panic of wazero.
var errPanic = errors.New("wazero panicked")

// guard turns a panic of wazero into an error.
func guard(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
		}
	}()
	return do()
}
