package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// TestScripts runs what a user would type. UPDATE_SCRIPTS=1 rewrites what is
// expected.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join(root, "testdata", "script"),
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("TMPDIR", e.WorkDir+"/tmp")
			e.Setenv("SNAPRAIL_DATA", e.WorkDir+"/data")
			e.Setenv("MODULES", filepath.Join(root, "connectors-wasm", "dist"))
			e.Setenv("GUESTS", filepath.Join(root, "testdata", "guests", "dist"))
			server := &scriptServer{}
			e.Values[serverKey{}] = server
			e.Defer(func() {
				if err := server.stop(); err != nil {
					t.Error(err)
				}
			})
			return os.Mkdir(e.WorkDir+"/tmp", 0o700)
		},
		Cmds: verbs(),
	})
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
