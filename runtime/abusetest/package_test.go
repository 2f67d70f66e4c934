package abusetest_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/snaprail/snaprail/runtime/abusetest"
	"github.com/snaprail/snaprail/runtime/engine"
)

// cacheDir holds compiled guests, so that a test does not pay for them again.
var cacheDir string

// TestMain is also the process that compiles, and the one whose memory is
// measured.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "compile-worker":
			os.Exit(engine.CompileWorker(context.Background(), os.Args[2:], os.Stdin, os.Stderr))
		case "measure":
			os.Exit(measured(os.Args[2:]))
		}
	}
	dir, err := os.MkdirTemp("", "snaprail-abuse-")
	if err != nil {
		panic(err)
	}
	cacheDir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if full {
			fmt.Printf("\n%s\n", figures.table())
		}
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// figures are what was measured, for the table at the end.
var figures ledger

type ledger struct {
	mu  sync.Mutex
	all []abusetest.Figure
}

func (l *ledger) table() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return abusetest.Table(l.all)
}

// judge notes a figure. In a full run a target that is not met fails the test.
func judge(t *testing.T, number, what, target, measured string, met bool) {
	t.Helper()
	figures.mu.Lock()
	figures.all = append(figures.all, abusetest.Figure{Case: number, What: what, Target: target, Measured: measured, Met: met})
	figures.mu.Unlock()
	t.Logf("%s: %s, target %s", what, measured, target)
	if full && !met {
		t.Errorf("%s: %s, target %s", what, measured, target)
	}
}
