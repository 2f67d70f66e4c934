package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the real program a command of this test binary: scripts and
// tests run `snaprail` as a user would, in a process of its own. A server within
// this process compiles in another process, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == compileWorker {
		main()
	}
	testscript.Main(m, map[string]func(){"snaprail": main})
}
