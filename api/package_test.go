package api

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// cacheDir holds compiled guests, so that a test does not pay for them again.
var cacheDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "snaprail-cache-")
	if err != nil {
		panic(err)
	}
	cacheDir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}
