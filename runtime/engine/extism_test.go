package engine_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/engine/extism"
	"github.com/snaprail/snaprail/runtime/fault"
)

// plugin is one of the plugins that go-sdk is tested with, and what to call.
type plugin struct {
	file   string // below go-sdk's folder wasm
	entry  string
	config map[string]string
	inputs []string // one after another on one instance
	// differs says why ours is not what go-sdk does; refused, with what words
	// we refuse the module.
	differs, refused string
}

var sentences = []string{
	"", "a", "hello world", "The quick brown fox jumps over the lazy dog", "bcd", "ÄÖÜ aeiou \x00 end",
	strings.Repeat("aeiou bcdfg ", 1000), "12345678", "hello world",
}

// plugins lists all plugins of go-sdk's own tests.
func plugins() []plugin {
	const libraries = "modules are not linked with each other: one file is one sandbox"
	return []plugin{
		{file: "alloc", entry: "run_test", inputs: []string{"", "x", ""}},
		{file: "config", entry: "run_test", inputs: []string{"", "x", ""}},
		{file: "config", entry: "run_test", config: map[string]string{"thing": "gear", "other": "x"}, inputs: []string{"", "x", ""}},
		{file: "config", entry: "run_test", config: map[string]string{"thing": strings.Repeat("long ", 5000)}, inputs: []string{"", ""}},
		{file: "count_vowels", entry: "count_vowels", inputs: sentences},
		{file: "count_vowels", entry: "count_vowels", config: map[string]string{"vowels": "xyz"}, inputs: sentences},
		{file: "count_vowels_std", entry: "_start", inputs: []string{"ben"}},
		{file: "exit", entry: "_start", inputs: []string{""}},
		{file: "exit", entry: "_start", config: map[string]string{"code": "0"}, inputs: []string{""}},
		{file: "exit", entry: "_start", config: map[string]string{"code": "2"}, inputs: []string{""}},
		{file: "exit", entry: "_start", config: map[string]string{"code": "no number"}, inputs: []string{""}},
		{file: "fail", entry: "run_test", inputs: []string{"", "x", ""}},
		{file: "fs", entry: "run_test", inputs: []string{"", ""}},
		{file: "fs_std", entry: "run_test", inputs: []string{"", ""}},
		{file: "hello", entry: "run_test", inputs: []string{"", "x", ""}},
		{file: "hello_haskell", entry: "testing", inputs: []string{"John", "", "Jane"}},
		{file: "hello_haskell", entry: "testing", config: map[string]string{"greeting": "Howdy"}, inputs: []string{"John", "Jane"}},
		{file: "host", entry: "run_test", refused: "functions here are named <group>_<function>"},
		{file: "host_memory", entry: "run_test", refused: "no module of this name"},
		{file: "host_multiple", entry: "say_green", refused: "functions here are named <group>_<function>"},
		{file: "http", entry: "run_test", inputs: []string{""}},
		{file: "http_headers", entry: "http_get", inputs: []string{`{"url":"https://example.com/x"}`}},
		{file: "http_headers", entry: "http_get", inputs: []string{`no JSON`}},
		{file: "http_headers", entry: "http_get", inputs: []string{`{"url":"://"}`}},
		{file: "input_offset", entry: "input_offset_length", inputs: []string{"", "x", "some bytes", strings.Repeat("x", 1<<20)}},
		{file: "lib", entry: "capitalize", inputs: []string{"x"}, differs: "it is a library: its export takes parameters, so that it is no entry point"},
		{file: "log", entry: "run_test", inputs: []string{"", ""}},
		{file: "main", entry: "run_test", refused: "no module of this name", differs: libraries},
		{file: "nested.c.instr", entry: "_start", refused: "no module of this name"},
		{
			file: "noop", entry: "run_test", inputs: []string{""},
			differs: "it imports nothing of Extism's, so that its exports are no entry points of an Extism module",
		},
		{file: "println", entry: "run_test", inputs: []string{"", "a line"}},
		{file: "read_write", entry: "try_read", config: map[string]string{"path": "/mnt/test.txt"}, inputs: []string{"", "x"}},
		{file: "read_write", entry: "try_write", config: map[string]string{"path": "/mnt/test.txt"}, inputs: []string{"", "x"}},
		{file: "replace", entry: "run_test", inputs: sentences},
		{file: "sleep", entry: "run_test", config: map[string]string{"duration": "0"}, inputs: []string{"", ""}},
		{file: "std_command", entry: "_start", inputs: []string{"some input"}},
		{file: "var", entry: "run_test", inputs: []string{"", "x", ""}},
	}
}

// TestExtismPluginsDoWhatTheyDoInGoSDK runs each plugin here and in go-sdk, and
// compares what a caller sees: what the call answered, its output, the first
// line of its error, the variables and the log.
func TestExtismPluginsDoWhatTheyDoInGoSDK(t *testing.T) {
	e := newEngineIn(t, filepath.Join(scratch, "extism"))
	ran := make(map[string]bool)
	folder := filepath.Join(goSDK(t), "wasm")
	for n, p := range plugins() {
		ran[p.file+".wasm"] = true
		t.Run(fmt.Sprintf("%s/%d", p.file, n), func(t *testing.T) {
			wasm, err := os.ReadFile(filepath.Join(folder, p.file+".wasm"))
			if err != nil {
				t.Fatal(err)
			}
			compareWithGoSDK(t, e, wasm, p)
		})
	}
	all, err := filepath.Glob(filepath.Join(folder, "*.wasm"))
	if err != nil || len(all) == 0 {
		t.Fatal("go-sdk has no plugins", err)
	}
	for _, f := range all {
		if !ran[filepath.Base(f)] {
			t.Errorf("%s is in no row", filepath.Base(f))
		}
	}
}

// TestExtismGuestsDoWhatTheyDoInGoSDK is the same for our own guests, one made
// with Extism's PDK for Go and others whose imports are written by hand.
func TestExtismGuestsDoWhatTheyDoInGoSDK(t *testing.T) {
	e := newEngineIn(t, filepath.Join(scratch, "extism"))
	for _, guest := range []string{"goextism", "cextism", "asextism"} {
		for _, entry := range []string{"tally", "convert", "remember", "fail"} {
			for n, config := range []map[string]string{nil, {"greeting": "good day"}} {
				t.Run(fmt.Sprintf("%s/%s/%d", guest, entry, n), func(t *testing.T) {
					inputs := append(slices.Clone(sentences), frame, strings.Repeat("long input ", 20_000))
					compareWithGoSDK(t, e, extismGuest(t, guest), plugin{file: guest, entry: entry, config: config, inputs: inputs})
				})
			}
		}
	}
}

// goSDK is the folder of go-sdk's source.
func goSDK(t testing.TB) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/extism/go-sdk").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Skip("go-sdk's source is not in the module cache")
	}
	return dir
}

func compareWithGoSDK(t *testing.T, e *engine.Engine, wasm []byte, p plugin) {
	t.Helper()
	m := compile(t, e, wasm)
	cfg := engine.InstanceConfig{
		Host: &logbook{}, CallTimeout: time.Minute,
		Extism: &engine.ExtismSettings{Config: p.config, LogLevel: extism.LevelTrace},
	}
	if p.refused != "" {
		_, err := e.Instantiate(t.Context(), m, cfg)
		wantFault(t, err, fault.ImportUnknown, p.refused)
		return
	}
	theirs := newTheirs(t, wasm, p)
	var ours *engine.Instance
	for n, in := range p.inputs {
		if ours == nil || ours.State() == engine.Dead { // theirs goes on, whatever state it is in
			if n > 0 {
				theirs = newTheirs(t, wasm, p)
			}
			cfg.Host = &logbook{}
			ours = instantiate(t, e, m, cfg)
		}
		got, want := callOurs(t, ours, cfg.Host.(*logbook), p.entry, in), theirs.call(t, p.entry, in)
		if p.differs != "" {
			if got.String() == want.String() {
				t.Errorf("there is no difference, but there should be: %s", p.differs)
			}
			continue
		}
		if got.String() != want.String() {
			t.Errorf("input %d (%.40q):\n got %s\nwant %s", n, in, got, want)
		}
	}
}

// seen is what the caller of a plugin sees.
type seen struct {
	rc     uint32
	output []byte
	err    string
	vars   map[string]string
	log    []string
}

func (s seen) String() string {
	var vars []string
	for _, name := range slices.Sorted(maps.Keys(s.vars)) {
		vars = append(vars, fmt.Sprintf("%s=%q", name, s.vars[name]))
	}
	return fmt.Sprintf("rc %d, output %q, error %q, vars %v, log %q", s.rc, s.output, s.err, vars, s.log)
}

// logbook keeps what a guest of ours logs.
type logbook struct {
	quiet

	lines []string
}

func (l *logbook) Log(level abi.LogLevel, line []byte) {
	l.lines = append(l.lines, fmt.Sprintf("%d %s", level, line))
}

func callOurs(t *testing.T, i *engine.Instance, l *logbook, entry, in string) seen {
	t.Helper()
	l.lines = nil
	out, err := i.Call(t.Context(), entry, []byte(in))
	s := seen{log: l.lines, err: plainError(entry, err)}
	if fault.Is(err, fault.Unsupported) {
		s.rc, s.err = 1, "unknown function: "+entry
		_, _, s.vars = i.Extism()
		return s
	}
	s.rc, s.output, s.vars = i.Extism()
	if err == nil {
		s.output = out
	}
	return s
}

// plainError is the first line of an error without the words that either side
// puts around it.
func plainError(entry string, err error) string {
	if err == nil {
		return ""
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	text = text[:min(len(text), 1000)] // ours are cut at 1 KiB
	text = strings.TrimPrefix(text, entry+" trapped: ")
	text = strings.TrimPrefix(text, "wasm error: ")
	text = strings.TrimSuffix(text, " (recovered by wazero)")
	if strings.HasSuffix(text, " and gave no reason") { // go-sdk leaves it to its caller to look at the code
		return ""
	}
	return regexp.MustCompile(`^(.* exited with code |module closed with exit_code\()(\d+)\)?$`).ReplaceAllString(text, "exit $2")
}

// theirs is a plugin in go-sdk.
type theirs struct {
	*sdk.Plugin

	lines []string
}

func newTheirs(t *testing.T, wasm []byte, p plugin) *theirs {
	t.Helper()
	sdk.SetLogLevel(sdk.LogLevelOff)
	manifest := sdk.Manifest{Wasm: []sdk.Wasm{sdk.WasmData{Data: wasm}}, Config: p.config}
	made, err := sdk.NewPlugin(t.Context(), manifest, sdk.PluginConfig{
		EnableWasi: true, RuntimeConfig: wazero.NewRuntimeConfigInterpreter(), // it compiles faster than it runs
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = made.Close(context.Background()) })
	th := &theirs{Plugin: made}
	made.SetLogger(th.take)
	sdk.SetLogLevel(sdk.LogLevelTrace)
	return th
}

// take takes the lines of the plugin, and not those of go-sdk itself.
func (th *theirs) take(level sdk.LogLevel, text string) {
	own := regexp.MustCompile(`^(Calling |Initializ|No runtime detected|WASI runtime|Reactor module|Command module|Haskell runtime)`)
	if own.MatchString(text) {
		return
	}
	as := map[sdk.LogLevel]abi.LogLevel{
		sdk.LogLevelTrace: abi.LogDebug, sdk.LogLevelDebug: abi.LogDebug, sdk.LogLevelInfo: abi.LogInfo,
		sdk.LogLevelWarn: abi.LogWarning, sdk.LogLevelError: abi.LogError,
	}[level]
	th.lines = append(th.lines, fmt.Sprintf("%d %s", as, text))
}

func (th *theirs) call(t *testing.T, entry, in string) seen {
	t.Helper()
	th.lines = nil
	rc, out, err := th.CallWithContext(t.Context(), entry, []byte(in))
	s := seen{rc: rc, output: out, err: plainError(entry, err), vars: make(map[string]string), log: th.lines}
	for name, value := range th.Var {
		s.vars[name] = string(value)
	}
	return s
}
