package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the real program a command of this test binary: scripts and
// tests run `snaprail` as a user would, in a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"snaprail": main})
}
