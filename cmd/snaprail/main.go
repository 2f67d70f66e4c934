// Command snaprail is the whole product in one binary: the server (`serve`),
// a demonstration that needs no hardware (`demo`), the client of a running
// server, and the tools of a module's author (`pack`, `inspect`).
//
// It is the one place where everything is wired, so it may import everything,
// and nothing imports it. Data goes to stdout and everything else to stderr;
// the exit code of a failure comes from the fault table.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "dev"

func main() {
	os.Exit(run(os.Args[1:], terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv}))
}

// terminal is what a command has of the world around it.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	env      func(name string) string
}

// run runs one command and gives its exit code. The first interrupt asks the
// command to stop, the second one kills it.
func run(args []string, t terminal) int {
	signal.Ignore(syscall.SIGPIPE) // a reader that has gone is an error of the write, not the end of the process
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	if len(args) > 0 && args[0] == compileWorker {
		return runCompileWorker(ctx, args[1:], t)
	}
	t.out, t.err = &inert{to: t.out}, &inert{to: t.err}
	a := &app{terminal: t}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return a.report(ctx, err)
}
