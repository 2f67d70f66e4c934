package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/wasmbin"
	"github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// TestScripts runs what a user would type. UPDATE_SCRIPTS=1 rewrites what is
// expected.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("SNAPRAIL_DATA", e.WorkDir+"/data")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"wasm": writeModule},
	})
}

// writeModule is the script command
//
//	wasm file export,... [module.function ...]
//
// which writes a module with these exported functions, a memory, and these
// imports.
func writeModule(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: wasm file exports imports...")
	}
	var m wasmtest.Module
	m.Pages = 1
	for _, name := range args[2:] {
		module, function, _ := strings.Cut(name, ".")
		m.Imports = append(m.Imports, wasmtest.Import{Module: module, Name: function})
	}
	for name := range strings.SplitSeq(args[1], ",") {
		m.Functions = append(m.Functions, wasmtest.Function{Export: name})
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), m.Bytes(), 0o600))
}

// TestPackedModuleIsTheSameBesideItsManifest: packing changes one section.
func TestPackedModuleIsTheSameBesideItsManifest(t *testing.T) {
	src := guestBytes(t, "textframe")
	manifest, _, err := wasmbin.Section(src, abi.ManifestSection)
	if err != nil {
		t.Fatal(err)
	}
	again, err := wasmbin.WithSection(src, abi.ManifestSection, manifest)
	if err != nil || string(again) != string(src) {
		t.Errorf("packed twice: %d bytes, %v; want the %d of before", len(again), err, len(src))
	}
}
