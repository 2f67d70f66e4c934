package engine_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// scratch is a folder for what the tests share: a Go guest, and its compiled
// code.
var scratch string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if worker := workers()[os.Args[1]]; worker != nil {
			os.Exit(worker(os.Args[2:]))
		}
	}
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		panic(err)
	}
	scratch = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}
