package engine

import (
	"context"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Config is what an Engine is made of.
type Config struct {
	// CacheDir holds compiled code and is made with mode 0700. What lies in it
	// is executed, so nobody but the server may write there. Empty: compiled
	// code is kept in memory alone.
	CacheDir string
	// CacheBytes bounds what is kept there; 0: DefaultCacheBytes.
	CacheBytes int64
	// Worker is the command that compiles, in a process of its own: one that
	// calls CompileWorker with the arguments behind these. With it, no module
	// is compiled in this process. None: modules are compiled here, which is
	// for tests and tools: a hostile module can keep the compiler busy.
	Worker []string
	// CompileLimits bound such a process.
	CompileLimits CompileLimits
	// Groups are the groups that a module can be linked to. The core group
	// needs no mention.
	Groups []capability.Group
	// Log takes the engine's own notes; nil: none.
	Log *slog.Logger
}

// Engine compiles and runs modules. It is safe for use by several goroutines.
type Engine struct {
	kind       string
	runtime    wazero.Runtime
	cache      *diskCache // nil: none
	cacheBytes int64
	compiler   *compiler // nil: modules are compiled in this process
	private    string    // a cache directory that goes with the engine; "": none
	wasi       api.Module
	meter      api.Module
	kernel     api.Module // of guests with an Extism PDK
	user       api.Module // all groups, for them
	groups     map[string]*group
	offer      Offer
	started    time.Time // the zero of the guests' monotonic clocks
	stats      counters
	// computing counts the guests that use up slices now, beside the number of
	// processors that Go code may use.
	computing  atomic.Int32
	processors int32
	poller     poller

	mu        sync.Mutex
	closed    bool
	work      int           // compilations and instantiations under way
	drained   chan struct{} // closed when closed and work is 0
	modules   map[string]*compiled
	instances map[*Instance]struct{}
	accounts  map[string]*account
	debts     map[string]debt // of accounts that are forgotten
}

// New starts an engine.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		started:    time.Now(),
		processors: int32(min(runtime.GOMAXPROCS(0), math.MaxInt32)), //nolint:gosec // bounded
		drained:    make(chan struct{}),
		modules:    make(map[string]*compiled),
		instances:  make(map[*Instance]struct{}),
		accounts:   make(map[string]*account),
		debts:      make(map[string]debt),
	}
	if err := e.start(ctx, cfg, log); err != nil {
		return nil, errorsOf(err, e.removePrivate())
	}
	if e.kind == Interpreter {
		log.WarnContext(ctx, "this machine cannot run compiled code: modules are interpreted and many times slower",
			"hint", "allow executable memory (systemd: MemoryDenyWriteExecute=no)")
	}
	if err := e.link(ctx, cfg.Groups); err != nil {
		return nil, errorsOf(err, e.Close(ctx))
	}
	return e, nil
}

// now is the time since the engine was started.
func (e *Engine) now() time.Duration { return time.Since(e.started) }

// begin counts work that Close waits for; end ends it.
func (e *Engine) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fault.New(fault.ShuttingDown, "the engine is closed")
	}
	e.work++
	return nil
}

func (e *Engine) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.work--; e.work == 0 && e.closed {
		close(e.drained)
	}
}

// Close ends the engine with all its modules and instances. Running calls are
// cancelled and waited for. If ctx ends first, nothing that a guest may still
// use is freed, and Close may be called again.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		if e.work == 0 {
			close(e.drained)
		}
	}
	e.mu.Unlock()
	select {
	case <-e.drained:
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "modules are still being compiled")
	}
	e.mu.Lock()
	all := make([]*Instance, 0, len(e.instances))
	for i := range e.instances {
		all = append(all, i)
	}
	e.mu.Unlock()
	var failed error
	for _, i := range all {
		if err := i.Close(ctx); fault.Is(err, fault.Timeout) {
			return err
		} else if err != nil { // it is gone nevertheless
			failed = err
		}
	}
	e.poller.close()
	err := errorsOf(e.runtime.Close(ctx), failed)
	if e.cache != nil {
		err = errorsOf(err, e.cache.Close(ctx), e.removePrivate())
	}
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the engine did not close cleanly")
	}
	return nil
}

// errorsOf is the first error.
func errorsOf(errs ...error) error {
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return errs[i]
	}
	return nil
}
