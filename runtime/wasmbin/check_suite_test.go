package wasmbin_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// suite is the folder of the WebAssembly core test suite, which ships with
// wazero's source.
func suite(t testing.TB) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatalf("where wazero's source is: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
}

// script is one file of the suite.
type script struct {
	Commands []struct {
		Type, Filename, Text string
		Line                 int
		ModuleType           string `json:"module_type"`
	}
}

func readScript(t *testing.T, path string) script {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s script
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReadCoreSuite reads every module of the core test suite: those that the
// suite calls invalid or malformed are refused, all others are accepted, but
// for those that are beyond a bound: as many as are known.
func TestReadCoreSuite(t *testing.T) {
	for version, beyond := range map[string]map[string]int{"v1": {"br_table": 1}, "v2": beyondV2()} {
		paths, err := filepath.Glob(filepath.Join(suite(t), version, "testdata", "*.json"))
		if err != nil || len(paths) < 70 {
			t.Fatalf("%d scripts, %v", len(paths), err)
		}
		valid, wrong := 0, 0
		for _, path := range paths {
			for _, cmd := range readScript(t, path).Commands {
				if cmd.Filename == "" || cmd.ModuleType == "text" {
					continue
				}
				src, err := os.ReadFile(filepath.Join(filepath.Dir(path), cmd.Filename))
				if err != nil {
					t.Fatal(err)
				}
				_, err = wasmbin.Read(src)
				switch name, _, _ := strings.Cut(cmd.Filename, "."); {
				case cmd.Type == "assert_invalid" || cmd.Type == "assert_malformed":
					wrong++
					// What was invalid in the first version can be valid since.
					if err == nil && (version != "v1" || !compiles(t, src)) {
						t.Errorf("%s/%s is accepted: %s (line %d)", version, cmd.Filename, cmd.Text, cmd.Line)
					}
				case fault.Is(err, fault.WasmTable) || fault.Is(err, fault.WasmBranches):
					beyond[name]--
				case err != nil:
					t.Errorf("%s/%s is refused: %v: %v", version, cmd.Filename, fault.Of(err).Kind, err)
				default:
					valid++
				}
			}
		}
		for name, n := range beyond {
			if n != 0 {
				t.Errorf("%s/%s: %d modules fewer are beyond a bound than are known to be", version, name, n)
			}
		}
		t.Logf("%s: %d modules accepted, %d refused", version, valid, wrong)
	}
}

// beyondV2 counts, by script, the valid modules that have several tables, or
// one beyond the bound; br_table has a branch table beyond the bound.
func beyondV2() map[string]int {
	return map[string]int{
		"br_table": 1, "call_indirect": 1, "exports": 1, "imports": 2, "linking": 2, "ref_is_null": 1, "select": 1,
		"table": 3, "table_copy": 40, "table_get": 1, "table_init": 27, "table_set": 1, "table_size": 1,
	}
}

// TestReadAcceptsOnlyWhatCompiles reads the modules of the proposals too:
// whatever is accepted of them, wazero takes.
func TestReadAcceptsOnlyWhatCompiles(t *testing.T) {
	var paths []string
	for _, pattern := range []string{"*/testdata/*.wasm", "testdata/*.wasm"} {
		found, err := filepath.Glob(filepath.Join(suite(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	accepted := 0
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wasmbin.Read(src); err != nil {
			continue
		}
		accepted++
		if !compiles(t, src) {
			t.Errorf("%s is accepted, and wazero refuses it", path)
		}
	}
	t.Logf("%d of %d modules accepted", accepted, len(paths))
}

// compiles is the oracle: whether wazero takes the module.
func compiles(t testing.TB, src []byte) bool {
	t.Helper()
	return compileError(t, src) == nil
}

func compileError(t testing.TB, src []byte) error {
	t.Helper()
	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false))
	defer r.Close(ctx) //nolint:errcheck // nothing runs in it
	_, err := r.CompileModule(ctx, src)
	return err
}

// addSuite seeds a fuzz test with some of the small modules of the core suite.
func addSuite(f *testing.F) {
	f.Helper()
	paths, err := filepath.Glob(filepath.Join(suite(f), "v2", "testdata", "*.wasm"))
	if err != nil {
		f.Fatal(err)
	}
	for i, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if i%29 == 0 && len(src) < 4<<10 {
			f.Add(src)
		}
	}
}
