package wasmbin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// The WebAssembly core specification's own tests, as they ship with wazero.
type (
	specFile struct {
		Commands []specCommand `json:"commands"`
	}
	specCommand struct {
		Type     string      `json:"type"`
		Line     int         `json:"line"`
		Name     string      `json:"name"`
		Filename string      `json:"filename"`
		As       string      `json:"as"`
		Text     string      `json:"text"`
		Action   specAction  `json:"action"`
		Expected []specValue `json:"expected"`
	}
	specAction struct {
		Type   string      `json:"type"`
		Module string      `json:"module"`
		Field  string      `json:"field"`
		Args   []specValue `json:"args"`
	}
	specValue struct {
		Type  string `json:"type"`
		Lane  string `json:"lane_type"`
		Value any    `json:"value"`
	}
)

// specSide is one of the two ways that a file is run: plain and metered.
type specSide struct {
	*host
	metered bool
	modules map[string]api.Module
	last    api.Module
}

// specCount is what was run.
type specCount struct {
	modules, returns, traps, exhaustions, gets, uninstantiable int
}

func TestSpecificationSuiteRunsMetered(t *testing.T) {
	root := wazeroDir(t)
	var count specCount
	for _, version := range []string{"v1", "v2"} {
		dir := filepath.Join(root, "internal", "integration_test", "spectest", version, "testdata")
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no tests in %s: %v", dir, err)
		}
		for _, file := range files {
			t.Run(version+"/"+strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
				runSpecFile(t, root, file, &count)
			})
		}
	}
	t.Logf("%+v", count)
	if count.returns < 61_697 || count.traps < 2_866 || count.exhaustions < 30 || count.uninstantiable < 36 {
		t.Errorf("not all of the suite was run: %+v", count)
	}
}

func wazeroDir(tb testing.TB) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil || len(out) < 2 {
		tb.Skipf("wazero's module is not in the cache: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func runSpecFile(t *testing.T, root, file string, count *specCount) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var suite specFile
	if err := json.Unmarshal(raw, &suite); err != nil {
		t.Fatal(err)
	}
	spectest, err := os.ReadFile(filepath.Join(root, "internal", "integration_test", "spectest", "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	sides := make([]*specSide, 2)
	for i := range sides {
		sides[i] = &specSide{
			host: newHost(t, wazero.NewRuntimeConfigCompiler()), metered: i == 1, modules: make(map[string]api.Module),
		}
		if _, err := sides[i].instance(t.Context(), spectest, "spectest"); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Dir(file)
	for i := range suite.Commands {
		c := &suite.Commands[i]
		as := ""
		if next := i + 1; c.Type == "module" && next < len(suite.Commands) && suite.Commands[next].Type == "register" {
			as = suite.Commands[next].As
		}
		runSpecCommand(t, sides, dir, c, as, count)
		if t.Failed() {
			return
		}
	}
}

func runSpecCommand(t *testing.T, sides []*specSide, dir string, c *specCommand, as string, count *specCount) {
	t.Helper()
	ctx := t.Context()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("line %d, %s %s: %s", c.Line, c.Type, c.Action.Field, fmt.Sprintf(format, args...))
	}
	switch c.Type {
	case "module":
		src := readSpecModule(t, dir, c.Filename)
		count.modules++
		for _, s := range sides {
			if err := s.load(ctx, src, as, c.Name); err != nil {
				fail("metered %v: %v", s.metered, err)
			}
		}
	case "assert_uninstantiable":
		src := readSpecModule(t, dir, c.Filename)
		count.uninstantiable++
		var traps [2]string
		for i, s := range sides {
			last := s.last
			traps[i] = trapOf(s.load(ctx, src, "", ""))
			s.last = last
		}
		if (traps[0] == "") != (traps[1] == "") {
			fail("plain %q, metered %q", traps[0], traps[1])
		}
	case "assert_return", "action", "assert_trap", "assert_exhaustion":
		runSpecAction(t, sides, c, count, fail)
	case "register", "assert_malformed", "assert_invalid", "assert_unlinkable":
	default:
		fail("an unknown command")
	}
}

func readSpecModule(t *testing.T, dir, name string) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func (s *specSide) load(ctx context.Context, src []byte, as, name string) error {
	if s.metered {
		var err error
		if src, err = wasmbin.Meter(src); err != nil {
			return err
		}
	}
	var mod api.Module
	var err error
	if s.metered {
		mod, err = s.instance(ctx, src, as)
	} else {
		mod, err = s.InstantiateWithConfig(ctx, src, wazero.NewModuleConfig().WithName(as))
	}
	if err != nil {
		return err
	}
	s.last = mod
	if name != "" {
		s.modules[name] = mod
	}
	return nil
}

func (s *specSide) module(name string) api.Module {
	if name == "" {
		return s.last
	}
	return s.modules[name]
}

func runSpecAction(t *testing.T, sides []*specSide, c *specCommand, count *specCount, fail func(string, ...any)) {
	t.Helper()
	ctx := t.Context()
	if c.Action.Type == "get" {
		count.gets++
		for _, s := range sides {
			g := s.module(c.Action.Module).ExportedGlobal(c.Action.Field)
			if want := words(c.Expected); g == nil || g.Get() != want[0] {
				fail("metered %v: %v", s.metered, g)
			}
		}
		return
	}
	var got [2][]uint64
	var errs [2]error
	for i, s := range sides {
		got[i], errs[i] = s.call(ctx, s.module(c.Action.Module), c.Action.Field, words(c.Action.Args)...)
	}
	plain, metered := trapOf(errs[0]), trapOf(errs[1])
	switch c.Type {
	case "assert_exhaustion":
		count.exhaustions++
		if plain != "stack overflow" || metered != "unreachable" || !sides[1].overflowed() {
			fail("plain %q, metered %q", plain, metered)
		}
	case "assert_trap":
		count.traps++
		if plain == "" || plain != metered {
			fail("plain %q, metered %q", plain, metered)
		}
	default:
		count.returns++
		if plain != "" || metered != "" {
			fail("plain %q, metered %q", plain, metered)
		}
		for i := range sides {
			if problem := matches(got[i], c.Expected); problem != "" {
				fail("metered %v: %s", i == 1, problem)
			}
		}
	}
}

// words is the values as wazero takes them.
func words(values []specValue) []uint64 {
	var out []uint64
	for _, v := range values {
		lanes := v.lanes()
		if v.Type != "v128" {
			out = append(out, lanes[0])
			continue
		}
		var pair [2]uint64
		width := 128 / len(lanes)
		for i, lane := range lanes {
			pair[i*width/64] |= lane << (i * width % 64)
		}
		out = append(out, pair[0], pair[1])
	}
	return out
}

// lanes is the numbers of a value; of all but vectors it is one.
func (v specValue) lanes() []uint64 {
	if list, ok := v.Value.([]any); ok {
		var out []uint64
		for _, one := range list {
			out = append(out, specNumber(v.Lane, one))
		}
		return out
	}
	return []uint64{specNumber(v.Type, v.Value)}
}

func specNumber(kind string, value any) uint64 {
	text, _ := value.(string)
	switch {
	case text == "" || text == "null" || strings.HasPrefix(text, "nan:"):
		return 0
	case strings.HasPrefix(text, "-"):
		n, _ := strconv.ParseInt(text, 10, 64)
		if strings.HasSuffix(kind, "32") {
			return uint64(uint32(n))
		}
		return uint64(n)
	}
	n, _ := strconv.ParseUint(text, 10, 64)
	if kind == "externref" {
		n++ // wazero takes 0 for null
	}
	return n
}

// matches says what is wrong with results; "" if nothing is.
func matches(got []uint64, want []specValue) string {
	at := 0
	for _, w := range want {
		width, n := 64, 1
		if list, ok := w.Value.([]any); ok {
			n, width = len(list), 128/len(list)
		}
		for i := range n {
			text, kind := w.Value, w.Type
			if list, ok := w.Value.([]any); ok {
				text, kind = list[i], w.Lane
			}
			if at+i*width/64 >= len(got) {
				return "too few results"
			}
			bits := got[at+i*width/64] >> (i * width % 64)
			if width < 64 {
				bits &= 1<<width - 1
			}
			if !matchesOne(bits, kind, text) {
				return fmt.Sprintf("result %#x, want %v %v", bits, kind, text)
			}
		}
		at += max(1, n*width/64)
	}
	if at != len(got) {
		return "too many results"
	}
	return ""
}

func matchesOne(got uint64, kind string, want any) bool {
	text, _ := want.(string)
	if kind == "i32" || kind == "f32" {
		got = uint64(uint32(got))
	}
	canonical, quiet := uint64(0x7fc00000), uint64(math.Float32bits(float32(math.Inf(1)))|1<<22)
	sign := uint64(1 << 31)
	if kind == "f64" {
		canonical, quiet, sign = 0x7ff8<<48, 0x7ff8<<48, 1<<63
	}
	switch {
	case text == "nan:canonical":
		return got&^sign == canonical
	case text == "nan:arithmetic":
		return got&quiet == quiet
	case want == nil: // any reference
		return true
	}
	return got == specNumber(kind, want)
}
