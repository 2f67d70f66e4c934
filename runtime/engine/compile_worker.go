package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
)

// The exit codes of the process that compiles. Whatever else it ends with was
// not its own decision.
const (
	workerDone    = 0
	workerInvalid = 65 // the module does not validate
	workerFailed  = 70
	workerMemory  = 71
	workerDisk    = 73 // no room for the compiled code
)

// CompileWorker is the process that compiles one module, which the command of
// Config.Worker has to call. It takes the module from in, puts the compiled
// code into the working directory, writes a line to report if it fails, and
// returns the code to exit with. It binds itself by the limits in args, the
// arguments behind that command, before it touches the module.
func CompileWorker(ctx context.Context, args []string, in io.Reader, report io.Writer) int {
	order, err := parseOrder(args)
	if err == nil {
		err = confine(order.limits)
	}
	if err == nil {
		err = order.compile(ctx, in)
	}
	if err == nil {
		return workerDone
	}
	fmt.Fprintln(report, err)
	return exitCode(err)
}

// order is what a worker is asked for.
type order struct {
	kind   string
	limits CompileLimits
}

// args are the arguments that parseOrder reads.
func (o order) args() []string {
	return []string{
		o.kind,
		strconv.FormatUint(uint64(math.Ceil(o.limits.CPU.Seconds())), 10),
		strconv.FormatUint(o.limits.Memory, 10),
	}
}

func parseOrder(args []string) (order, error) {
	if len(args) != 3 || (args[0] != Compiler && args[0] != Interpreter) {
		return order{}, errors.New("want the kind of engine, seconds and bytes; the server starts this command itself")
	}
	seconds, err := strconv.ParseUint(args[1], 10, 16)
	if err != nil {
		return order{}, err
	}
	memory, err := strconv.ParseUint(args[2], 10, 63)
	if err != nil {
		return order{}, err
	}
	return order{args[0], CompileLimits{CPU: time.Duration(seconds) * time.Second, Memory: memory}}, nil
}

// invalid is what the compiler has against a module.
type invalid struct{ error }

// compile compiles the module that comes in. An interpreted one leaves nothing
// behind: that the process came through is what was wanted.
func (o order) compile(ctx context.Context, in io.Reader) error {
	// The collector works harder before memory runs out than it would alone.
	debug.SetMemoryLimit(int64(o.limits.Memory / 4 * 3)) //nolint:gosec // parsed with 63 bits
	wasm, err := readModule(in)
	if err != nil {
		return err
	}
	cfg := runtimeConfig(o.kind)
	if o.kind == Compiler {
		cache, err := wazero.NewCompilationCacheWithDir(".")
		if err != nil {
			return err
		}
		cfg = cfg.WithCompilationCache(cache)
	}
	ctx = experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0))
	return guard(func() error {
		_, err := wazero.NewRuntimeWithConfig(ctx, cfg).CompileModule(ctx, wasm)
		if err == nil || isSystem(err) {
			return err
		}
		return invalid{err}
	})
}

// readModule reads all there is, into memory of the right size if in is a file.
func readModule(in io.Reader) ([]byte, error) {
	file, ok := in.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return io.ReadAll(in)
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return io.ReadAll(in)
	}
	wasm := make([]byte, info.Size())
	_, err = io.ReadFull(in, wasm)
	return wasm, err
}

// isSystem tells what the system refuses from what the compiler has against a
// module.
func isSystem(err error) bool {
	_, path := errors.AsType[*fs.PathError](err)
	_, link := errors.AsType[*os.LinkError](err)
	_, number := errors.AsType[syscall.Errno](err)
	return path || link || number || strings.Contains(err.Error(), syscall.ENOMEM.Error())
}

func exitCode(err error) int {
	if _, bad := errors.AsType[invalid](err); bad {
		return workerInvalid
	}
	switch {
	case isDiskFull(err):
		return workerDisk
	case errors.Is(err, syscall.ENOMEM), strings.Contains(err.Error(), syscall.ENOMEM.Error()):
		return workerMemory // a panic of wazero's is but text
	case errors.Is(err, errPanic):
		return workerInvalid
	}
	return workerFailed
}
