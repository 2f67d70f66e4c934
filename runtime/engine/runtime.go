package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"

	"github.com/tetratelabs/wazero"

	"github.com/snaprail/snaprail/runtime/fault"
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
func (e *Engine) start(ctx context.Context, cacheDir string) error {
	base := wazero.NewRuntimeConfigInterpreter()
	e.kind = Interpreter
	if canCompile(ctx) {
		base, e.kind = wazero.NewRuntimeConfigCompiler(), Compiler
	}
	if cacheDir != "" && e.kind == Compiler {
		cache, dir, err := openCache(cacheDir)
		if err != nil {
			return err
		}
		e.cache, e.cacheDir = cache, dir
		base = base.WithCompilationCache(cache)
	}
	e.runtime = wazero.NewRuntimeWithConfig(ctx, base.
		// A call that runs out of time is stopped by wazero's checks; see meter.
		WithCloseOnContextDone(true).
		// Debug information is written by strangers, and its reader is not ours.
		WithDebugInfoEnabled(false))
	return nil
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

// openCache opens the directory of compiled code. A directory that others may
// write to is refused, because what lies in it is executed.
func openCache(parent string) (wazero.CompilationCache, string, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, "", fault.Wrap(fault.Internal, err, "the cache of compiled modules cannot be made")
	}
	info, err := os.Stat(parent)
	if err != nil {
		return nil, "", fault.Wrap(fault.Internal, err, "the cache of compiled modules cannot be read")
	}
	if goruntime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return nil, "", fault.New(fault.Denied, "others may write to the cache of compiled modules %s", parent).
			WithHint("Run chmod 700 %s, and empty it if you did not make it.", parent)
	}
	dir := filepath.Join(parent, wazeroVersion+"-"+goruntime.GOARCH)
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, "", fault.Wrap(fault.Internal, err, "the cache of compiled modules cannot be opened")
	}
	return cache, dir, nil
}

// mendCache looks whether compiling failed because of the cache on disk, and
// reports whether it is worth another try: after a damaged entry the cache is
// emptied; when nothing can be written, the code is in memory by now.
func (e *Engine) mendCache(err error) bool {
	if e.cacheDir == "" {
		return false
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return true
	}
	if !strings.Contains(err.Error(), "compilationcache:") {
		return false
	}
	root, err := os.OpenRoot(e.cacheDir)
	if err != nil {
		return false
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return root.Remove(path)
	}) == nil
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
