package engine

import (
	"context"
	"errors"
	"log/slog"

	"github.com/snaprail/snaprail/runtime/capability"
)

// Config is what an Engine is made of.
type Config struct {
	// CacheDir holds compiled code and is made with mode 0700. What lies in it
	// is executed, so nobody but the server may write there. Empty: compiled
	// code is kept in memory alone.
	CacheDir string
	// Groups are the groups that a module can be linked to. The core group
	// needs no mention.
	Groups []capability.Group
	// Log takes the engine's own notes; nil: none.
	Log *slog.Logger
}

// Engine compiles and runs modules. It is safe for use by several goroutines.
type Engine struct{}

// New starts an engine.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	return nil, errors.ErrUnsupported
}

// Close ends the engine with all its modules and instances.
func (e *Engine) Close(ctx context.Context) error { return errors.ErrUnsupported }

// Compile compiles a module, once for each digest: a module that is compiled
// already is shared. Close gives it back.
func (e *Engine) Compile(ctx context.Context, wasm []byte) (*Module, error) {
	return nil, errors.ErrUnsupported
}
