package wasmbin_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// code is where the first instruction of a module of functions(1, 0, …) lies.
func code(t *testing.T, src []byte) int64 {
	t.Helper()
	at := strings.Index(string(src), "\x01\x7f\x01\x41\x00\x0b\x0a")
	if at < 0 {
		t.Fatal("no code section")
	}
	// section id and size, count, size of the body, locals
	return int64(at) + 6 + 1 + 1 + 1 + 1 + 1
}

// TestReadNamesTheWrongInstruction refuses bodies with the offset of the
// instruction that is wrong. The core suite has every rule; this has the kind
// and the place.
func TestReadNamesTheWrongInstruction(t *testing.T) {
	for _, c := range []struct {
		name string
		code []byte
		kind fault.Kind
		at   int64 // behind the start of the code
		word string
	}{
		{"an operand is missing", w.Op(0x6a), fault.WasmInvalid, 0, "missing"},
		{"an operand of another type", w.Join(w.I64(1), w.Op(0x45)), fault.WasmInvalid, 2, "i64 where i32"},
		{"operands are left", w.I32(1), fault.WasmInvalid, 2, "left over"},
		{"no such local", w.Get(7), fault.WasmInvalid, 0, "local 7"},
		{"no such function", w.Call(1), fault.WasmInvalid, 0, "function 1"},
		{"no such label", w.Br(3), fault.WasmInvalid, 0, "branch out of 4"},
		{"a vector's lane", w.Join(w.I32(1), w.Op(0xfd, 0x0f, 0xfd, 0x15, 16)), fault.WasmInvalid, 4, "lane 16 of 16"},
		{"an alignment", w.Join(w.I32(1), w.Op(0x28, 3, 0)), fault.WasmInvalid, 2, "alignment"},
		{"no data count", w.Op(0xfc, 9, 0), fault.WasmInvalid, 0, "data count"},
		{"an undeclared reference", w.Op(0xd2, 0), fault.WasmInvalid, 0, "declares"},
		{"code behind the end", w.Op(0x0b), fault.WasmInvalid, 1, "behind its end"},
		{"no instruction", w.Op(0xff), fault.WasmInvalid, 0, "ff"},
		{"a constant of 33 bits", w.Op(0x41, 0xff, 0xff, 0xff, 0xff, 0x0f), fault.WasmMalformed, 1, "too large"},
		{"a block's type of two bytes", w.Op(0x02, 0xff, 0x7f, 0x0b), fault.WasmMalformed, 1, "longer"},
		{"a vector's number of three bytes", w.Join(w.I32(1), w.Op(0xfd, 0x8f, 0x00)), fault.WasmInvalid, 2, "longer"},
		{"threads", w.Op(0xfe, 0x03, 0), fault.WasmFeature, 0, "threads"},
		{"tail calls", w.Op(0x12, 0), fault.WasmFeature, 0, "tail calls"},
		{"exceptions", w.Op(0x06, 0x40), fault.WasmFeature, 0, "exceptions"},
		{"garbage collection", w.Op(0xfb, 0), fault.WasmFeature, 0, "garbage collection"},
		{"function references", w.Op(0x14, 0), fault.WasmFeature, 0, "function references"},
		{"relaxed vectors", w.Op(0xfd, 0x80, 0x02), fault.WasmFeature, 0, "relaxed"},
		{"a second memory", w.Op(0x3f, 1), fault.WasmFeature, 1, "memory 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := functions(1, 0, c.code)
			_, err := wasmbin.Read(src)
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.word) {
				t.Fatalf("%v: %v", fault.Of(err).Kind, err)
			}
			if at := fault.Of(err).Offset - code(t, src); at != c.at {
				t.Errorf("at %d, want %d: %v", at, c.at, err)
			}
			if c.kind != fault.WasmFeature && compiles(t, src) && c.name != "a block's type of two bytes" && !strings.HasPrefix(c.name, "a vector's number") {
				t.Error("wazero takes it")
			}
		})
	}
}

// TestReadTakesWhatIsAtABound accepts modules that have as much as is allowed,
// and refuses one more.
func TestReadTakesWhatIsAtABound(t *testing.T) {
	zero := w.I32(0)
	for _, c := range []struct {
		name  string
		of    func(n int) []byte
		bound int
		kind  fault.Kind
	}{
		{"functions", func(n int) []byte { return functions(n, 0, nil) }, wasmbin.MaxFunctions, fault.WasmFunctions},
		{"nested blocks", func(n int) []byte { return functions(1, 0, w.Nested(n)) }, wasmbin.MaxNesting, fault.WasmNesting},
		{"targets", func(n int) []byte { return functions(1, 0, w.Join(zero, w.BrTable(make([]uint32, n+1)...))) }, wasmbin.MaxBranches, fault.WasmBranches},
		{"locals", func(n int) []byte { return functions(1, uint32(n), nil) }, wasmbin.MaxLocals, fault.WasmLocals},
		{"operands", func(n int) []byte { return functions(1, 0, w.Join(w.Repeat(n, zero), w.Repeat(n, w.Drop()))) }, wasmbin.MaxOperands, fault.WasmOperands},
		{"bytes of a body", func(n int) []byte { return functions(1, 0, w.Repeat(n-2, w.Nop())) }, wasmbin.MaxBody, fault.WasmBody},
		{"entries of a table", func(n int) []byte { return w.Module{Tables: []w.Table{{Min: 1, Max: uint32(n)}}}.Bytes() }, wasmbin.MaxTable, fault.WasmTable},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := wasmbin.Read(c.of(c.bound)); err != nil {
				t.Errorf("%d: %v", c.bound, err)
			}
			if _, err := wasmbin.Read(c.of(c.bound + 1)); !fault.Is(err, c.kind) {
				t.Errorf("%d: %v, want %v", c.bound+1, err, c.kind)
			}
		})
	}
}

func TestReadKeepsTheHostsNames(t *testing.T) {
	for name, m := range map[string]w.Module{
		"import": {Imports: []w.Import{{Module: "snaprail:meter", Name: "yield", Params: "I", Results: "I"}}},
		"export": {Functions: []w.Function{{Export: "snaprail.fuel"}}},
		"start":  {Functions: []w.Function{{Export: "snaprail.start"}}},
	} {
		if _, err := wasmbin.Read(m.Bytes()); !fault.Is(err, fault.WasmReserved) || fault.Of(err).Offset == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	entry := w.Module{Functions: []w.Function{{Export: "snaprail_alloc"}}}
	if _, err := wasmbin.Read(entry.Bytes()); err != nil {
		t.Error(err)
	}
}

func TestReadSaysWhatIsUsed(t *testing.T) {
	tool := "\x01\x0cprocessed-by\x01\x05rustc\x061.80.0"
	info, err := wasmbin.Read(w.Module{
		Imports:   []w.Import{{Module: "extism:host/env", Name: "alloc", Params: "I", Results: "I"}},
		Functions: []w.Function{{Body: w.Join(w.I32(1), w.Op(0xc0), w.Drop(), w.I32(0), w.I32(0), w.I32(9), w.Fill())}, {}},
		Pages:     1,
		Tables:    []w.Table{{Min: 3, Max: 8}},
		Custom:    []w.Custom{{Name: "producers", Body: []byte(tool)}},
	}.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Features(); !slices.Equal(got, []string{"bulk-memory", "sign-extension"}) {
		t.Errorf("features %v", got)
	}
	if !slices.Equal(info.Toolchain, []string{"rustc 1.80.0"}) {
		t.Errorf("toolchain %q", info.Toolchain)
	}
	if !info.HasExtism || !info.HasTable || info.TableMin != 3 || info.TableMax != 8 || info.UsesSegments || info.LargestBody != 15 {
		t.Errorf("%+v", info)
	}
	segments := functions(1, 0, nil)
	segments = append(segments[:len(segments)-6], section(12, "\x01")+section(10, "\x01\x05\x00\xfc\x09\x00\x0b")+section(11, "\x01\x01\x00")...)
	if info, err := wasmbin.Read(segments); err != nil || !info.UsesSegments {
		t.Errorf("%+v, %v", info, err)
	}
}

// What cannot be read of a producers section is left out.
func TestReadBoundsTheToolchain(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for name, body := range map[string]string{
		"many":    "\x01\x01l" + "\x10" + strings.Repeat("\x01a\x01b", 16),
		"garbage": "\xff\xff\xff\xff\x0f",
		"long":    "\x01\x01l\x01" + uleb(3000) + long + "\x00",
	} {
		info, err := wasmbin.Read(w.Module{Custom: []w.Custom{{Name: "producers", Body: []byte(body)}}}.Bytes())
		if err != nil || len(info.Toolchain) > 16 {
			t.Errorf("%s: %v, %v", name, info, err)
			continue
		}
		for _, tool := range info.Toolchain {
			if len(tool) > 128 {
				t.Errorf("%s: a tool of %d bytes", name, len(tool))
			}
		}
	}
}
