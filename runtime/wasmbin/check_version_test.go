package wasmbin_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"hash"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

var update = flag.Bool("update", false, "write what Read accepts under a new CheckVersion")

// TestCheckVersionNamesWhatReadAccepts: a module that is kept is not read again
// as long as CheckVersion stays, so what Read accepts must not change without
// it. testdata/check.txt holds where the bounds lie, and a sum of the verdicts
// over every instruction with many operands and over modules with noise in
// them. -update writes it for a new version alone.
func TestCheckVersionNamesWhatReadAccepts(t *testing.T) {
	path := filepath.Join("testdata", "check.txt")
	raw, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	version := fmt.Sprintf("version %d\n", wasmbin.CheckVersion)
	kept, now := string(raw), version+verdicts()
	switch {
	case kept == now:
	case strings.HasPrefix(kept, version):
		t.Errorf("Read accepts something else than it did: raise CheckVersion and run this test with -update.\nit was\n%sand is\n%s", kept, now)
	case !*update:
		t.Errorf("%s is not that of %s", path, version)
	default:
		if err := os.WriteFile(path, []byte(now), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// verdicts describes what Read accepts.
func verdicts() string {
	var out strings.Builder
	for _, b := range bounds() {
		fmt.Fprintf(&out, "at most %d %s\n", largest(b.shape), b.of)
	}
	for _, sum := range []struct {
		of  string
		add func(hash.Hash)
	}{{"instructions", addInstructions}, {"noise", addNoise}} {
		h := sha256.New()
		sum.add(h)
		fmt.Fprintf(&out, "%s %x\n", sum.of, h.Sum(nil))
	}
	return out.String()
}

// verdict is what Read says of a module.
func verdict(src []byte) string {
	if _, err := wasmbin.Read(src); err != nil {
		return fault.Of(err).Kind.String()
	}
	return "accepted"
}

// largest is the largest of the shapes that is accepted; 0: not even one is.
func largest(shape func(n int) []byte) int {
	accepts := func(n int) bool { return verdict(shape(n)) == "accepted" }
	const most = 1 << 20
	n, step := 0, 1
	for ; step < most && accepts(step); step *= 2 {
		n = step
	}
	for step /= 2; step > 0; step /= 2 {
		if accepts(n + step) {
			n += step
		}
	}
	return n
}

type bound struct {
	of    string
	shape func(n int) []byte
}

// bounds are modules that grow until Read refuses them, by each bound.
func bounds() []bound {
	zero, global := w.I32(0), w.GetGlobal(0)
	loop := w.Join([]byte{0x03, 0x40}, global, w.BrIf(0), []byte{0x0b})
	one := func(code ...[]byte) []byte { return functions(1, 0, w.Join(code...)) }
	names := func(n int) string { return strings.Repeat("n", n) }
	list := func(id byte, entry string) func(int) []byte {
		return func(n int) []byte { return []byte(header + section(id, uleb(uint64(n))+strings.Repeat(entry, n))) }
	}
	return []bound{
		{"functions", func(n int) []byte { return functions(n, 0, nil) }},
		{"types", list(1, "\x60\x00\x00")},
		{"types of 20 values", list(1, "\x60\x14"+strings.Repeat("\x7f", 20)+"\x00")},
		{"parameters", func(n int) []byte { return functions(1, 0, []byte{0}, ints(n)) }},
		{"imports", func(n int) []byte {
			return []byte(header + section(1, "\x01\x60\x00\x00") + section(2, uleb(uint64(n))+strings.Repeat("\x01m\x01f\x00\x00", n)))
		}},
		{"bytes of an import's name", func(n int) []byte { return w.Module{Imports: []w.Import{{Module: names(n), Name: "f"}}}.Bytes() }},
		{"exports", func(n int) []byte {
			m := w.Module{Functions: make([]w.Function, n)}
			for i := range m.Functions {
				m.Functions[i].Export = fmt.Sprint("f", i)
			}
			return m.Bytes()
		}},
		{"custom sections", func(n int) []byte { return w.Module{Custom: make([]w.Custom, n)}.Bytes() }},
		{"globals", func(n int) []byte { return w.Module{Globals: make([]int64, n)}.Bytes() }},
		{"data segments", func(n int) []byte { return w.Module{Pages: 1, Data: make([]w.Data, n)}.Bytes() }},
		{"elements", func(n int) []byte {
			return w.Module{Functions: []w.Function{{}}, Tables: []w.Table{{Min: 1}}, Elements: []w.Elements{{Functions: make([]uint32, n)}}}.Bytes()
		}},
		{"entries of a table", func(n int) []byte { return w.Module{Tables: []w.Table{{Min: uint32(n)}}}.Bytes() }},
		{"entries that a table grows to", func(n int) []byte { return w.Module{Tables: []w.Table{{Max: uint32(n)}}}.Bytes() }},
		{"tables", func(n int) []byte { return w.Module{Tables: make([]w.Table, n)}.Bytes() }},
		{"memories", func(n int) []byte { return w.Module{Memories: n}.Bytes() }},
		{"pages", func(n int) []byte { return w.Module{Pages: uint32(n)}.Bytes() }},
		{"bytes of a function", func(n int) []byte { return one(w.Repeat(n, w.Nop())) }},
		{"nested blocks", func(n int) []byte { return one(w.Nested(n)) }},
		{"targets of a branch table", func(n int) []byte { return one(zero, w.BrTable(make([]uint32, n)...)) }},
		{"locals", func(n int) []byte { return functions(1, uint32(n), nil) }},
		{"operands", func(n int) []byte { return one(w.Repeat(n, zero), w.Repeat(n, w.Drop())) }},
		{"bytes of an export's name", func(n int) []byte { return w.Module{Functions: []w.Function{{Export: names(n)}}}.Bytes() }},
		{"bytes of a custom section's name", func(n int) []byte { return w.Module{Custom: []w.Custom{{Name: names(n)}}}.Bytes() }},
		{"loops", func(n int) []byte { return one(w.Repeat(n, loop)) }},
		{"blocks in a row", func(n int) []byte { return one(w.Repeat(n, w.Block(""))) }},
		{"branches out of a block", func(n int) []byte { return one(w.Block("", w.Repeat(n, global, w.BrIf(0)))) }},
		{"nested ifs", func(n int) []byte { return one(w.Repeat(n, zero, []byte{0x04, 0x40}), end(n)) }},
		// The bounds that go with the module's size.
		{"functions of 2,000 locals", func(n int) []byte { return functions(n, 2_000, nil) }},
		{"calls with 120 values", func(n int) []byte {
			return functions(4, 0, w.Join(w.Repeat(120, zero), w.Repeat(n, w.Call(0))), ints(120))
		}},
		{"functions of 2,000 branches", func(n int) []byte { return functions(n, 0, w.Block("", w.Repeat(2_000, global, w.BrIf(0)))) }},
		{"functions of 500 branches and 1,000 locals", func(n int) []byte {
			return functions(n, 1_000, w.Block("", w.Repeat(500, global, w.BrIf(0))))
		}},
		{"functions of 100 loops and 1,000 locals", func(n int) []byte { return functions(n, 1_000, w.Repeat(100, loop)) }},
		{"branch tables of 4,000", func(n int) []byte { return functions(n, 0, w.Join(zero, w.BrTable(make([]uint32, 4_000)...))) }},
		{"thousands of calls", func(n int) []byte { return functions(n, 0, w.Repeat(1_000, w.Call(0))) }},
		{"thousands of calls through a table", func(n int) []byte { return functions(n, 0, w.Repeat(1_000, zero, w.CallIndirect(0))) }},
		{"thousands of copies", func(n int) []byte { return functions(n, 0, w.Repeat(1_000, zero, zero, zero, w.Copy())) }},
	}
}

// addInstructions adds the verdicts over every instruction, behind operands of
// many types. The zeros behind it are its immediates; what is left of them is
// unreachable, behind which everything is valid.
func addInstructions(h hash.Hash) {
	values := map[rune][]byte{
		'i': w.I32(0), 'I': w.I64(0), 'f': {0x43, 0, 0, 0, 0}, 'F': {0x44, 0, 0, 0, 0, 0, 0, 0, 0},
		'V': w.Join([]byte{0xfd, 0x0c}, make([]byte, 16)), 'r': w.NullFunc(), 'e': {0xd0, 0x6f},
	}
	var lists []string
	for _, one := range []string{"", "i", "I", "f", "F", "V", "r", "e"} {
		lists = append(lists, one)
		for _, two := range "iIfFVre" {
			lists = append(lists, one+string(two))
		}
	}
	lists = append(lists, "iii", "VVV", "iri", "iei", "IIi", "ffi", "FFi", "rri", "VVi")
	var ops [][]byte
	for op := range 0xfc {
		ops = append(ops, []byte{byte(op)})
	}
	for _, prefix := range []struct {
		op   byte
		most uint64
	}{{0xfc, 32}, {0xfd, 300}} {
		for n := range prefix.most {
			ops = append(ops, w.Join([]byte{prefix.op}, []byte(uleb(n))))
		}
	}
	for _, op := range ops {
		for _, list := range lists {
			var operands []byte
			for _, t := range list {
				operands = w.Join(operands, values[t])
			}
			// Not every op ends here: the second byte of an alignment may be 2.
			for _, immediate := range []byte{0, 2} {
				tail := make([]byte, 20)
				tail[0] = immediate
				fmt.Fprintln(h, verdict(functions(1, 1, w.Join(operands, op, tail))))
			}
		}
	}
}

// addNoise adds the verdicts over modules that were changed in some bytes.
func addNoise(h hash.Hash) {
	sources := [][]byte{sample()}
	for seed := range uint64(20) {
		sources = append(sources, generate(seed))
	}
	for _, b := range bombs() {
		if len(b.src) < 1<<10 {
			sources = append(sources, b.src)
		}
	}
	noise := rand.New(rand.NewPCG(1, 2))
	for _, src := range sources {
		fmt.Fprintln(h, verdict(src))
		for range 400 {
			changed := bytes.Clone(src)
			for range 1 + noise.IntN(2) {
				changed[8+noise.IntN(len(changed)-8)] = byte(noise.Uint32())
			}
			fmt.Fprintln(h, verdict(changed))
		}
	}
}
