// Command summary runs "go test -json" with its arguments and prints one line
// for each package, the output of what failed, the reason of what was skipped,
// and a closing line of the form "12 passed, 0 failed, 1 skipped".
//
// It imports the standard library alone, so that it runs before anything is
// downloaded. It fails when a test fails, when go test itself fails, when no
// test ran at all, and, with -strict as its first argument, when a test was
// skipped.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out io.Writer) int {
	strict := len(args) > 0 && args[0] == "-strict"
	if strict {
		args = args[1:]
	}
	r := newReport(out)
	err := goTest(ctx, args, r)
	failed := r.close(strict)
	if err != nil && !failed {
		fmt.Fprintln(out, "go test:", err)
	}
	if err != nil || failed {
		return 1
	}
	return 0
}

// goTest feeds the events of a run to the report. An interrupt is passed on,
// so that the tests' own processes end too.
func goTest(ctx context.Context, args []string, r *report) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := r.read(events)
	if err := cmd.Wait(); err != nil {
		return err
	}
	return readErr
}
