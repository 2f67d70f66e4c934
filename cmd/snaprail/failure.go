package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// report prints what went wrong, with what to do next, and gives the exit
// code, which is the command's own when nothing did.
func (a *app) report(ctx context.Context, err error) int {
	if err == nil || errors.Is(err, errUnread) {
		return a.exit
	}
	f := a.asFault(err)
	if ctx.Err() != nil && f.Kind == fault.Canceled {
		return fault.ExitInterrupted // the user knows
	}
	printFault(a.err, f)
	return f.Kind.Info().Exit
}

// asFault takes what cobra says before a command starts for wrong usage.
func (a *app) asFault(err error) *fault.Fault {
	var f *fault.Fault
	if a.started || errors.As(err, &f) {
		return fault.Of(err)
	}
	text, more, _ := strings.Cut(err.Error(), "\n") // cobra adds what was perhaps meant
	f = fault.New(fault.Usage, "%s", text)
	if meant := strings.Fields(more); len(meant) > 0 {
		f.Hint = strings.Join(meant, " ")
	}
	return f
}

func printFault(w io.Writer, f *fault.Fault) {
	info := f.Kind.Info()
	fmt.Fprintf(w, "error: %s\n", visible(f.Text))
	fmt.Fprintf(w, "why:   %s\n", info.Title)
	for _, field := range f.Fields {
		fmt.Fprintf(w, "       %s: %s\n", visible(field.Pointer), visible(field.Detail))
	}
	if f.Offset > 0 {
		fmt.Fprintf(w, "       at byte %d of the file\n", f.Offset)
	}
	if f.RetryAfter > 0 {
		fmt.Fprintf(w, "wait:  %s\n", (f.RetryAfter + time.Second - 1).Truncate(time.Second))
	}
	fmt.Fprintf(w, "try:   %s\n", visible(f.Advice()))
	fmt.Fprintf(w, "code:  %s\n", info.Code)
}
