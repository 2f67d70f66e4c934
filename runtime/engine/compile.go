package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// CompileLimits bound the process that compiles one module. On systems other
// than Linux the wall clock alone does.
type CompileLimits struct {
	CPU    time.Duration // of all its threads, in whole seconds; 0: 10 s
	Memory uint64        // bytes of address space beside what it starts with; 0: 768 MiB
	Wall   time.Duration // 0: 90 s; where the wall clock alone does, 15 s
}

func (l CompileLimits) withDefaults() CompileLimits {
	if l.CPU <= 0 {
		l.CPU = slowness * 10 * time.Second
	}
	if l.Memory == 0 {
		l.Memory = 768 << 20
	}
	if l.Wall <= 0 {
		l.Wall = slowness * workerWall
	}
	return l
}

// workersAtOnce bounds the processes that compile at the same time.
const workersAtOnce = 2

// compiler compiles in processes of its own: a module that gets past the check
// and ties the compiler up ends its process and nothing else.
type compiler struct {
	command []string
	kind    string
	limits  CompileLimits
	places  *places
	// linger is how long a killed process may hold its pipes.
	linger time.Duration
}

func newCompiler(command []string, kind string, limits CompileLimits) *compiler {
	return &compiler{command, kind, limits.withDefaults(), newPlaces(workersAtOnce), time.Second}
}

// run compiles the module in dir, which becomes the process's working
// directory. It waits for a place first. The cost is known however it ends: the
// processor time that the process has used, or the time that it held its place
// while an account waited that held none, if that is more. Errors are faults:
// CompileLimit, WasmInvalid, Exhausted if something else killed the process,
// DiskFull, Canceled and Timeout with ctx, Internal.
func (c *compiler) run(ctx context.Context, t *turn, dir string) (cost time.Duration, err error) {
	leave, err := c.places.take(ctx, t)
	if err != nil {
		return 0, err
	}
	defer func() { cost = max(cost, leave()) }()
	module, err := os.Open(filepath.Join(dir, moduleFile))
	if err != nil {
		return 0, fault.Wrap(fault.Internal, err, "the module to compile")
	}
	defer func() { _ = module.Close() }()
	wall, cancel := context.WithTimeout(ctx, c.limits.Wall)
	defer cancel()
	// The process dies with the thread that started it, so that thread stays.
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	var report bounded
	cmd := exec.CommandContext(wall, c.command[0], append(c.command[1:len(c.command):len(c.command)], order{c.kind, c.limits}.args()...)...) //nolint:gosec // our own binary
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, module, &report
	cmd.Env = []string{"GOTRACEBACK=none"} // a crash says its reason and no more
	cmd.WaitDelay = c.linger
	detach(cmd)
	if err = cmd.Start(); err != nil {
		return 0, fault.Wrap(fault.Internal, err, "the compiling process cannot be started")
	}
	err = cmd.Wait()
	if s := cmd.ProcessState; s != nil {
		cost = s.UserTime() + s.SystemTime()
	}
	switch {
	case err == nil:
		return cost, nil
	case ctx.Err() != nil:
		return cost, fault.Of(ctx.Err())
	case wall.Err() != nil:
		return cost, c.limited("time", fmt.Sprintf("it took longer than %v", c.limits.Wall))
	}
	return cost, c.refusal(cmd.ProcessState, err, report.firstLine())
}

// refusal says why a process ended badly.
func (c *compiler) refusal(state *os.ProcessState, err error, report string) error {
	if _, ended := errors.AsType[*exec.ExitError](err); !ended {
		return fault.Wrap(fault.Internal, err, "the compiling process")
	}
	switch state.ExitCode() {
	case workerInvalid:
		return fault.New(fault.WasmInvalid, "the compiler refuses the module: %s", report)
	case workerDisk:
		return fault.New(fault.DiskFull, "there is no room for the compiled module")
	case workerMemory:
		return c.limited("memory", report)
	}
	switch {
	case usedUp(state, c.limits.CPU), strings.HasPrefix(report, "SIGXCPU"):
		return c.limited("cpu", fmt.Sprintf("it used the processor for %v", c.limits.CPU))
	case isOutOfMemory(report):
		return c.limited("memory", report)
	case strings.HasPrefix(report, "SIGXFSZ"):
		return c.limited("size", "the compiled code is too large")
	case state.ExitCode() < 0:
		return fault.New(fault.Exhausted, "the compiling process was ended by the system: %v", state).
			WithHint("Upload the module again; if it happens again, the machine may be short of memory.")
	}
	return fault.New(fault.Internal, "the compiling process failed: %v: %s", state, report)
}

func (c *compiler) limited(which, why string) error {
	return fault.New(fault.CompileLimit, "compiling the module reached the limit of %s: %s", which, why)
}

// isOutOfMemory knows how Go says that it has no more memory.
func isOutOfMemory(report string) bool {
	for _, words := range []string{"out of memory", "cannot allocate", "cannot reserve", "failed to create new OS thread", "cannot map pages"} {
		if strings.Contains(report, words) {
			return true
		}
	}
	return false
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ text []byte }

func (b *bounded) Write(p []byte) (int, error) {
	const most = 4 << 10
	b.text = append(b.text, p[:min(len(p), most-len(b.text))]...)
	return len(p), nil
}

// firstLine is the first line that says something.
func (b *bounded) firstLine() string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b.text)), "\n")
	if line == "" {
		return "it gave no reason"
	}
	return strings.ToValidUTF8(line, "?")
}

// compileHere compiles in this process: for tests, and for tools that run
// modules of their own.
func (e *Engine) compileHere(ctx context.Context, digest string, wasm []byte) (translation, error) {
	metered, kept, err := e.metered(digest, wasm)
	if err != nil {
		return translation{}, err
	}
	code, err := e.translate(ctx, metered)
	if err != nil && e.cache != nil && e.cache.mend(err) {
		code, err = e.translate(ctx, metered)
	}
	if err == nil && e.cache != nil {
		e.cache.record(ctx)
	}
	switch {
	case ctx.Err() != nil:
		return translation{}, fault.Of(ctx.Err())
	case err != nil:
		return translation{}, fault.Wrap(fault.WasmInvalid, err, "the compiler refuses the module")
	}
	if e.cache != nil && !kept {
		e.cache.keepOwn(ctx, digest, metered)
	}
	return code, nil
}

// metered is the rewritten module, from the cache if it is kept there.
func (e *Engine) metered(digest string, wasm []byte) (metered []byte, kept bool, err error) {
	if e.cache != nil {
		if metered, _, kept = e.cache.metered(digest); kept {
			return metered, true, nil
		}
	}
	metered, err = wasmbin.Meter(wasm)
	return metered, false, err
}

// loadKept loads a module that has compiled within its limits before; nothing:
// it is not in the cache, or what is there is damaged or of another processor.
func (e *Engine) loadKept(ctx context.Context, digest string) translation {
	if e.compiler == nil {
		return translation{}
	}
	metered, entry, kept := e.cache.metered(digest)
	if !kept {
		return translation{}
	}
	code, err := e.load(ctx, metered)
	if err != nil && ctx.Err() == nil {
		e.cache.drop(entry)
	}
	return code
}

// compileOutside compiles in a process of its own. Here the module is but
// loaded: never before a process has compiled it within its limits, and never
// if its code is not in the cache. The cost is that of compiler.run.
func (e *Engine) compileOutside(ctx context.Context, t *turn, digest string, wasm []byte) (code translation, cost time.Duration, err error) {
	metered, err := wasmbin.Meter(wasm)
	if err != nil {
		return code, 0, err
	}
	const tries = 2 // another engine's look at the cache may take an entry away
	for range tries {
		var more time.Duration
		more, err = e.compileInto(ctx, t, digest, metered)
		if cost += more; err != nil {
			return code, cost, err
		}
		if code, err = e.load(ctx, metered); err == nil {
			e.bound()
			return code, cost, nil
		}
		e.cache.forget(digest)
		if ctx.Err() != nil {
			return code, cost, fault.Of(ctx.Err())
		}
	}
	return code, cost, fault.Wrap(fault.Internal, err, "the compiled module is not in the cache")
}

// compileInto has a worker compile a rewritten module into the cache, and
// answers what compiler.run does.
func (e *Engine) compileInto(ctx context.Context, t *turn, digest string, metered []byte) (cost time.Duration, err error) {
	dir, err := e.cache.workspace(metered)
	if err != nil {
		return 0, onDisk(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // else swept later
	if cost, err = e.compiler.run(ctx, t, dir); err != nil {
		return cost, err
	}
	if err := e.cache.add(digest, dir, metered, e.kind == Compiler); err != nil {
		return cost, onDisk(err)
	}
	return cost, nil
}

// load makes a module of what is in the cache. With a context that has ended
// wazero compiles nothing, and gives up where it would have to: what is not in
// the cache is not loaded. The interpreter has no such cache.
func (e *Engine) load(ctx context.Context, metered []byte) (translation, error) {
	if e.kind == Interpreter {
		return e.translate(ctx, metered)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return e.translate(ctx, metered)
}

func (e *Engine) translate(ctx context.Context, metered []byte) (code translation, err error) {
	if code.image, err = wasmbin.Image(metered); err != nil {
		return translation{}, err
	}
	const several = 2 // one alone does not look whether the context has ended
	ctx = experimental.WithCompilationWorkers(ctx, max(several, goruntime.GOMAXPROCS(0)))
	err = guard(func() (err error) {
		code.native, err = e.runtime.CompileModule(ctx, metered)
		return err
	})
	if err != nil {
		return translation{}, err
	}
	return code, nil
}

// startCompiler opens the cache and, if there is a command for it, prepares to
// compile outside. That needs a cache: without a directory for one, or when
// what is there cannot be used, it gets a directory that goes with the engine.
func (e *Engine) startCompiler(ctx context.Context, cfg Config, log *slog.Logger) (err error) {
	e.cacheBytes = cfg.CacheBytes
	if e.cacheBytes <= 0 {
		e.cacheBytes = DefaultCacheBytes
	}
	outside := len(cfg.Worker) > 0
	if cfg.CacheDir != "" && (outside || e.kind == Compiler) {
		if e.cache, err = openCache(ctx, cfg.CacheDir, log); err != nil {
			return err
		}
	}
	if !outside {
		return nil
	}
	e.compiler = newCompiler(cfg.Worker, e.kind, cfg.CompileLimits)
	if e.cache != nil {
		return nil
	}
	if e.private, err = os.MkdirTemp("", "snaprail-cache-"); err != nil {
		return fault.Wrap(fault.Internal, err, "the cache of compiled modules cannot be made")
	}
	if e.cache, err = openCache(ctx, e.private, log); err == nil && e.cache == nil {
		err = fault.New(fault.Internal, "the cache of compiled modules %s cannot be used", e.private)
	}
	return err
}

// removePrivate removes the cache directory that goes with the engine.
func (e *Engine) removePrivate() error {
	if e.private == "" {
		return nil
	}
	return os.RemoveAll(e.private)
}
