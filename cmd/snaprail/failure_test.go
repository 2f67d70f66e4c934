package main

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/runtime/fault"
)

// TestFailureSaysHowLongToWait: there are no headers to look at.
func TestFailureSaysHowLongToWait(t *testing.T) {
	var b strings.Builder
	printFault(&b, fault.New(fault.RateLimited, "too fast").WithRetryAfter(5200*time.Millisecond))
	if !strings.Contains(b.String(), "\nwait:  6s\n") {
		t.Error(b.String())
	}
	b.Reset()
	if printFault(&b, fault.New(fault.RateLimited, "too fast")); strings.Contains(b.String(), "wait:") {
		t.Error(b.String())
	}
}

// TestReaderThatHasGone: `tail | head` ends without a word, and without failure.
func TestReaderThatHasGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	_ = r.Close()
	var said strings.Builder
	a := &app{terminal: terminal{out: &inert{to: w}, err: &said}}
	if code := a.report(t.Context(), a.line("a record")); code != 0 || said.Len() > 0 {
		t.Errorf("exit %d: %s", code, said.String())
	}
	full := &app{terminal: terminal{out: failing{syscall.ENOSPC}, err: &said}}
	if code := full.report(t.Context(), full.line("a record")); code == 0 || !strings.Contains(said.String(), "no space") {
		t.Errorf("exit %d: %s", code, said.String())
	}
}

// failing is a writer that cannot.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestSwitchesTakeNoValue: back-quotes in the text of a flag name its value, and
// a switch has none.
func TestSwitchesTakeNoValue(t *testing.T) {
	takes := regexp.MustCompile(`(?m)^ +(?:-\w, )?--([\w-]+) (\S+)`)
	a := &app{terminal: terminal{env: func(string) string { return "" }}}
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for _, m := range takes.FindAllStringSubmatch(c.LocalFlags().FlagUsages(), -1) {
			if _, err := c.Flags().GetBool(m[1]); err == nil {
				t.Errorf("%s --%s seems to take %q", c.CommandPath(), m[1], m[2])
			}
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look(a.root())
}
