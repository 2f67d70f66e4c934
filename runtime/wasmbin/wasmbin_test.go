package wasmbin_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

const header = "\x00asm\x01\x00\x00\x00"

// sample is a module with all sections that wasmtest can write.
func sample() []byte {
	start := uint32(1)
	return w.Module{
		Imports: []w.Import{
			{Module: "snaprail:core", Name: "take", Params: "iiii", Results: "I"},
		},
		Functions: []w.Function{{}, {Export: "poll", Params: "ii", Results: "I", Body: w.I64(0)}},
		Pages:     2, MaxPages: 9, Globals: []int64{1, -2}, Start: &start,
		Data:   []w.Data{{Offset: 8, Bytes: []byte("data")}},
		Custom: []w.Custom{{Name: "note", Body: []byte("hello")}, {Name: "empty"}},
	}.Bytes()
}

func TestReadSample(t *testing.T) {
	src := sample()
	info, err := wasmbin.Read(src)
	if err != nil {
		t.Fatal(err)
	}
	if want := []wasmbin.Import{{Module: "snaprail:core", Name: "take", Kind: wasmbin.Function, Params: "iiii", Results: "I"}}; !slices.Equal(info.Imports, want) {
		t.Errorf("imports: %v", info.Imports)
	}
	want := []wasmbin.Export{{Name: "poll", Kind: wasmbin.Function, Params: "ii", Results: "I"}, {Name: "memory", Kind: wasmbin.Memory}}
	if !slices.Equal(info.Exports, want) {
		t.Errorf("exports: %v", info.Exports)
	}
	if e, ok := info.Export("memory"); !ok || e.Kind.String() != "memory" {
		t.Errorf("memory is %v, %v", e, ok)
	}
	if _, ok := info.Export("none"); ok {
		t.Error("an export that is not there was found")
	}
	if info.Functions != 2 || info.Globals != 2 || info.Segments != 1 || !info.HasStart {
		t.Errorf("counts: %+v", info)
	}
	if !info.HasMemory || info.MemoryMin != 2 || info.MemoryMax != 9 {
		t.Errorf("memory from %d to %d", info.MemoryMin, info.MemoryMax)
	}
	note := info.Custom[0]
	if note.Name != "note" || string(src[note.Start:note.End]) != "hello" || info.Custom[1].Name != "empty" {
		t.Errorf("custom sections: %v", info.Custom)
	}
}

// The forms of segments and values that toolchains write beside those of
// wasmtest.
func TestReadTakesAllForms(t *testing.T) {
	src := header + section(1, "\x01\x60\x00\x00") + section(2, "\x01\x01m\x01g\x03\x7f\x00") + section(3, "\x01\x00") + section(4, "\x01\x70\x01\x01\x09") +
		section(5, "\x01\x00\x01") +
		section(6, "\x06\x7d\x00\x43abcd\x0b\x7c\x00\x44abcdefgh\x0b\x7b\x00\xfd\x0cabcdefghijklmnop\x0b\x70\x00\xd0\x70\x0b\x70\x00\xd2\x00\x0b\x7f\x00\x23\x00\x0b") +
		section(9, "\x08"+
			"\x00\x41\x00\x0b\x01\x00"+
			"\x01\x00\x01\x00"+
			"\x02\x00\x41\x00\x0b\x00\x01\x00"+
			"\x03\x00\x01\x00"+
			"\x04\x41\x00\x0b\x01\xd2\x00\x0b"+
			"\x05\x70\x01\xd0\x70\x0b"+
			"\x06\x00\x41\x00\x0b\x70\x01\xd2\x00\x0b"+
			"\x07\x70\x00") +
		section(12, "\x03") +
		section(10, "\x01\x06\x02\x02\x7f\x03\x7e\x0b") +
		section(11, "\x03"+"\x00\x41\x00\x0b\x01a"+"\x01\x02ab"+"\x02\x00\x41\x08\x0b\x00") +
		section(0, "\x04name"+"\x00\x02\x01m"+"\x01\x04\x01\x00\x01f"+"\x02\x06\x01\x00\x01\x00\x01l"+"\x09\x01\x00")
	info, err := wasmbin.Read([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if info.Segments != 3 || info.Globals != 6 || info.Functions != 1 {
		t.Errorf("%+v", info)
	}
}

func TestReadEmptyModule(t *testing.T) {
	info, err := wasmbin.Read([]byte(header))
	if err != nil || info.HasMemory || info.HasStart || info.MemoryMax != wasmbin.MaxPages {
		t.Errorf("%+v, %v", info, err)
	}
}

// section is a section with this id and body.
func section(id byte, body string) string {
	return string(append(binary.AppendUvarint([]byte{id}, uint64(len(body))), body...))
}

func uleb(n uint64) string { return string(binary.AppendUvarint(nil, n)) }

func TestReadRefuses(t *testing.T) {
	types := section(1, "\x01\x60\x00\x00")
	name := strings.Repeat("n", 5000)
	for _, c := range []struct {
		name, src string
		kind      fault.Kind
		offset    int64
		word      string
	}{
		{"nothing", "", fault.NotWasm, 0, "00 61 73 6d"},
		{"an ELF file", "\x7fELF\x02\x01\x01\x00", fault.NotWasm, 0, ""},
		{"three bytes", "\x00as", fault.NotWasm, 0, ""},
		{"no version", "\x00asm\x01", fault.WasmMalformed, 4, "version"},
		{"another version", "\x00asm\x02\x00\x00\x00", fault.WasmMalformed, 4, "version 2"},
		{"a component", "\x00asm\x0d\x00\x01\x00", fault.WasmComponent, 0, "component"},
		{"a section without a size", header + "\x01", fault.WasmMalformed, 9, "ends"},
		{"a section beyond the end", header + "\x01\x05\x00", fault.WasmMalformed, 9, "5 bytes where 1 are left"},
		{"a section of 4 GiB", header + "\x01\xff\xff\xff\xff\x0f", fault.WasmMalformed, 9, ""},
		{"an unknown section", header + "\x0d\x00", fault.WasmMalformed, 8, "id 13"},
		{"a size of six bytes", header + "\x01\x80\x80\x80\x80\x80\x00", fault.WasmMalformed, 9, "too long"},
		{"a size beyond 32 bits", header + "\x01\xff\xff\xff\xff\x1f", fault.WasmMalformed, 9, "32 bits"},
		{"sections out of order", header + section(3, "\x00") + section(1, "\x00"), fault.WasmMalformed, 11, "out of order"},
		{"two of a kind", header + section(1, "\x00") + section(1, "\x00"), fault.WasmMalformed, 11, "second"},
		{"a data count behind the code", header + section(10, "\x00") + section(12, "\x00"), fault.WasmMalformed, 11, "order"},
		{"more types than bytes", header + section(1, "\x05\x60\x00\x00"), fault.WasmMalformed, 10, "5 types in 3 bytes"},
		{"a type that is no function", header + section(1, "\x01\x61"), fault.WasmMalformed, 11, "0x61"},
		{"a value of no type", header + section(1, "\x01\x60\x01\x01\x00"), fault.WasmMalformed, 13, "no type of a value"},
		{"a type that goes on", header + section(1, "\x01\x60\x00\x00\x00"), fault.WasmMalformed, 14, "goes on for 1 bytes"},
		{"many parameters", header + section(1, "\x01\x60\x81\x01"+strings.Repeat("\x7f", 129)+"\x00"), fault.WasmTypes, 13, "129 parameters"},
		{"an import of no kind", header + section(2, "\x01\x01m\x00\x05\x00"), fault.WasmMalformed, 14, "kind 5"},
		{"an import of no type", header + section(2, "\x01\x01m\x00\x00\x00"), fault.WasmInvalid, 15, "type 0"},
		{"a name that is not UTF-8", header + section(2, "\x01\x01\xff\x00\x00\x00"), fault.WasmMalformed, 11, "UTF-8"},
		{"a long name", header + section(2, "\x01"+uleb(5000)+name+"\x00\x00\x00"), fault.WasmName, 12, "5000 bytes"},
		{"1,001 imports", header + section(2, uleb(1001)+strings.Repeat("\x00", 1001)), fault.WasmImports, 11, "1001 imports"},
		{"a function of no type", header + types + section(3, "\x01\x01"), fault.WasmInvalid, 17, "type 1"},
		{"no bodies", header + types + section(3, "\x01\x00"), fault.WasmMalformed, 18, "1 functions and has 0 bodies"},
		{"bodies alone", header + section(10, "\x01\x02\x00\x0b"), fault.WasmMalformed, 10, "0 functions and has 1"},
		{"a body beyond its section", header + types + section(3, "\x01\x00") + section(10, "\x01\x05\x00"), fault.WasmMalformed, 21, "body of 5"},
		{"two tables", header + section(4, "\x02\x70\x00\x00\x70\x00\x00"), fault.WasmTable, 14, "second table"},
		{"a large table", header + section(4, "\x01\x70\x00\x80\xc2\xd7\x2f"), fault.WasmTable, 11, "100000000 entries"},
		{"a table of nothing", header + section(4, "\x01\x7f\x00\x00"), fault.WasmMalformed, 11, "reference"},
		{"two memories", header + section(5, "\x02\x00\x01\x00\x01"), fault.WasmMemory, 13, "second memory"},
		{"a memory of 4 GiB and a page", header + section(5, "\x01\x00\x81\x80\x04"), fault.WasmInvalid, 11, "65537"},
		{"a memory that shrinks", header + section(5, "\x01\x01\x02\x01"), fault.WasmInvalid, 11, "from 2 to 1"},
		{"a shared memory", header + section(5, "\x01\x03\x01\x01"), fault.WasmFeature, 11, "shared"},
		{"4,097 globals", header + section(6, uleb(4097)+strings.Repeat("\x00", 4097)), fault.WasmGlobals, 11, "4097 globals"},
		{"a global without a value", header + section(6, "\x01\x7f\x00\x0b"+"\x00"), fault.WasmInvalid, 13, "missing"},
		{"a global of no value", header + section(6, "\x01\x7f\x00\x6a\x0b"), fault.WasmInvalid, 13, "instruction 0x6a"},
		{"a value that does not end", header + section(6, "\x01\x7f\x00\x41\x00"), fault.WasmMalformed, 15, "ends"},
		{"a number that does not end", header + section(6, "\x01\x7f\x00\x41"+strings.Repeat("\x80", 12)), fault.WasmMalformed, 14, "too long"},
		{"a float cut short", header + section(6, "\x01\x7d\x00\x44\x00\x00"), fault.WasmMalformed, 14, "ends"},
		{"2^32-1 locals", header + types + section(3, "\x01\x00") + section(10, "\x01\x08\x01\xff\xff\xff\xff\x0f\x7f\x0b"), fault.WasmLocals, 22, "local variables"},
		{"2^32-1 groups of locals", header + types + section(3, "\x01\x00") + section(10, "\x01\x06\xff\xff\xff\xff\x0f\x0b"), fault.WasmLocals, 22, "groups of locals"},
		{"a local of no type", header + types + section(3, "\x01\x00") + section(10, "\x01\x04\x01\x01\x01\x0b"), fault.WasmMalformed, 24, "no type"},
		{"2^32-1 entries in a segment", header + section(4, "\x01\x70\x00\x00") + section(9, "\x01\x00\x41\x00\x0b\xff\xff\xff\xff\x0f"), fault.WasmElements, 21, "entries of an element segment"},
		{"an entry of no function", header + section(4, "\x01\x70\x00\x00") + section(9, "\x01\x00\x41\x00\x0b\x01\x00"), fault.WasmInvalid, 22, "function 0"},
		{"an element of no form", header + section(9, "\x01\x08\x00\x00"), fault.WasmMalformed, 11, "form 8"},
		{"a data segment of 4 GiB", header + section(5, "\x01\x00\x01") + section(11, "\x01\x00\x41\x00\x0b\xff\xff\xff\xff\x0f"), fault.WasmMalformed, 20, "4294967295 bytes"},
		{"a data segment of no form", header + section(11, "\x01\x03\x00"), fault.WasmMalformed, 11, "form 3"},
		{"a data segment of no memory", header + section(11, "\x01\x02\x00\x41\x00\x0b\x00"), fault.WasmInvalid, 12, "memory 0"},
		{"2^32-1 names", header + section(0, "\x04name\x01\x05\xff\xff\xff\xff\x0f"), fault.WasmName, 17, "names of functions"},
		{"2^32-1 names of locals", header + section(0, "\x04name\x02\x07\x01\x00\xff\xff\xff\xff\x0f"), fault.WasmName, 19, "names of locals"},
		{"a name of 4 GiB", header + section(0, "\x04name\x01\x07\x01\x00\xff\xff\xff\xff\x0f"), fault.WasmMalformed, 19, "a name of"},
		{"a module's name of 4 GiB", header + section(0, "\x04name\x00\x05\xff\xff\xff\xff\x0f"), fault.WasmMalformed, 17, "module's name"},
		{"names beyond their section", header + section(0, "\x04name\x01\x05\x00"), fault.WasmMalformed, 16, "subsection"},
		{"names that go on", header + section(0, "\x04name\x01\x02\x00\x00"), fault.WasmMalformed, 18, "goes on"},
		{"an export of nothing", header + section(7, "\x01\x00\x00\x00"), fault.WasmInvalid, 13, "function 0"},
		{"an export of no kind", header + section(7, "\x01\x00\x05\x00"), fault.WasmMalformed, 12, "kind 5"},
		{"two exports of a name", header + section(5, "\x01\x00\x00") + section(7, "\x02\x01a\x02\x00\x01a\x02\x00"), fault.WasmInvalid, 20, `second export "a"`},
		{"a start that is not there", header + section(8, "\x00"), fault.WasmInvalid, 10, "function 0"},
		{"segments that were not declared", header + section(12, "\x00") + section(11, "\x01\x01\x00"), fault.WasmMalformed, 16, "declares 0 data segments and has 1"},
		{"a custom section without a name", header + section(0, ""), fault.WasmMalformed, 10, "ends"},
		{"a custom section named beyond its end", header + section(0, "\x05ab"), fault.WasmMalformed, 10, ""},
		{"1,001 custom sections", header + strings.Repeat(section(0, "\x00"), 1001), fault.WasmSections, 8 + 3*1000, "custom"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := wasmbin.Read([]byte(c.src))
			if !fault.Is(err, c.kind) {
				t.Fatalf("error is %v, want %v", err, c.kind)
			}
			if got := fault.Of(err).Offset; got != c.offset {
				t.Errorf("offset is %d, want %d: %v", got, c.offset, err)
			}
			if !strings.Contains(err.Error(), c.word) {
				t.Errorf("%q does not say %q", err, c.word)
			}
		})
	}
}

// A prefix of a module is never a module of the same content.
func TestReadSeesTornModules(t *testing.T) {
	src := sample()
	for n := range src {
		info, err := wasmbin.Read(src[:n])
		if err == nil && len(info.Custom) == 2 {
			t.Errorf("%d of %d bytes pass", n, len(src))
		}
	}
}

func TestWithSection(t *testing.T) {
	src := sample()
	for _, body := range []string{"", "{}", strings.Repeat("m", 100_000)} {
		out, err := wasmbin.WithSection(src, "snaprail.manifest", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(out, src) {
			t.Error("the module itself changed")
		}
		got, found, err := wasmbin.Section(out, "snaprail.manifest")
		if err != nil || !found || string(got) != body {
			t.Errorf("%d bytes came back as %d, %v, %v", len(body), len(got), found, err)
		}
		again, err := wasmbin.WithSection(out, "snaprail.manifest", []byte("other"))
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := wasmbin.Section(again, "snaprail.manifest"); err != nil || string(got) != "other" {
			t.Errorf("replaced by %q, %v", got, err)
		}
		if !bytes.HasPrefix(again, src) || len(again) >= len(out)+10 && len(body) > 10 {
			t.Error("the old section is still there")
		}
		if _, err := wasmbin.Read(again); err != nil {
			t.Error(err)
		}
	}
	// In the middle, and twice.
	twice := header + section(0, "\x01xone") + section(1, "\x00") + section(0, "\x01xtwo")
	if _, _, err := wasmbin.Section([]byte(twice), "x"); !fault.Is(err, fault.WasmMalformed) {
		t.Errorf("two sections of a name: %v", err)
	}
	out, err := wasmbin.WithSection([]byte(twice), "x", []byte("three"))
	if want := header + section(1, "\x00") + section(0, "\x01xthree"); err != nil || string(out) != want {
		t.Errorf("got %q, %v", out, err)
	}
	if _, found, err := wasmbin.Section(src, "absent"); found || err != nil {
		t.Errorf("absent: %v, %v", found, err)
	}
	for _, broken := range []string{"", "MZ", header + "\x01\x05\x00"} {
		if _, err := wasmbin.WithSection([]byte(broken), "x", nil); err == nil {
			t.Errorf("%q was changed", broken)
		}
		if _, _, err := wasmbin.Section([]byte(broken), "x"); err == nil {
			t.Errorf("%q was read", broken)
		}
	}
	if _, err := wasmbin.WithSection(src, strings.Repeat("n", wasmbin.MaxName+1), nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("a long name: %v", err)
	}
	if _, err := wasmbin.WithSection(src, "\xff", nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("a name that is not UTF-8: %v", err)
	}
}

// Reading takes memory by what is there, not by what is declared.
func TestReadAllocatesByWhatIsThere(t *testing.T) {
	src := []byte(header + section(2, "\xe8\x07"+strings.Repeat("\x00", 1000)))
	allocs := testing.AllocsPerRun(10, func() { _, _ = wasmbin.Read(src) })
	if allocs > 20 {
		t.Errorf("%v allocations for imports that are not there", allocs)
	}
}

// FuzzRead has wazero as its oracle: what is accepted, it takes.
func FuzzRead(f *testing.F) {
	f.Add(sample())
	f.Add([]byte(header))
	f.Add([]byte("\x00asm\x0d\x00\x01\x00"))
	f.Add([]byte(header + section(4, "\x01\x70\x00\x05") + section(9, "\x01\x00") + section(12, "\x01")))
	addSuite(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		start := time.Now()
		info, err := wasmbin.Read(src)
		if took := time.Since(start); took > time.Second {
			t.Fatalf("reading %d bytes took %v", len(src), took)
		}
		if err != nil {
			if at := fault.Of(err).Offset; at < 0 || at > int64(len(src)) {
				t.Fatalf("offset %d of %d bytes", at, len(src))
			}
			if fault.Is(err, fault.Internal) {
				t.Fatalf("a fault of no kind: %v", err)
			}
			return
		}
		if err := compileError(t, src); err != nil {
			t.Fatalf("accepted, and wazero says: %v", err)
		}
		for _, c := range info.Custom {
			if c.Start > c.End || c.End > len(src) {
				t.Fatalf("section %q from %d to %d of %d", c.Name, c.Start, c.End, len(src))
			}
		}
		out, err := wasmbin.WithSection(src, "fuzz", []byte("body"))
		if err != nil {
			t.Fatalf("what can be read cannot be changed: %v", err)
		}
		if body, found, err := wasmbin.Section(out, "fuzz"); !found || err != nil || string(body) != "body" {
			t.Fatalf("the new section is %q, %v, %v", body, found, err)
		}
		if len(info.Custom) < wasmbin.MaxCustom {
			if again, err := wasmbin.Read(out); err != nil || again.Functions != info.Functions || len(again.Imports) != len(info.Imports) {
				t.Fatalf("the changed module reads as %+v, %v", again, err)
			}
		}
	})
}

// BenchmarkRead checks a connector in standard Go, if `make wasm` has built it.
func BenchmarkRead(b *testing.B) {
	src, err := os.ReadFile("../../connectors-wasm/dist/textframe.wasm")
	if err != nil {
		b.Skip("run make wasm first: ", err)
	}
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wasmbin.Read(src); err != nil {
			b.Fatal(err)
		}
	}
}
