package main

import (
	"context"
	"os"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// compileWorker is the hidden command that compiles one module and ends: the
// server starts it for each module that it takes in.
const compileWorker = "compile-worker"

// worker is the command line of that process, of this very binary.
func worker() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "this program does not know its own file, to start the compiler from it")
	}
	return []string{self, compileWorker}, nil
}

// runCompileWorker takes its orders from the server alone, so it is no command
// of the tree: there is nothing to read in its help.
func runCompileWorker(ctx context.Context, args []string, t terminal) int {
	return engine.CompileWorker(ctx, args, t.in, t.err)
}
